//! The way of one image: recognise, read the header, check the limits, then frame by frame decode, convert to sRGB,
//! turn upright, operate, encode.

use crate::codecs::{self, Decode, Encode, Frame, Header, Sequence};
use crate::color::ToSrgb;
use crate::limits::{Limit, check};
use crate::operations::{self, Context};
use crate::orientation::Orientation;
use crate::plan::{Format, Output};
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

/// Decodes `input`, does what `plan` says and encodes the result.
///
/// Deterministic: the same arguments give the same bytes, whatever `scratch` holds.
///
/// # Errors
/// See [`Error`]. No pixel exists before the limits were checked.
pub fn process(
    input: &[u8],
    plan: &Plan,
    limits: &Limits,
    scratch: &mut Scratch,
) -> Result<Processed, Error> {
    let Some(input_format) = format::sniff(input) else {
        return Err(Error::UnknownFormat { sniffed: format::sniff_foreign(input) });
    };
    let output_format = plan.output.format.unwrap_or_else(|| input_format.default_output());
    let mut decoder = codecs::open(input_format, input, limits)?;
    let Header { description, orientation, plays, .. } = decoder.header();
    let description = description.clone();
    let sequence = if output_format.is_animated() {
        Sequence { n_frames: description.frames, plays: *plays, alpha: description.alpha }
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
    run.check_output(description.width, description.height, sequence.n_frames)?;
    let mut encoder = codecs::begin(output_format, &plan.output, sequence);
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
    let mut encoder = codecs::begin(format, output, Sequence::STILL);
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
    /// Refuses what the plan would make too large, before anything is decoded.
    fn check_output(&self, width: u32, height: u32, n_frames: u32) -> Result<(), Error> {
        let (width, height) = if self.orientation.swaps_sides() { (height, width) } else { (width, height) };
        let size = operations::final_size(width, height, self.plan)?;
        self.context.limits.check_output(size.width, size.height)?;
        let n_pixels = u64::from(size.width) * u64::from(size.height) * u64::from(n_frames);
        check(Limit::Pixels, self.context.limits.pixels, n_pixels)
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
            let delay_ms = frame.delay_ms;
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
        let image = to_srgb.apply(frame.raster, scratch);
        let image = self.orientation.apply(image, scratch);
        operations::apply(image, self.plan, &self.context, scratch)
    }
}
