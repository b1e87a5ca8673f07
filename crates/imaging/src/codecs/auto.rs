//! Implements `output.format: "auto"`: encodes in several formats, at qualities that look equally good, and
//! keeps the smallest file.
//!
//! A still picture is encoded as AVIF (if this build writes AVIF and the picture is not too large for its slow
//! encoder) and as WebP. An opaque picture is also encoded as JPEG. A picture with transparent pixels or at most 256
//! colours is also encoded as PNG. If the output must be lossless, only WebP and PNG are used. An animation is
//! encoded as WebP and APNG, because these two formats keep all colours and the alpha channel.
//!
//! `output.quality` is a JPEG quality; the table `EQUAL_QUALITIES` gives the qualities of WebP and AVIF that
//! look equally good.

use super::codec::{Encode, Encoded, Sequence};
use super::palette;
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
        Box::new(Still::new(output, metadata))
    })
}

/// The JPEG quality that is used if `output.quality` is not set.
pub(crate) const DEFAULT_QUALITY: u8 = 80;

/// Qualities at which a picture looks equally good in JPEG, WebP and AVIF, in this order.
///
/// The values were measured: at the three qualities of a row, eight photographs of 512 pixels have the same
/// mean SSIMULACRA2 score. For the measurement, JPEG used the tables of libjpeg with 4:2:0 below quality 90
/// and 4:4:4 from 90 on; the files of `jpeg/encode.rs` have the same score at the same quality. WebP used libwebp
/// with method 4. The quality of AVIF has the scale of JPEG: see `QUANTISERS` in `avif.rs`. The best-known published
/// table of this kind (Ubl, *AVIF and WebP encoding quality settings*, 2021), which was measured with DSSIM, gives 82
/// for WebP at JPEG quality 80. From JPEG quality 95 on, no quality of WebP looks equally good.
const EQUAL_QUALITIES: [[u8; 3]; 13] = [
    [1, 1, 1],
    [20, 12, 20],
    [30, 28, 30],
    [40, 40, 40],
    [50, 52, 50],
    [60, 63, 60],
    [70, 75, 70],
    [80, 82, 80],
    [85, 86, 85],
    [90, 94, 90],
    [95, 100, 95],
    [99, 100, 99],
    [100, 100, 100],
];

/// The largest number of pixels of a picture that is also encoded as AVIF.
const MAX_AVIF_PIXELS: u64 = pixaven_av1::ATTEMPT_PIXELS;

/// Returns the quality at which `format` looks as good as a JPEG of quality `jpeg`. Interpolates linearly
/// between the rows of `EQUAL_QUALITIES`.
fn equal_quality(format: Format, jpeg: u8) -> u8 {
    let column = match format {
        Format::Webp => 1,
        Format::Avif => 2,
        _ => return jpeg,
    };
    let above =
        EQUAL_QUALITIES.iter().position(|row| row[0] >= jpeg).unwrap_or(EQUAL_QUALITIES.len() - 1).max(1);
    let ([x0, y0], [x1, y1]) = (
        [EQUAL_QUALITIES[above - 1][0], EQUAL_QUALITIES[above - 1][column]].map(f32::from),
        [EQUAL_QUALITIES[above][0], EQUAL_QUALITIES[above][column]].map(f32::from),
    );
    (y0 + (f32::from(jpeg) - x0) / (x1 - x0) * (y1 - y0)).round().clamp(1.0, 100.0) as u8
}

