//! The way of one image: recognise, read the header, check the limits, then frame by frame decode, convert to sRGB,
//! turn upright, operate, encode.

mod watermark;

use std::borrow::Cow;
use std::num::NonZeroU16;

use crate::codecs::{self, Decode, Encode, Frame, Header, Sequence};
use crate::color::ToSrgb;
use crate::geometry::{Rect, Size, Stages};
use crate::limits::{Limit, check};
use crate::metadata::Metadata;
use crate::operations::{self, Context};
use crate::orientation::Orientation;
use crate::plan::{Crop, Format, Output, Target};
use crate::{Error, Facts, Image, Limits, Plan, Scratch, faces, format, geometry};

/// The result of [`process`].
#[derive(Debug, Clone)]
pub struct Processed {
    /// The facts about the input.
    pub input: Facts,
    /// The facts about `bytes`.
    pub output: Facts,
    /// The output file.
    pub bytes: Vec<u8>,
    /// Where the faces are in the upright input, the largest first; only when the plan asks for them.
    pub faces: Option<Vec<Rect>>,
    /// What was ignored or replaced on the way, as sentences for the caller of the API.
    pub warnings: Vec<String>,
}

/// The files that go in.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The image.
    pub image: &'a [u8],
    /// The image of [`Plan::watermark`], of which the first frame is used.
    pub watermark: Option<&'a [u8]>,
}

impl<'a> From<&'a [u8]> for Input<'a> {
    fn from(image: &'a [u8]) -> Self {
        Self { image, watermark: None }
    }
}

impl<'a> From<&'a Vec<u8>> for Input<'a> {
    fn from(image: &'a Vec<u8>) -> Self {
        Self { image, watermark: None }
    }
}

/// Decodes `input`, does what `plan` says and encodes the result.
///
/// Deterministic: the same arguments give the same bytes, whatever `scratch` holds.
///
/// # Errors
/// See [`Error`]. No pixel exists before the limits were checked.
pub fn process<'a>(
    input: impl Into<Input<'a>>,
    plan: &Plan,
    limits: &Limits,
    scratch: &mut Scratch,
) -> Result<Processed, Error> {
    let Input { image: input, watermark } = input.into();
    let Some(input_format) = format::sniff(input) else {
        return Err(Error::UnknownFormat { sniffed: format::sniff_foreign(input) });
    };
    let output_format = match plan.output.format {
        Target::Default => input_format.default_output(),
        Target::Format(format) => format,
        Target::Auto => return Err(Error::Plan("output.format auto is not built yet".to_owned())),
    };
    let mut decoder = codecs::open(input_format, input, limits)?;
    let Header { description, orientation, plays, .. } = decoder.header();
    let description = description.clone();
    let sequence = if output_format.is_animated() {
        let plays = plan.output.plays.map_or(*plays, |n| NonZeroU16::new(n).map(NonZeroU16::get));
        Sequence { n_frames: description.frames, plays, alpha: description.alpha }
    } else {
        Sequence::STILL
    };
    limits.check_input(description.width, description.height, sequence.n_frames)?;
    let mut run = Run {
        plan: Cow::Borrowed(plan),
        output_alpha: output_format.has_alpha(),
        limits,
        full_size: Size::new(description.width, description.height),
        n_frames: sequence.n_frames,
        faces: None,
        watermark_file: watermark.filter(|_| plan.watermark.is_some()),
        watermark: None,
        orientation: if plan.keep_orientation { Orientation::Upright } else { *orientation },
        to_srgb: None,
        warnings: Vec::new(),
    };
    run.prepare(decoder.as_mut())?;
    let first = run.first(decoder.as_mut(), scratch)?;
    let metadata = decoder.header().metadata.kept(plan.output.metadata);
    let mut encoder = codecs::begin(output_format, &plan.output, sequence, metadata)?;
    run.frames(first, decoder.as_mut(), encoder.as_mut(), scratch)?;
    let encoded = encoder.finish(scratch)?;
    // At the end: some things are only noticed while decoding.
    run.warnings.extend_from_slice(&decoder.header().warnings);
    Ok(Processed {
        input: description.of(input),
        output: encoded.description.of(&encoded.bytes),
        bytes: encoded.bytes,
        faces: run.faces,
        warnings: run.warnings,
    })
}

/// Makes a file of a picture: for pictures that were painted, not decoded.
///
/// # Errors
/// [`Error::Encode`] when the format cannot hold the picture, for example because a side is too long for it.
pub fn encode(image: Image, format: Format, output: &Output) -> Result<Vec<u8>, Error> {
    let mut scratch = Scratch::default();
    let mut encoder = codecs::begin(format, output, Sequence::STILL, Metadata::default())?;
    encoder.push(image, 0, &mut scratch)?;
    Ok(encoder.finish(&mut scratch)?.bytes)
}

/// What stays the same from frame to frame.
struct Run<'a> {
    /// As asked; once the faces are known, what it means with them.
    plan: Cow<'a, Plan>,
    output_alpha: bool,
    limits: &'a Limits,
    /// The size of the upright picture in the file.
    full_size: Size,
    n_frames: u32,
    orientation: Orientation,
    /// Made with the first frame, whose layout it depends on.
    to_srgb: Option<ToSrgb>,
    /// Found in the first frame, if the plan asks for them.
    faces: Option<Vec<Rect>>,
    /// Taken when the size of the first picture that it lies on is known.
    watermark_file: Option<&'a [u8]>,
    /// At the size at which it lies on every frame.
    watermark: Option<Image>,
    warnings: Vec<String>,
}

