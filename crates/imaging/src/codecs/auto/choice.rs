//! Chooses the format of a still picture: the smallest of files that look equally good.
//!
//! The files in the lossy formats must reach the score of a JPEG of `output.quality`, or the score
//! `output.target`. The quality of each format is searched on a sample of the picture (`score.rs`). If the sample is
//! the whole picture, its file is the result; else only the formats with the smallest files of the sample encode the
//! whole picture.

use super::{copy, in_format};
use crate::codecs::codec::{Encoded, Sequence};
use crate::codecs::drawing::is_drawing;
use crate::codecs::memory::area;
use crate::codecs::quality_scale::DEFAULT_QUALITY;
use crate::codecs::score::Sample;
use crate::codecs::score_search::{self, Band};
use crate::codecs::{self, palette, quality_search};
use crate::format::Format;
use crate::metadata::Metadata;
use crate::plan::Output;
use crate::{Error, Image, Scratch};

/// The largest number of pixels of a picture that is also encoded as AVIF.
pub(in crate::codecs) const MAX_AVIF_PIXELS: u64 = pixaven_av1::ATTEMPT_PIXELS;

/// The largest number of pixels of a picture that is also encoded as lossless WebP if nothing requires a lossless
/// file. With libwebp, a drawing of 24 megapixels needs more than the 512 MiB of a worker.
const MAX_LOSSLESS_WEBP_PIXELS: u64 = 4_000_000;

/// A format is tried on the whole picture if its file is expected to have at most this many times the size of the
/// smallest expected file.
const CLOSE: f64 = 1.12;

/// The largest growth of the logarithm of a file's size with one point of its score. Files of photographs grow by
/// 0.04 to 0.08.
const LOG_BYTES_PER_POINT: f64 = 0.1;

/// The formats of lossless files.
const LOSSLESS: [Format; 2] = [Format::Webp, Format::Png];

/// A lossy file of the sample.
struct Candidate {
    format: Format,
    quality: u8,
    /// The file of the sample.
    encoded: Encoded,
    /// The expected size of the file of the whole picture in bytes.
    n_bytes: f64,
}

/// What a lossy file must reach.
struct Wanted {
    /// The scores that a file must have.
    band: Band,
    /// The quality at which a search begins.
    first: u8,
    /// The JPEG of the sample whose score the others must reach, of the quality `first`.
    jpeg: Option<Encoded>,
}

/// The choice of a format for one picture.
pub(super) struct Choice<'a> {
    image: &'a Image,
    output: &'a Output,
    metadata: &'a Metadata,
    lossy: Vec<Format>,
    lossless: Vec<Format>,
}

impl<'a> Choice<'a> {
    /// Chooses the formats that are tried.
    pub(super) fn new(
        image: &'a Image,
        output: &'a Output,
        metadata: &'a Metadata,
        scratch: &mut Scratch,
    ) -> Self {
        let mut choice = Self { image, output, metadata, lossy: Vec::new(), lossless: LOSSLESS.to_vec() };
        if output.lossless {
            return choice;
        }
        let opaque =
            !image.channels().has_alpha() || image.data().chunks_exact(4).all(|pixel| pixel[3] == 255);
        let few_colors =
            palette::exact(image, 256, scratch).map(|indexed| scratch.give(indexed.indices)).is_some();
        let n_pixels = choice.n_pixels();
        choice.lossless = if few_colors {
            choice.lossless_of_size().to_vec()
        } else if n_pixels <= MAX_LOSSLESS_WEBP_PIXELS
            && is_drawing(image.data(), image.width(), image.channels().count())
        {
            LOSSLESS.to_vec()
        } else {
            Vec::new()
        };
        // The formats are in the order of their times, because a small file spares the slower formats.
        if opaque {
            choice.lossy.push(Format::Jpeg);
        }
        choice.lossy.push(Format::Webp);
        let n_attempts = if output.max_bytes.is_some() { quality_search::MAX_ATTEMPTS } else { 1 };
        if n_pixels <= MAX_AVIF_PIXELS / n_attempts {
            choice.lossy.extend(Format::written().filter(|&format| format == Format::Avif));
        }
        choice
    }

    fn n_pixels(&self) -> u64 {
        area(self.image.width(), self.image.height())
    }

