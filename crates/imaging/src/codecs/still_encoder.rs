//! The encoder of formats whose files hold one picture. The module of such a format has a function that
//! encodes a picture as a complete file. [`StillEncoder`] implements [`Encode`] with that function.

use super::codec::{Encode, Encoded};
use super::memory::area;
use super::quality_search::{self, Attempt, Found};
use super::score::Sample;
use super::score_search::{self, Band};
use super::{embed, hidden_color};
use crate::metadata::Metadata;
use crate::plan::Output;
use crate::{Error, Image, Scratch};

/// The type of a function that encodes one picture and returns the complete file.
type EncodeStill = fn(&Image, &Output, &Metadata, &mut Scratch) -> Result<Encoded, Error>;

/// The type of a function that encodes one picture and returns the complete file with its metadata. The number is
/// `output.max_bytes`.
type FitStill = fn(&Image, &Output, &Metadata, u64, &mut Scratch) -> Result<Found<Encoded>, Error>;

/// The type of a function that returns the settings for a sample of a picture. The number is that of the pixels of the
/// whole picture.
type ForSample = fn(&Output, u64) -> Output;

/// Encodes the only frame by calling a function. If `output.max_bytes` is set, lowers the quality until the
/// file has at most that many bytes. If `output.target` is set, searches the lowest quality with that score.
pub(super) struct StillEncoder {
    encode: EncodeStill,
    /// The search for a file of at most `output.max_bytes` bytes, if the format has one of its own.
    fit: Option<FitStill>,
    /// The settings for a sample of a picture, if they depend on the number of pixels of the whole picture.
    for_sample: Option<ForSample>,
    output: Output,
    metadata: Metadata,
    /// Whether the colours of visible pixels are extended into transparent areas before encoding.
    extends_colors: bool,
    encoded: Option<Found<Encoded>>,
}

impl StillEncoder {
    /// Creates an encoder that has not received its frame yet.
    pub(super) fn new(encode: EncodeStill, output: &Output, metadata: Metadata) -> Self {
        Self {
            encode,
            fit: None,
            for_sample: None,
            output: *output,
            metadata,
            extends_colors: false,
            encoded: None,
        }
    }

    fn encode(&self, image: &Image, output: &Output, scratch: &mut Scratch) -> Result<Encoded, Error> {
        let mut encoded = (self.encode)(image, output, &self.metadata, scratch)?;
        embed::embed(&mut encoded, &self.metadata);
        Ok(encoded)
    }

    /// Encodes with the lowest quality that reaches a score. The quality is searched on a sample of the picture.
    fn reach(&self, image: &Image, target: u8, scratch: &mut Scratch) -> Result<Found<Encoded>, Error> {
        let sample = Sample::new(image)?;
        let band = Band::target(target);
        let n_pixels = area(image.width(), image.height());
        let for_sample = self.for_sample.map_or(self.output, |for_sample| for_sample(&self.output, n_pixels));
        let found = score_search::search(band, band.typical_quality(), |quality| {
            let output = Output { quality: Some(quality), ..for_sample };
            let encoded = self.encode(&sample.image, &output, scratch)?;
            let score = sample.score(&encoded, scratch)?;
            Ok(Some((encoded, score)))
        })?;
        let found = found.expect("no attempt ends the search");
        let output = Output { quality: Some(found.quality), ..self.output };
        let name = found.result.info.format.name();
        let result = if sample.is_whole { found.result } else { self.encode(image, &output, scratch)? };
        let warning = (!found.is_reached).then(|| {
            format!(
                "output.target: no attempt had the score {target}; the {name} has the score {:.0} at quality {}",
                found.score, found.quality
            )
        });
        Ok(Found { result, warning })
    }

    /// Searches a file of at most `output.max_bytes` bytes with `fit`.
    pub(super) fn with_search(self, fit: FitStill) -> Self {
        Self { fit: Some(fit), ..self }
    }

    /// Encodes samples of a picture with other settings.
    pub(super) fn with_sample_settings(self, for_sample: ForSample) -> Self {
        Self { for_sample: Some(for_sample), ..self }
    }

    /// Encodes with the highest quality whose file has at most `max_bytes` bytes.
    fn fitted(&self, image: &Image, max_bytes: u64, scratch: &mut Scratch) -> Result<Found<Encoded>, Error> {
        if let Some(fit) = self.fit {
            return fit(image, &self.output, &self.metadata, max_bytes, scratch);
        }
        quality_search::search(&self.output, max_bytes, |output| {
            Ok(Attempt::of(self.encode(image, output, scratch)?))
        })
    }

    /// States whether the encoder is lossy with these settings and stores alpha. If so, the colours of
    /// visible pixels are extended into transparent areas.
    pub(super) fn lossy(self, is_lossy: bool) -> Self {
        Self { extends_colors: is_lossy, ..self }
    }
}

impl Encode for StillEncoder {
    fn push(&mut self, mut image: Image, _delay_ms: u32, scratch: &mut Scratch) -> Result<(), Error> {
        if self.extends_colors {
            hidden_color::extend(&mut image, scratch);
        }
        self.encoded = Some(match (self.output.max_bytes, self.output.target) {
            (None, None) => Found { result: self.encode(&image, &self.output, scratch)?, warning: None },
            (None, Some(target)) => self.reach(&image, target, scratch)?,
            (Some(max_bytes), _) => self.fitted(&image, max_bytes, scratch)?,
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