impl Run<'_> {
    /// Before anything is decoded: refuses what the plan would make too large, and tells the decoder how few pixels
    /// would do.
    fn prepare(&mut self, decoder: &mut dyn Decode) -> Result<(), Error> {
        self.full_size = self.orientation.turned(self.full_size);
        let Size { width, height } = self.full_size;
        // How large a crop by faces is turns out with the first frame.
        if !matches!(self.plan.crop, Some(Crop::Face { .. })) {
            self.check_output()?;
        }
        let mut needed = operations::needed_size(width, height, &self.plan)?;
        if geometry::asks_for_faces(&self.plan) {
            let to_find = faces::needed_size(self.full_size);
            needed = Size::new(needed.width.max(to_find.width), needed.height.max(to_find.height));
        }
        decoder.reduce_to(self.orientation.turned(needed));
        Ok(())
    }

    fn check_output(&self) -> Result<(), Error> {
        let size = operations::final_size(self.full_size.width, self.full_size.height, &self.plan)?;
        self.limits.check_output(size.width, size.height)?;
        let n_pixels = u64::from(size.width) * u64::from(size.height) * u64::from(self.n_frames);
        check(Limit::Pixels, self.limits.pixels, n_pixels)
    }

    /// The first frame. With it the plan's words about faces become numbers: from here on the size of the result is known.
    fn first(&mut self, decoder: &mut dyn Decode, scratch: &mut Scratch) -> Result<Picture, Error> {
        let Some(frame) = decoder.next_frame(scratch)? else { return Err(no_picture(decoder)) };
        let first = self.upright(frame, decoder, scratch);
        if geometry::asks_for_faces(&self.plan) {
            self.look_for_faces(&first.image, scratch)?;
        }
        Ok(first)
    }

    /// Sends frame after frame from one end to the other. An animation that breaks off is as long as it got.
    fn frames(
        &mut self,
        first: Picture,
        decoder: &mut dyn Decode,
        encoder: &mut dyn Encode,
        scratch: &mut Scratch,
    ) -> Result<(), Error> {
        let n_frames = self.n_frames;
        let mut picture = first;
        for n_done in 1..=n_frames {
            let delay_ms = self.plan.output.delay_ms.unwrap_or(picture.delay_ms);
            let image = self.operate(picture.image, scratch)?;
            encoder.push(image, delay_ms, scratch)?;
            if n_done == n_frames {
                break;
            }
            let frame = match decoder.next_frame(scratch) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error @ Error::Corrupt { .. }) => {
                    self.warnings
                        .push(format!("the animation ends after {n_done} of {n_frames} frames: {error}"));
                    break;
                }
                Err(error) => return Err(error),
            };
            picture = self.upright(frame, decoder, scratch);
        }
        Ok(())
    }

    /// A decoded frame, upright and in sRGB.
    fn upright(&mut self, frame: Frame, decoder: &dyn Decode, scratch: &mut Scratch) -> Picture {
        let Frame { raster, delay_ms } = frame;
        let layout = raster.layout;
        let to_srgb = self.to_srgb.get_or_insert_with(|| {
            let (to_srgb, warning) = ToSrgb::new(decoder.header().profile.as_deref(), layout);
            self.warnings.extend(warning);
            to_srgb
        });
        let image = to_srgb.apply(raster, scratch);
        Picture { image: self.orientation.apply(image, scratch), delay_ms }
    }

    /// From an upright picture to the one that is encoded.
    fn operate(&mut self, image: Image, scratch: &mut Scratch) -> Result<Image, Error> {
        if let Some(file) = self.watermark_file.take()
            && let Some(asked) = self.plan.watermark
        {
            let under = Stages::of(self.full_size, &self.plan)?.scaled;
            self.watermark = Some(watermark::decode(file, &asked, under, &self.context(), scratch)?);
        }
        operations::apply(image, &self.plan, &self.context(), scratch)
    }

    /// Turns what the plan says of faces into numbers. It asks for none after that.
    fn look_for_faces(&mut self, image: &Image, scratch: &mut Scratch) -> Result<(), Error> {
        let faces = faces::find(image, self.full_size, scratch);
        let (plan, warning) = geometry::resolve(&self.plan, self.full_size, &faces);
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

/// A frame, upright and in sRGB.
struct Picture {
    image: Image,
    delay_ms: u32,
}

/// The first frame alone, upright and in sRGB.
fn still(decoder: &mut dyn Decode, orientation: Orientation, scratch: &mut Scratch) -> Result<Image, Error> {
    let Some(frame) = decoder.next_frame(scratch)? else { return Err(no_picture(decoder)) };
    let (to_srgb, _) = ToSrgb::new(decoder.header().profile.as_deref(), frame.raster.layout);
    Ok(orientation.apply(to_srgb.apply(frame.raster, scratch), scratch))
}

fn no_picture(decoder: &dyn Decode) -> Error {
    let format = decoder.header().description.format.name();
    Error::Corrupt { format, reason: "no picture".to_owned() }
}
