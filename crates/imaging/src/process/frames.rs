//! Processes every frame of one image in this order: decoding, conversion to sRGB, orientation, operations,
//! encoding.

use std::borrow::Cow;

use super::cut_off;
use super::first_frame::no_picture;
use super::watermark;
use crate::codecs::{Decode, Encode, Frame, Header};
use crate::color::ToSrgb;
use crate::geometry::{Rect, Size, Stages};
use crate::info::Colorspace;
use crate::limits::{Limit, check};
use crate::operations::{self, Context};
use crate::orientation::Orientation;
use crate::plan::Crop;
use crate::{Error, Image, Limits, Plan, Scratch, faces, geometry};

/// The values that the processing of all frames of an image has in common.
pub(super) struct FramePipeline<'a> {
    /// The requested plan. After face detection, this field is a copy of the plan in which coordinates
    /// replace the references to faces.
    pub(super) plan: Cow<'a, Plan>,
    /// Whether the output format can store alpha.
    pub(super) output_alpha: bool,
    pub(super) limits: &'a Limits,
    /// The size of the picture in the file, before any reduction by the decoder and after the EXIF
    /// orientation was applied.
    pub(super) full_size: Size,
    /// The largest possible number of frames.
    pub(super) n_frames: u32,
    /// Whether the output has all frames of the input, and not only the first frame.
    pub(super) uses_all_frames: bool,
    pub(super) orientation: Orientation,
    /// The colour conversion, created with the first frame because it depends on the layout of the pixels.
    pub(super) to_srgb: Option<ToSrgb>,
    /// The faces in the first frame, if the plan refers to faces.
    pub(super) faces: Option<Vec<Rect>>,
    /// The file of the watermark. `None` if the plan has no watermark, or if the watermark was already
    /// decoded.
    pub(super) watermark_file: Option<&'a [u8]>,
    /// The decoded watermark at the size that it has on every frame.
    pub(super) watermark: Option<Image>,
    pub(super) warnings: Vec<String>,
}