    /// The lossless formats for a picture of this size if the output may be lossy.
    fn lossless_of_size(&self) -> &'static [Format] {
        if self.n_pixels() <= MAX_LOSSLESS_WEBP_PIXELS { &LOSSLESS } else { &[Format::Png] }
    }

    /// Leaves out the lossless files.
    pub(super) fn exclude_lossless(&mut self) {
        self.lossless.clear();
    }

    /// Encodes the picture in a format.
    pub(super) fn encode(
        &self,
        format: Format,
        output: &Output,
        scratch: &mut Scratch,
    ) -> Result<Encoded, Error> {
        encode(self.image, format, output, self.metadata, scratch)
    }

    /// Returns the smallest file. Skips a format that cannot hold the picture, for example because a side is too
    /// long. If no lossy file is good enough, the result is lossless.
    pub(super) fn smallest(&self, scratch: &mut Scratch) -> Result<Encoded, Error> {
        let mut best = self.smallest_lossless(&self.lossless, scratch)?;
        if !self.lossy.is_empty() {
            best = self.smallest_lossy(best, scratch)?;
        }
        if best.is_none() {
            best = self.smallest_lossless(self.lossless_of_size(), scratch)?;
        }
        best.ok_or_else(|| Error::Plan("output.format: no format of auto can hold the result".to_owned()))
    }

    fn smallest_lossless(&self, formats: &[Format], scratch: &mut Scratch) -> Result<Option<Encoded>, Error> {
        let output = Output { lossless: true, ..*self.output };
        let mut best = None;
        for &format in formats {
            let encoded = unless_impossible(self.encode(format, &output, scratch))?;
            best = smaller(best, encoded);
        }
        Ok(best)
    }

    /// Returns the smallest of `best` and the lossy files that are good enough.
    fn smallest_lossy(
        &self,
        mut best: Option<Encoded>,
        scratch: &mut Scratch,
    ) -> Result<Option<Encoded>, Error> {
        let sample = Sample::new(self.image)?;
        let Wanted { band, first, mut jpeg } = self.wanted(&sample, scratch)?;
        let mut smallest = best.as_ref().map_or(f64::INFINITY, |best| best.bytes.len() as f64);
        let mut candidates = Vec::new();
        for &format in &self.lossy {
            let candidate = match jpeg.take_if(|_| format == Format::Jpeg) {
                Some(encoded) => Ok(Some(self.candidate_of(first, encoded, &sample))),
                None => self.candidate(format, &sample, band, first, smallest, scratch),
            };
            if let Some(candidate) = unless_impossible(candidate)?.flatten() {
                smallest = smallest.min(candidate.n_bytes);
                candidates.push(candidate);
            }
        }
        candidates.retain(|candidate| candidate.n_bytes <= smallest * CLOSE);
        let is_whole = sample.is_whole;
        drop(sample);
        for Candidate { format, quality, encoded, .. } in candidates {
            if is_whole {
                best = smaller(best, Some(encoded));
            } else {
                let output = Output { quality: Some(quality), ..*self.output };
                best = smaller(best, unless_impossible(self.encode(format, &output, scratch))?);
            }
        }
        Ok(best)
    }

    fn wanted(&self, sample: &Sample, scratch: &mut Scratch) -> Result<Wanted, Error> {
        if let Some(target) = self.output.target {
            let band = Band::target(target);
            return Ok(Wanted { band, first: band.typical_quality(), jpeg: None });
        }
        let quality = self.output.quality.unwrap_or(DEFAULT_QUALITY);
        let output = Output { quality: Some(quality), ..*self.output };
        let metadata = self.sample_metadata(sample);
        let flattened = sample.image.channels().has_alpha().then(|| sample.opaque());
        let picture = flattened.as_ref().unwrap_or(&sample.image);
        let jpeg = encode(picture, Format::Jpeg, &output, &metadata, scratch)?;
        let band = Band::equal(sample.score(&jpeg, scratch)?);
        Ok(Wanted { band, first: quality, jpeg: Some(jpeg) })
    }

    /// The metadata of a file of the sample: those of the result if the sample is the whole picture.
    fn sample_metadata(&self, sample: &Sample) -> Metadata {
        if sample.is_whole { self.metadata.clone() } else { Metadata::default() }
    }

    fn candidate_of(&self, quality: u8, encoded: Encoded, sample: &Sample) -> Candidate {
        let n_bytes = self.expected_bytes(&encoded, sample);
        Candidate { format: encoded.info.format, quality, encoded, n_bytes }
    }

    /// The expected number of bytes of the whole picture, if `encoded` is the file of the sample.
    fn expected_bytes(&self, encoded: &Encoded, sample: &Sample) -> f64 {
        encoded.bytes.len() as f64 / sample.share(self.image)
    }

    /// Searches the lowest quality at which a file of the sample is good enough. Returns `None` if there is none, or
    /// if the file would be much larger than `smallest` bytes.
    fn candidate(
        &self,
        format: Format,
        sample: &Sample,
        band: Band,
        first: u8,
        smallest: f64,
        scratch: &mut Scratch,
    ) -> Result<Option<Candidate>, Error> {
        let metadata = self.sample_metadata(sample);
        let for_sample = codecs::for_sample(format, self.output, self.n_pixels());
        let found = score_search::search(band, first, |quality| {
            let output = Output { quality: Some(quality), ..for_sample };
            let encoded = encode(&sample.image, format, &output, &metadata, scratch)?;
            let score = sample.score(&encoded, scratch)?;
            let saved = band.excess(score).max(0.0) * LOG_BYTES_PER_POINT;
            let is_hopeless = self.expected_bytes(&encoded, sample) * (-saved).exp() > smallest * CLOSE;
            Ok((!is_hopeless).then_some((encoded, score)))
        })?;
        let reached = found.filter(|found| found.is_reached);
        Ok(reached.map(|found| self.candidate_of(found.quality, found.result, sample)))
    }
}

fn encode(
    image: &Image,
    format: Format,
    output: &Output,
    metadata: &Metadata,
    scratch: &mut Scratch,
) -> Result<Encoded, Error> {
    let mut encoder = codecs::begin(format, &in_format(format, output), Sequence::STILL, metadata.clone())?;
    encoder.push(copy(image, scratch), 0, scratch)?;
    encoder.finish(scratch)
}

/// Converts the error of a format that cannot hold the picture to `None`.
fn unless_impossible<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::Plan(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the file with fewer bytes, or the first of two files with the same size.
fn smaller(a: Option<Encoded>, b: Option<Encoded>) -> Option<Encoded> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.bytes.len() < a.bytes.len() { b } else { a }),
        (a, b) => a.or(b),
    }
}
