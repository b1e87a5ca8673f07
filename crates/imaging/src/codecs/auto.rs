//! Implements `output.format: "auto"`: encodes in several formats, so that the picture looks equally good, and
//! keeps the smallest file. `auto/choice.rs` chooses for a still picture. An animation is encoded as WebP and APNG,
//! because these two formats keep all colours and the alpha channel.

mod choice;

use self::choice::Choice;
pub(super) use self::choice::MAX_AVIF_PIXELS;
use super::codec::{Encode, Encoded, Sequence};
use super::quality_scale::DEFAULT_QUALITY;
use super::quality_search::{self, Attempt, Found};
use crate::format::Format;
use crate::metadata::Metadata;
use crate::plan::{Output, TargetFormat};
use crate::{Error, Image, Scratch, codecs};

/// Creates an encoder that encodes in several formats and returns the smallest file.
pub(crate) fn begin(
    output: &Output,
    sequence: Sequence,
    metadata: Metadata,
) -> Result<Box<dyn Encode>, Error> {
    Ok(if sequence.n_frames > 1 {
        Box::new(Animation::new(output, sequence, &metadata)?)
    } else {
        Box::new(Still { output: *output, metadata, encoded: None })
    })
}

/// Returns the output settings for `format`.
fn in_format(format: Format, output: &Output) -> Output {
    Output {
        format: TargetFormat::Format(format),
        quality: Some(output.quality.unwrap_or(DEFAULT_QUALITY)),
        max_bytes: None,
        target: None,
        ..*output
    }
}

/// An encoder of one picture that encodes it in several formats and keeps the smallest file.
struct Still {
    output: Output,
    metadata: Metadata,
    encoded: Option<Found<Encoded>>,
}

impl Still {
    /// Chooses a format, and lowers the quality of its file until the file has at most `max_bytes` bytes.
    fn fitted(
        &self,
        mut choice: Choice<'_>,
        max_bytes: u64,
        scratch: &mut Scratch,
    ) -> Result<Found<Encoded>, Error> {
        let mut chosen = choice.smallest(scratch)?;
        if chosen.bytes.len() as u64 > max_bytes && chosen.info.quality.is_none() && !self.output.lossless {
            choice.exclude_lossless();
            chosen = choice.smallest(scratch)?;
        }
        let format = chosen.info.format;
        let output = Output { quality: chosen.info.quality, ..in_format(format, &self.output) };
        let mut first = Some(chosen);
        quality_search::search(&output, max_bytes, |output| {
            let encoded = match first.take() {
                Some(chosen) => chosen,
                None => choice.encode(format, output, scratch)?,
            };
            Ok(Attempt::of(encoded))
        })
    }
}

impl Encode for Still {
    fn push(&mut self, image: Image, _delay_ms: u32, scratch: &mut Scratch) -> Result<(), Error> {
        let choice = Choice::new(&image, &self.output, &self.metadata, scratch);
        self.encoded = Some(match self.output.max_bytes {
            None => Found { result: choice.smallest(scratch)?, warning: None },
            Some(max_bytes) => self.fitted(choice, max_bytes, scratch)?,
        });
        scratch.give(image.into_data());
        Ok(())
    }

    fn warning(&mut self) -> Option<String> {
        self.encoded.as_mut()?.warning.take()
    }

    fn finish(self: Box<Self>, _scratch: &mut Scratch) -> Result<Encoded, Error> {
        Ok(self.encoded.expect("a frame was pushed before the end").result)
    }
}

fn copy(image: &Image, scratch: &mut Scratch) -> Image {
    let mut data = scratch.take(image.data().len());
    data.copy_from_slice(image.data());
    Image::new(image.width(), image.height(), image.channels(), data)
}

/// An encoder that writes an animation in two formats at the same time and keeps the smaller file.
struct Animation {
    webp: Box<dyn Encode>,
    apng: Box<dyn Encode>,
}

impl Animation {
    fn new(output: &Output, sequence: Sequence, metadata: &Metadata) -> Result<Self, Error> {
        let open = |format| codecs::begin(format, &in_format(format, output), sequence, metadata.clone());
        Ok(Self { webp: open(Format::Webp)?, apng: open(Format::Apng)? })
    }
}

impl Encode for Animation {
    fn push(&mut self, image: Image, delay_ms: u32, scratch: &mut Scratch) -> Result<(), Error> {
        self.webp.push(copy(&image, scratch), delay_ms, scratch)?;
        self.apng.push(image, delay_ms, scratch)
    }

    fn finish(self: Box<Self>, scratch: &mut Scratch) -> Result<Encoded, Error> {
        let (webp, apng) = (self.webp.finish(scratch)?, self.apng.finish(scratch)?);
        Ok(if apng.bytes.len() <= webp.bytes.len() { apng } else { webp })
    }
}