impl FramePipeline<'_> {
    /// Prepares decoding: checks the size of the output against the limits, and passes to the decoder the
    /// smallest frame size that suffices for the plan.
    pub(super) fn prepare(&mut self, decoder: &mut dyn Decode) -> Result<(), Error> {
        self.full_size = self.orientation.turned(self.full_size);
        let Size { width, height } = self.full_size;
        // If the crop depends on faces, the size of the output is checked later, because faces are found in
        // the first frame.
        if !matches!(self.plan.crop, Some(Crop::Face { .. })) {
            self.check_output()?;
        }
        let mut needed = operations::needed_size(width, height, &self.plan)?;
        if geometry::uses_faces(&self.plan) {
            let to_find = faces::needed_size(self.full_size);
            needed = Size::new(needed.width.max(to_find.width), needed.height.max(to_find.height));
        }
        decoder.reduce_to(self.orientation.turned(needed));
        Ok(())
    }

    /// Checks the size of the output frame and the number of pixels in all output frames.
    fn check_output(&self) -> Result<(), Error> {
        let size = operations::final_size(self.full_size.width, self.full_size.height, &self.plan)?;
        self.limits.check_output(size.width, size.height)?;
        let n_pixels = u64::from(size.width) * u64::from(size.height) * u64::from(self.n_frames);
        check(Limit::Pixels, self.limits.pixels, n_pixels)
    }

    /// Processes all frames and passes them to the encoder. `begin` creates the encoder when the size of the
    /// first output frame is known. If a frame of an animation is corrupt, the output ends before this frame,
    /// and a warning is added.
    pub(super) fn encode_frames(
        &mut self,
        decoder: &mut dyn Decode,
        begin: impl FnOnce(Size) -> Result<Box<dyn Encode>, Error>,
        scratch: &mut Scratch,
    ) -> Result<Box<dyn Encode>, Error> {
        let n_frames = self.n_frames;
        if n_frames == 1
            && let Some(image) = self.process_rows(decoder, scratch)?
        {
            self.check_truncation(decoder)?;
            let mut encoder = begin(Size::of(&image))?;
            encoder.push(image, 0, scratch)?;
            return Ok(encoder);
        }
        let (mut begin, mut encoder) = (Some(begin), None);
        for n_done in 0..n_frames {
            let result = decoder.next_frame(scratch);
            self.check_truncation(decoder)?;
            let frame = match result {
                Ok(Some(frame)) => frame,
                Ok(None) if n_done > 0 => break,
                Ok(None) => return Err(no_picture(decoder)),
                // No warning is added if the file is cut off, because another warning reports the missing
                // frames.
                Err(Error::Corrupt { .. }) if n_done > 0 && decoder.header().truncation.is_some() => break,
                Err(error @ Error::Corrupt { .. }) if n_done > 0 => {
                    self.warnings
                        .push(format!("the animation ends after {n_done} of {n_frames} frames: {error}"));
                    break;
                }
                Err(error) => return Err(error),
            };
            let delay_ms = self.plan.output.delay_ms.unwrap_or(frame.delay_ms);
            let image = self.process_frame(frame, decoder, scratch)?;
            if let Some(begin) = begin.take() {
                encoder = Some(begin(Size::of(&image))?);
            }
            let encoder: &mut Box<dyn Encode> =
                encoder.as_mut().expect("the encoder is created for the first frame");
            encoder.push(image, delay_ms, scratch)?;
        }
        encoder.ok_or_else(|| no_picture(decoder))
    }

    fn check_truncation(&self, decoder: &dyn Decode) -> Result<(), Error> {
        cut_off::check(decoder.header(), self.uses_all_frames, self.limits)
    }

    /// If the image has a single frame, processes this picture row by row while it is decoded. Returns
    /// `None`, without decoding any pixels, when the decoder or the plan does not allow processing by rows.
    fn process_rows(
        &mut self,
        decoder: &mut dyn Decode,
        scratch: &mut Scratch,
    ) -> Result<Option<Image>, Error> {
        // Pictures that must be rotated or mirrored and plans that use faces are excluded, because both need
        // the whole picture.
        if self.orientation != Orientation::Upright
            || geometry::uses_faces(&self.plan)
            || !operations::takes_rows(self.full_size, &self.plan)?
        {
            return Ok(None);
        }
        let profile = decoder.header().profile.clone();
        let is_gray = decoder.header().info.colorspace == Colorspace::Gray;
        // Rows of a reduced picture are not used, because the lengths in the plan are in pixels of the full
        // size.
        let Some(mut rows) = decoder.rows()?.filter(|rows| rows.size() == self.full_size) else {
            return Ok(None);
        };
        let (to_srgb, warning) = ToSrgb::new(profile.as_deref(), rows.layout(), is_gray);
        self.warnings.extend(warning);
        self.decode_watermark(scratch)?;
        operations::apply_to_rows(rows.as_mut(), &to_srgb, &self.plan, &self.context(), scratch).map(Some)
    }

    /// Converts a decoded frame to the picture that is encoded: colours, orientation and operations.
    fn process_frame(
        &mut self,
        frame: Frame,
        decoder: &dyn Decode,
        scratch: &mut Scratch,
    ) -> Result<Image, Error> {
        let layout = frame.raster.layout;
        let to_srgb = self.to_srgb.get_or_insert_with(|| {
            let Header { profile, info, .. } = decoder.header();
            let is_gray = info.colorspace == Colorspace::Gray;
            let (to_srgb, warning) = ToSrgb::new(profile.as_deref(), layout, is_gray);
            self.warnings.extend(warning);
            to_srgb
        });
        let stored = Size::new(frame.raster.width, frame.raster.height);
        let part = decoder.reduced_size().map(|part| self.orientation.turned_part(part, stored));
        let image = to_srgb.apply(frame.raster, scratch);
        let image = self.orientation.apply(image, scratch);
        if geometry::uses_faces(&self.plan) {
            self.resolve_faces(&image, scratch)?;
        }
        self.decode_watermark(scratch)?;
        operations::apply_to_part(image, part, &self.plan, &self.context(), scratch)
    }

    /// Decodes the watermark at the size that it has in the output. Does nothing if the watermark was already
    /// decoded or the plan has no watermark.
    fn decode_watermark(&mut self, scratch: &mut Scratch) -> Result<(), Error> {
        if let Some(file) = self.watermark_file.take()
            && let Some(asked) = self.plan.watermark
        {
            let under = Stages::of(self.full_size, &self.plan)?.scaled;
            let mut warnings = Vec::new();
            let decoded = watermark::decode(file, &asked, under, &self.context(), &mut warnings, scratch)?;
            self.watermark = Some(decoded);
            self.warnings.append(&mut warnings);
        }
        Ok(())
    }

    /// Finds the faces in the image and replaces every reference to faces in the plan by coordinates.
    fn resolve_faces(&mut self, image: &Image, scratch: &mut Scratch) -> Result<(), Error> {
        let faces = faces::find(image, self.full_size, scratch);
        let (plan, warning) = geometry::resolve_faces(&self.plan, self.full_size, &faces);
        self.plan = Cow::Owned(plan);
        self.faces = Some(faces);
        self.warnings.extend(warning);
        self.check_output()
    }

    fn context(&self) -> Context<'_> {
        Context {
            output_alpha: self.output_alpha,
            limits: self.limits,
            full_size: Some(self.full_size),
            watermark: self.watermark.as_ref(),
        }
    }
}
