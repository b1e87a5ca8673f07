//! The way of one image: recognise, read the header, check the limits, then frame by frame from the decoder to the
//! encoder; what happens to a frame is in `process/run.rs`.

mod run;
mod watermark;

use std::borrow::Cow;
use std::num::NonZeroU16;

use self::run::Run;
use crate::codecs::{self, Header, Sequence, fit};
use crate::geometry::{Rect, Size};
use crate::metadata::{Changed, Metadata};
use crate::orientation::Orientation;
use crate::plan::{Format, KeptMetadata, Output, Target};
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
    let input = input.into();
    let Some(input_format) = format::sniff(input.image) else {
        return Err(Error::UnknownFormat { sniffed: format::sniff_foreign(input.image) });
    };
    let job = Job { input, input_format, limits };
    match plan.output.max_bytes {
        Some(max_bytes) if job.streams(plan)? => job.fit(plan, max_bytes, scratch),
        _ => job.run(plan, scratch),
    }
}

/// What has to be processed, once or at several qualities.
struct Job<'a> {
    input: Input<'a>,
    input_format: Format,
    limits: &'a Limits,
}

impl Job<'_> {
    /// The format that is asked for; `None`: the smallest.
    fn output_format(&self, plan: &Plan) -> Option<Format> {
        match plan.output.format {
            Target::Default => Some(self.input_format.default_output()),
            Target::Format(format) => Some(format),
            Target::Auto => None,
        }
    }

    /// Whether the sink takes frames as they come, so that it cannot try several qualities by itself.
    fn streams(&self, plan: &Plan) -> Result<bool, Error> {
        let n_frames = || {
            let decoder = codecs::open(self.input_format, self.input.image, self.limits)?;
            Ok(decoder.header().description.frames)
        };
        match self.output_format(plan) {
            // One picture is a still one in these.
            Some(Format::Webp) | None => n_frames().map(|n_frames| n_frames > 1),
            Some(format) => Ok(format.is_animated()),
        }
    }

    /// Finds the highest quality at which an animation is not too large. It is processed anew for each attempt: its
    /// frames together may be far larger than what a worker is allowed to keep.
    fn fit(&self, plan: &Plan, max_bytes: u64, scratch: &mut Scratch) -> Result<Processed, Error> {
        fit::highest(&plan.output, max_bytes, |output| {
            let made = self.run(&Plan { output: *output, ..plan.clone() }, scratch)?;
            Ok(fit::Attempt {
                n_bytes: made.output.bytes,
                lossy: made.output.quality.is_some()
                    || (plan.output.format == Target::Auto && !output.lossless),
                format: made.output.format.name(),
                made,
            })
        })
    }

    /// Does everything once; `max_bytes` is the business of a sink for one picture here.
    fn run(&self, plan: &Plan, scratch: &mut Scratch) -> Result<Processed, Error> {
        let Self { input, input_format, limits } = *self;
        let output_format = self.output_format(plan);
        let mut decoder = codecs::open(input_format, input.image, limits)?;
        let Header { description, orientation, plays, .. } = decoder.header();
        let description = description.clone();
        let sequence = if output_format.is_none_or(Format::is_animated) {
            let plays = plan.output.plays.map_or(*plays, |n| NonZeroU16::new(n).map(NonZeroU16::get));
            Sequence { n_frames: description.frames, plays, alpha: description.alpha }
        } else {
            Sequence::STILL
        };
        limits.check_input(description.width, description.height, sequence.n_frames)?;
        let mut run = Run {
            plan: Cow::Borrowed(plan),
            output_alpha: output_format.is_none_or(Format::has_alpha),
            limits,
            full_size: Size::new(description.width, description.height),
            n_frames: sequence.n_frames,
            faces: None,
            watermark_file: input.watermark.filter(|_| plan.watermark.is_some()),
            watermark: None,
            orientation: if plan.keep_orientation { Orientation::Upright } else { *orientation },
            to_srgb: None,
            warnings: Vec::new(),
        };
        run.prepare(decoder.as_mut())?;
        let metadata = match plan.output.metadata {
            KeptMetadata::None => Metadata::default(),
            KeptMetadata::Copyright | KeptMetadata::All => decoder.header().metadata.clone(),
        };
        let (mut has_metadata, mut warnings) = (false, Vec::new());
        // What metadata say of the picture is known when the first one is made.
        let begin = |size| {
            let changed = Changed { size, upright: !plan.keep_orientation };
            let metadata = metadata.kept(plan.output.metadata, changed, &mut warnings);
            has_metadata = !metadata.is_empty();
            match output_format {
                Some(format) => codecs::begin(format, &plan.output, sequence, metadata),
                None => codecs::begin_smallest(&plan.output, sequence, metadata),
            }
        };
        let encoder = run.frames(decoder.as_mut(), begin, scratch)?;
        let encoded = encoder.finish(scratch)?;
        run.warnings.append(&mut warnings);
        let format = encoded.description.format;
        if has_metadata && !codecs::takes_metadata(format) {
            run.warnings
                .push(format!("the metadata were left out: this build writes none into {}", format.name()));
        }
        // At the end: some things are only noticed while decoding.
        run.warnings.extend_from_slice(&decoder.header().warnings);
        Ok(Processed {
            input: description.of(input.image),
            output: encoded.description.of(&encoded.bytes),
            bytes: encoded.bytes,
            faces: run.faces,
            warnings: run.warnings,
        })
    }
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

/// Makes an animation, played for ever, of at most `n_frames` pictures of one size with the time each is shown, in
/// milliseconds.
///
/// # Errors
/// As [`encode`], and when there is no frame or the format holds one only.
pub fn encode_animation(
    frames: impl IntoIterator<Item = (Image, u32)>,
    n_frames: u32,
    format: Format,
    output: &Output,
) -> Result<Vec<u8>, Error> {
    let failed = |reason: &str| Error::Encode { format: format.name(), reason: reason.to_owned() };
    if !format.is_animated() {
        return Err(failed("it holds a single picture"));
    }
    let mut scratch = Scratch::default();
    let mut frames = frames.into_iter().take(n_frames as usize);
    let first = frames.next().ok_or_else(|| failed("an animation without a frame"))?;
    let sequence = Sequence { n_frames, plays: None, alpha: first.0.channels().has_alpha() };
    let mut encoder = codecs::begin(format, output, sequence, Metadata::default())?;
    for (image, delay_ms) in std::iter::once(first).chain(frames) {
        encoder.push(image, delay_ms, &mut scratch)?;
    }
    Ok(encoder.finish(&mut scratch)?.bytes)
}
