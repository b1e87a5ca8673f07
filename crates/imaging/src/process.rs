//! Processes one image: recognises the format, reads the header, checks the limits, and passes frame after
//! frame from the decoder to the encoder. `process/frames.rs` processes each frame between decoding and
//! encoding.

mod cut_off;
mod first_frame;
mod frames;
mod ineffective;
mod memory;
mod target;
mod watermark;

use std::borrow::Cow;
use std::num::NonZeroU16;

use self::frames::FramePipeline;
use crate::codecs::quality_search::{self, Attempt};
use crate::codecs::{self, Decode, Header, Sequence};
use crate::fonts::FontSource;
use crate::format::{self, Format};
use crate::geometry::{Rect, Size};
use crate::info::ImageInfo;
use crate::metadata::{Changed, Metadata};
use crate::orientation::Orientation;
use crate::plan::{KeptMetadata, Output, TargetFormat};
use crate::{Error, FileInfo, Image, Limits, Plan, Scratch};

/// The result of [`process`].
#[derive(Debug, Clone)]
pub struct Processed {
    /// Information about the input file.
    pub input: FileInfo,
    /// Information about the output file.
    pub output: FileInfo,
    /// The output file.
    pub bytes: Vec<u8>,
    /// The faces in the input after its EXIF orientation was applied, the largest face first. `None` if the
    /// plan does not refer to faces.
    pub faces: Option<Vec<Rect>>,
    /// Warnings about parts of the input or the plan that were ignored or replaced, as sentences for the
    /// caller of the API.
    pub warnings: Vec<String>,
}

/// The input files of [`process`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Input<'a> {
    /// The image to process.
    pub image: &'a [u8],
    /// The file with the picture for [`Plan::watermark`]. If the file is an animation, its first frame is
    /// used.
    pub watermark: Option<&'a [u8]>,
    /// The fonts for the text in documents, in addition to the fonts that this crate contains.
    pub fonts: Option<&'a dyn FontSource>,
}

impl<'a> From<&'a [u8]> for Input<'a> {
    fn from(image: &'a [u8]) -> Self {
        Self { image, ..Self::default() }
    }
}

impl Input<'_> {
    /// The length of all files together.
    fn n_bytes(&self) -> u64 {
        (self.image.len() + self.watermark.map_or(0, <[u8]>::len)) as u64
    }
}

impl<'a> From<&'a Vec<u8>> for Input<'a> {
    fn from(image: &'a Vec<u8>) -> Self {
        Self { image, ..Self::default() }
    }
}

/// Decodes `input`, applies `plan` and encodes the result.
///
/// The function is deterministic: the same arguments give the same bytes, whatever `scratch` contains.
///
/// # Errors
/// See [`Error`]. The limits are checked before memory for pixels is allocated.
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
    let processed = job.open().and_then(|decoder| match plan.output.max_bytes {
        Some(max_bytes) if job.streams(plan, decoder.header()) => {
            job.search_quality(plan, max_bytes, decoder, scratch)
        }
        _ => job.run(plan, decoder, scratch),
    });
    processed.map_err(|error| cut_off::explained(error, input_format, input.image))
}

/// The arguments of one call of [`process`], except the plan. The plan is not included because the quality
/// search processes the image several times with different plans.
struct Job<'a> {
    input: Input<'a>,
    input_format: Format,
    limits: &'a Limits,
}

