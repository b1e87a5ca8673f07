//! The way of one image: recognise, read the header, check the limits, then frame by frame decode, convert to sRGB,
//! turn upright, operate, encode.

use std::num::NonZeroU16;

use crate::codecs::{self, Decode, Encode, Frame, Header, Sequence};
use crate::color::ToSrgb;
use crate::geometry::Size;
use crate::limits::{Limit, check};
use crate::metadata::Metadata;
use crate::operations::{self, Context};
use crate::orientation::Orientation;
use crate::plan::{Format, Output, Target};
use crate::{Error, Facts, Image, Limits, Plan, Scratch, format};

/// The result of [`process`].
#[derive(Debug, Clone)]
pub struct Processed {
    /// The facts about the input.
    pub input: Facts,
    /// The facts about `bytes`.
    pub output: Facts,
    /// The output file.
    pub bytes: Vec<u8>,
    /// What was ignored or replaced on the way, as sentences for the caller of the API.
    pub warnings: Vec<String>,
}

/// The files that go in.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The image.
    pub image: &'a [u8],
    /// The image of [`Plan::watermark`].
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
    let input = input.into().image;
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
        plan,
        context: Context { output_alpha: output_format.has_alpha(), limits, full_size: None },
        orientation: if plan.keep_orientation { Orientation::Upright } else { *orientation },
        to_srgb: None,
        warnings: Vec::new(),
    };
    run.prepare(decoder.as_mut(), sequence.n_frames)?;
    let metadata = decoder.header().metadata.kept(plan.output.metadata);
    let mut encoder = codecs::begin(output_format, &plan.output, sequence, metadata)?;
    run.frames(decoder.as_mut(), encoder.as_mut(), sequence.n_frames, scratch)?;
    let encoded = encoder.finish(scratch)?;
    // At the end: some things are only noticed while decoding.
    run.warnings.extend_from_slice(&decoder.header().warnings);
    Ok(Processed {
        input: description.of(input),
        output: encoded.description.of(&encoded.bytes),
        bytes: encoded.bytes,
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
    plan: &'a Plan,
    context: Context<'a>,
    orientation: Orientation,
    /// Made with the first frame, whose layout it depends on.
    to_srgb: Option<ToSrgb>,
    warnings: Vec<String>,
}

impl Run<'_> {
    /// Before anything is decoded: refuses what the plan would make too large, and tells the decoder how few pixels
    /// would do.
    fn prepare(&mut self, decoder: &mut dyn Decode, n_frames: u32) -> Result<(), Error> {
        let description = &decoder.header().description;
        let stored = Size::new(description.width, description.height);
        let upright = self.orientation.turned(stored);
        let size = operations::final_size(upright.width, upright.height, self.plan)?;
        self.context.limits.check_output(size.width, size.height)?;
        let n_pixels = u64::from(size.width) * u64::from(size.height) * u64::from(n_frames);
        check(Limit::Pixels, self.context.limits.pixels, n_pixels)?;
        let needed = operations::needed_size(upright.width, upright.height, self.plan)?;
        decoder.reduce_to(self.orientation.turned(needed));
        self.context.full_size = Some(upright);
        Ok(())
    }

    /// Sends frame after frame from one end to the other. An animation that breaks off is as long as it got.
    fn frames(
        &mut self,
        decoder: &mut dyn Decode,
        encoder: &mut dyn Encode,
        n_frames: u32,
        scratch: &mut Scratch,
    ) -> Result<(), Error> {
        for n_done in 0..n_frames {
            let frame = match decoder.next_frame(scratch) {
                Ok(Some(frame)) => frame,
                Ok(None) if n_done > 0 => break,
                Ok(None) => {
                    let format = decoder.header().description.format.name();
                    return Err(Error::Corrupt { format, reason: "no picture".to_owned() });
                }
                Err(error @ Error::Corrupt { .. }) if n_done > 0 => {
                    self.warnings
                        .push(format!("the animation ends after {n_done} of {n_frames} frames: {error}"));
                    break;
                }
                Err(error) => return Err(error),
            };
            let delay_ms = self.plan.output.delay_ms.unwrap_or(frame.delay_ms);
            let image = self.one(frame, decoder, scratch)?;
            encoder.push(image, delay_ms, scratch)?;
        }
        Ok(())
    }

    /// From a decoded frame to the picture to be encoded.
    fn one(&mut self, frame: Frame, decoder: &dyn Decode, scratch: &mut Scratch) -> Result<Image, Error> {
        let layout = frame.raster.layout;
        let to_srgb = self.to_srgb.get_or_insert_with(|| {
            let (to_srgb, warning) = ToSrgb::new(decoder.header().profile.as_deref(), layout);
            self.warnings.extend(warning);
            to_srgb
        });
        let stored = Size::new(frame.raster.width, frame.raster.height);
        let part = decoder.reduced_size().map(|part| self.orientation.turned_part(part, stored));
        let image = to_srgb.apply(frame.raster, scratch);
        let image = self.orientation.apply(image, scratch);
        operations::apply_to_part(image, part, self.plan, &self.context, scratch)
    }
}
