//! `output.format: "auto"`: the smallest file of equal quality.
//!
//! A still picture is tried as AVIF (where this build writes it) and WebP; as JPEG if it is opaque; and as PNG if it is
//! not, if it has no more than 256 colours, or if nothing may be lost. An animation is tried as WebP and APNG, the two
//! that keep both its colours and its transparency. Qualities are those of JPEG; what is equal to them in the others
//! stands in the table below.

use super::{Encode, Encoded, Sequence, begin, fit, palette};
use crate::metadata::Metadata;
use crate::plan::{Format, Output, Target};
use crate::{Error, Image, Scratch};

/// The quality of JPEG that is meant when none is said.
const DEFAULT_QUALITY: u8 = 80;

/// Qualities at which a picture looks equally good as JPEG, WebP and AVIF.
///
/// Measured as equal means of SSIMULACRA2 over eight photographs of 512 pixels: libjpeg's tables with 4:2:0 below 90 and
/// 4:4:4 from there on, as `jpeg/encode.rs` chooses; libwebp with method 4; libaom with speed 6 and 4:2:0. At 80, the
/// best-known table of this kind (Ubl, *AVIF and WebP encoding quality settings*, 2021, by DSSIM) says 82 and 64. From 95
/// on no 4:2:0 is as good.
const EQUAL: [[u8; 3]; 13] = [
    [1, 1, 1],
    [20, 12, 28],
    [30, 28, 38],
    [40, 40, 44],
    [50, 52, 49],
    [60, 63, 53],
    [70, 75, 57],
    [80, 82, 67],
    [85, 86, 72],
    [90, 94, 87],
    [95, 100, 97],
    [99, 100, 99],
    [100, 100, 100],
];

/// The quality in which `format` looks as a JPEG of quality `jpeg` does: by straight lines through the table.
fn equal_quality(format: Format, jpeg: u8) -> u8 {
    let column = match format {
        Format::Webp => 1,
        Format::Avif => 2,
        _ => return jpeg,
    };
    let above = EQUAL.iter().position(|row| row[0] >= jpeg).unwrap_or(EQUAL.len() - 1).max(1);
    let ([x0, y0], [x1, y1]) = (
        [EQUAL[above - 1][0], EQUAL[above - 1][column]].map(f32::from),
        [EQUAL[above][0], EQUAL[above][column]].map(f32::from),
    );
    (y0 + (f32::from(jpeg) - x0) / (x1 - x0) * (y1 - y0)).round().clamp(1.0, 100.0) as u8
}

/// The output that asks for `format` as good as `output` asks for.
fn in_format(format: Format, output: &Output) -> Output {
    let quality = output.quality.unwrap_or(DEFAULT_QUALITY);
    Output {
        format: Target::Format(format),
        quality: Some(equal_quality(format, quality)),
        max_bytes: None,
        ..*output
    }
}

/// A sink for one picture that tries several formats.
pub(super) struct Still {
    output: Output,
    metadata: Metadata,
    encoded: Option<Encoded>,
}

impl Still {
    pub(super) fn new(output: &Output, metadata: Metadata) -> Self {
        Self { output: *output, metadata, encoded: None }
    }

    /// The smallest file at a quality. A format that cannot hold the picture, because a side is too long for it, is left
    /// out.
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
                begin(format, &in_format(format, output), Sequence::STILL, self.metadata.clone())?;
            match encoder.push(copy(image, scratch), 0, scratch).and_then(|()| encoder.finish(scratch)) {
                Ok(made) if best.as_ref().is_ok_and(|best| best.bytes.len() <= made.bytes.len()) => {}
                Ok(made) => best = Ok(made),
                Err(error @ Error::Plan(_)) => best = best.or(Err(error)),
                Err(error) => return Err(error),
            }
        }
        best
    }
}

impl Encode for Still {
    fn push(&mut self, image: Image, _delay_ms: u32, scratch: &mut Scratch) -> Result<(), Error> {
        let formats = candidates(&image, self.output.lossless, scratch);
        let encoded = match self.output.max_bytes {
            None => self.smallest(&image, &formats, &self.output, scratch)?,
            Some(max_bytes) => fit::highest(&self.output, max_bytes, |output| {
                let made = self.smallest(&image, &formats, output, scratch)?;
                Ok(fit::Attempt {
                    n_bytes: made.bytes.len() as u64,
                    lossy: !output.lossless,
                    format: made.description.format.name(),
                    made,
                })
            })?,
        };
        self.encoded = Some(encoded);
        scratch.give(image.into_data());
        Ok(())
    }

    fn finish(self: Box<Self>, _scratch: &mut Scratch) -> Result<Encoded, Error> {
        Ok(self.encoded.expect("a frame was pushed before the end"))
    }
}

/// The formats that are tried for a picture, of which the first wins where sizes are equal.
fn candidates(image: &Image, lossless: bool, scratch: &mut Scratch) -> Vec<Format> {
    if lossless {
        return vec![Format::Webp, Format::Png];
    }
    let opaque = !image.channels().has_alpha() || image.data().chunks_exact(4).all(|pixel| pixel[3] == 255);
    let few_colors =
        palette::exact(image, 256, scratch).map(|indexed| scratch.give(indexed.indices)).is_some();
    let mut formats = Vec::new();
    formats.extend(Format::written().filter(|&format| format == Format::Avif));
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

/// A sink that writes an animation in two formats at once.
pub(super) struct Animation {
    webp: Box<dyn Encode>,
    apng: Box<dyn Encode>,
}

impl Animation {
    pub(super) fn new(output: &Output, sequence: Sequence, metadata: &Metadata) -> Result<Self, Error> {
        let open = |format| begin(format, &in_format(format, output), sequence, metadata.clone());
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

    #[test]
    fn equal_qualities_run_through_the_table_and_never_back() {
        for (column, format) in [Format::Jpeg, Format::Webp, Format::Avif].into_iter().enumerate() {
            for row in EQUAL {
                assert_eq!(equal_quality(format, row[0]), row[column], "{format:?}");
            }
            let all: Vec<u8> = (1..=100).map(|quality| equal_quality(format, quality)).collect();
            assert!(all.is_sorted(), "{format:?}: {all:?}");
        }
    }
}