impl<'a> Job<'a> {
    /// Opens a decoder for the image.
    fn open(&self) -> Result<Box<dyn Decode + 'a>, Error> {
        codecs::open(self.input_format, self.input.image, self.limits, self.input.fonts)
    }

    /// The requested output format. `None` if the request leaves the choice to the encoder, which then uses
    /// the format that gives the smallest file.
    fn output_format(&self, plan: &Plan) -> Option<Format> {
        match plan.output.format {
            TargetFormat::Default => Some(self.input_format.default_output()),
            TargetFormat::Format(format) => Some(format),
            TargetFormat::Auto => None,
        }
    }

    /// Whether the encoder writes each frame as soon as the frame arrives. Such an encoder cannot search for
    /// the highest quality that `max_bytes` allows, because the search needs all frames several times.
    fn streams(&self, plan: &Plan, header: &Header) -> bool {
        match self.output_format(plan) {
            // If the input has a single frame, the formats WebP and `auto` use an encoder for still pictures,
            // which searches for the quality by itself.
            Some(Format::Webp) | None => header.info.frames > 1,
            Some(format) => format.is_animated(),
        }
    }

    /// Lowers the quality until the file of an animation has at most `max_bytes` bytes. Every
    /// attempt decodes and processes the image again, because all frames together may need far more memory
    /// than a worker may use. The first attempt uses `decoder`.
    fn search_quality(
        &self,
        plan: &Plan,
        max_bytes: u64,
        decoder: Box<dyn Decode + 'a>,
        scratch: &mut Scratch,
    ) -> Result<Processed, Error> {
        let mut first_decoder = Some(decoder);
        let found = quality_search::search(&plan.output, max_bytes, |output| {
            let decoder = first_decoder.take().map_or_else(|| self.open(), Ok)?;
            let processed = self.run(&Plan { output: *output, ..plan.clone() }, decoder, scratch)?;
            Ok(Attempt {
                n_bytes: processed.output.bytes,
                quality: match plan.output.format {
                    TargetFormat::Auto if output.lossless => None,
                    TargetFormat::Auto => output.quality.or(Some(codecs::quality_scale::DEFAULT_QUALITY)),
                    _ => processed.output.quality,
                },
                format: processed.output.format.name(),
                result: processed,
            })
        })?;
        let mut processed = found.result;
        processed.warnings.extend(found.warning);
        Ok(processed)
    }

    /// Processes the image once, from the first frame of `decoder` on. Of the encoders, only those for still
    /// pictures respect `max_bytes` in this function, because they search for the highest possible quality by
    /// themselves.
    fn run(
        &self,
        plan: &Plan,
        mut decoder: Box<dyn Decode + 'a>,
        scratch: &mut Scratch,
    ) -> Result<Processed, Error> {
        let limits = self.limits;
        let output_format = self.output_format(plan);
        let Header { info, orientation, plays, .. } = decoder.header();
        let info = info.clone();
        let uses_all_frames = output_format.is_none_or(Format::is_animated);
        let sequence = if uses_all_frames { of_all_frames(plan, &info, *plays) } else { Sequence::STILL };
        limits.check_input(info.width, info.height, sequence.n_frames)?;
        target::check(&plan.output, output_format, sequence.n_frames)?;
        let mut pipeline = FramePipeline {
            plan: Cow::Borrowed(plan),
            output_alpha: output_format.is_none_or(Format::has_alpha),
            limits,
            full_size: Size::new(info.width, info.height),
            n_frames: sequence.n_frames,
            uses_all_frames,
            faces: None,
            watermark_file: self.input.watermark.filter(|_| plan.watermark.is_some()),
            watermark: None,
            fonts: self.input.fonts,
            orientation: if plan.keep_orientation { Orientation::Upright } else { *orientation },
            to_srgb: None,
            warnings: Vec::new(),
        };
        cut_off::check(decoder.header(), uses_all_frames, limits)?;
        pipeline.prepare(decoder.as_mut())?;
        let job = memory::Job {
            plan,
            full_size: pipeline.full_size,
            orientation: pipeline.orientation,
            input_bytes: self.input.n_bytes(),
            output_format,
            sequence,
        };
        memory::check(&job, decoder.as_ref(), limits, scratch)?;
        let metadata = match plan.output.metadata {
            KeptMetadata::None => Metadata::default(),
            KeptMetadata::Copyright | KeptMetadata::All => decoder.header().metadata.clone(),
        };
        let (mut has_metadata, mut warnings) = (false, Vec::new());
        // This closure runs after the first frame was processed. Only then is the size of the output known,
        // which the metadata must contain.
        let begin = |size| {
            let changed = Changed { size, upright: !plan.keep_orientation };
            let metadata = metadata.kept(plan.output.metadata, changed, &mut warnings);
            has_metadata = !metadata.is_empty();
            match output_format {
                Some(format) => codecs::begin(format, &plan.output, sequence, metadata),
                None => codecs::auto::begin(&plan.output, sequence, metadata),
            }
        };
        let mut encoder = pipeline.encode_frames(decoder.as_mut(), begin, scratch)?;
        warnings.extend(encoder.warning());
        let encoded = encoder.finish(scratch)?;
        pipeline.warnings.append(&mut warnings);
        let format = encoded.info.format;
        pipeline.warnings.extend(lost_metadata(has_metadata, format));
        pipeline.warnings.extend(ineffective::warnings(&plan.output, &encoded.info));
        // The warnings of the decoder are read after the last frame, because decoding a frame can add
        // warnings.
        let header = decoder.header();
        pipeline.warnings.extend_from_slice(&header.warnings);
        let truncation = cut_off::of_used_frames(header, uses_all_frames);
        pipeline.warnings.extend(truncation.map(|truncation| truncation.to_string()));
        Ok(Processed {
            input: info.of_file(self.input.image),
            output: encoded.info.of_file(&encoded.bytes),
            bytes: encoded.bytes,
            faces: pipeline.faces,
            warnings: pipeline.warnings,
        })
    }
}

/// Encodes a picture that was not decoded from a file.
///
/// # Errors
/// [`Error::Encode`] when this build does not write the format or the encoder fails, [`Error::Plan`] when the
/// format cannot hold the picture, for example because a side is too long.
pub fn encode(image: Image, format: Format, output: &Output) -> Result<Vec<u8>, Error> {
    let mut scratch = Scratch::default();
    let mut encoder = codecs::begin(format, output, Sequence::STILL, Metadata::default())?;
    encoder.push(image, 0, &mut scratch)?;
    Ok(encoder.finish(&mut scratch)?.bytes)
}

/// Encodes an animation that repeats endlessly. `frames` yields pictures of equal size, each with its display
/// time in milliseconds. At most `n_frames` frames are used.
///
/// # Errors
/// The errors of [`encode`]. [`Error::Encode`] also when `frames` yields no frame, or when the format can
/// hold only one frame.
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

/// Returns the facts about the animation that the result is if all frames are used. `plays` is the number of plays of
/// the input.
fn of_all_frames(plan: &Plan, info: &ImageInfo, plays: Option<u16>) -> Sequence {
    let plays = plan.output.plays.map_or(plays, |n| NonZeroU16::new(n).map(NonZeroU16::get));
    Sequence { n_frames: info.frames, plays, alpha: info.alpha }
}

/// Returns a warning if the result has no metadata because its format cannot contain them.
fn lost_metadata(has_metadata: bool, format: Format) -> Option<String> {
    let is_lost = has_metadata && !format.has_metadata();
    is_lost.then(|| format!("the metadata were left out: this build writes none into {}", format.name()))
}