/// Returns the output settings for `format`. At the quality in these settings, a picture looks as good as at
/// the JPEG quality in `output`.
fn in_format(format: Format, output: &Output) -> Output {
    let quality = output.quality.unwrap_or(DEFAULT_QUALITY);
    Output {
        format: TargetFormat::Format(format),
        quality: Some(equal_quality(format, quality)),
        max_bytes: None,
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
    fn new(output: &Output, metadata: Metadata) -> Self {
        Self { output: *output, metadata, encoded: None }
    }

    /// Encodes the picture in all `formats` and returns the smallest file. Skips a format that cannot hold
    /// the picture, for example because a side is too long.
    fn smallest(
        &self,
        image: &Image,
        formats: &[Format],
        output: &Output,
        scratch: &mut Scratch,
    ) -> Result<Encoded, Error> {
        let mut best: Result<Encoded, Error> =
            Err(Error::Plan("output.format: no format of auto can hold the result".to_owned()));
        for &format in formats {
            let mut encoder =
                codecs::begin(format, &in_format(format, output), Sequence::STILL, self.metadata.clone())?;
            match encoder.push(copy(image, scratch), 0, scratch).and_then(|()| encoder.finish(scratch)) {
                Ok(encoded) if best.as_ref().is_ok_and(|best| best.bytes.len() <= encoded.bytes.len()) => {}
                Ok(encoded) => best = Ok(encoded),
                Err(error @ Error::Plan(_)) => best = best.or(Err(error)),
                Err(error) => return Err(error),
            }
        }
        best
    }
}

impl Encode for Still {
    fn push(&mut self, image: Image, _delay_ms: u32, scratch: &mut Scratch) -> Result<(), Error> {
        let mut formats = candidates(&image, &self.output, scratch);
        let found = match self.output.max_bytes {
            None => Found { result: self.smallest(&image, &formats, &self.output, scratch)?, warning: None },
            Some(max_bytes) => quality_search::search(&self.output, max_bytes, |output| {
                let encoded = self.smallest(&image, &formats, output, scratch)?;
                // The first attempt chooses the format. Further attempts change only the quality.
                formats = vec![encoded.info.format];
                let quality = output.quality.unwrap_or(DEFAULT_QUALITY);
                Ok(Attempt {
                    n_bytes: encoded.bytes.len() as u64,
                    quality: encoded.info.quality.map(|_| quality),
                    format: encoded.info.format.name(),
                    result: encoded,
                })
            })?,
        };
        self.encoded = Some(found);
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

/// The formats in which a picture is encoded. If two files have the same size, the file of the earlier format
/// in this list is kept.
fn candidates(image: &Image, output: &Output, scratch: &mut Scratch) -> Vec<Format> {
    if output.lossless {
        return vec![Format::Webp, Format::Png];
    }
    let opaque = !image.channels().has_alpha() || image.data().chunks_exact(4).all(|pixel| pixel[3] == 255);
    let few_colors =
        palette::exact(image, 256, scratch).map(|indexed| scratch.give(indexed.indices)).is_some();
    let mut formats = Vec::new();
    let n_pixels = u64::from(image.width()) * u64::from(image.height());
    let max_pixels = if output.max_bytes.is_some() {
        MAX_AVIF_PIXELS / quality_search::MAX_ATTEMPTS
    } else {
        MAX_AVIF_PIXELS
    };
    formats.extend(Format::written().filter(|&format| format == Format::Avif && n_pixels <= max_pixels));
    formats.push(Format::Webp);
    if opaque {
        formats.push(Format::Jpeg);
    }
    if few_colors || !opaque {
        formats.push(Format::Png);
    }
    formats
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The formats in the order of the columns of `EQUAL_QUALITIES`.
    const FORMATS: [Format; 3] = [Format::Jpeg, Format::Webp, Format::Avif];

    #[test]
    fn jpeg_quality_in_the_table_of_equal_qualities_maps_to_the_listed_webp_and_avif_quality() {
        for (column, format) in FORMATS.into_iter().enumerate() {
            for row in EQUAL_QUALITIES {
                assert_eq!(equal_quality(format, row[0]), row[column], "{format:?}");
            }
        }
    }

    #[test]
    fn higher_jpeg_quality_never_maps_to_a_lower_webp_or_avif_quality() {
        for format in FORMATS {
            let all: Vec<u8> = (1..=100).map(|quality| equal_quality(format, quality)).collect();
            assert!(all.is_sorted(), "{format:?}: {all:?}");
        }
    }
}
