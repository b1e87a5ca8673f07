//! Writing AVIF (AV1 Image File Format 1.2). Coded by rav1e, which is Rust; in a container of our own (`heif`), which also
//! reads AVIF.

use super::Encoded;
use super::heif::{self, write};
use super::ycbcr::Ycbcr;
use crate::metadata::Metadata;
use crate::plan::{Format, Output};
use crate::{Error, Image, Scratch};

/// Looks like a JPEG of quality 80 and is half as large.
const DEFAULT_QUALITY: u8 = 60;

/// From this quality on chroma is not halved.
const FULL_CHROMA_QUALITY: u8 = 85;

/// Above this no difference is seen, and the quantiser of the encoder does not reach losslessness.
const LOSSLESS_QUALITY: u8 = 100;

/// Quality of the transparency when that of the colours is lower: its edges are seen first.
const LEAST_ALPHA_QUALITY: u8 = 75;

/// What `effort` does when it is absent.
const DEFAULT_EFFORT: u8 = 4;

/// The speed of rav1e by effort. Below 4 a megapixel takes more than ten seconds.
const SPEEDS: [u8; 10] = [10, 9, 9, 8, 8, 7, 7, 6, 5, 4];

/// Longest side the format has.
const MAX_SIDE_PX: u32 = 65_535;

fn failed(reason: impl ToString) -> Error {
    Error::Encode { format: Format::Avif.name(), reason: reason.to_string() }
}

/// A whole file of one frame.
pub(super) fn encode(
    image: &Image,
    output: &Output,
    metadata: &Metadata,
    _scratch: &mut Scratch,
) -> Result<Encoded, Error> {
    let (width, height) = (image.width(), image.height());
    if width.max(height) > MAX_SIDE_PX {
        return Err(Error::Plan(format!(
            "output.format: an AVIF has at most {MAX_SIDE_PX} pixels on a side, the result has {width}x{height}"
        )));
    }
    let quality = if output.lossless { LOSSLESS_QUALITY } else { output.quality.unwrap_or(DEFAULT_QUALITY) };
    let effort = output.effort.unwrap_or(DEFAULT_EFFORT);
    let colors = Ycbcr::of(image, quality < FULL_CHROMA_QUALITY);
    let n_channels = if colors.chroma.is_some() { 3 } else { 1 };
    let mut writer = write::Writer::default();
    let size = write::size(width, height);
    let (data, configuration) = code(&colors, quality, effort).map_err(failed)?;
    let properties = [size.clone(), write::depths(8, n_channels), write::srgb(), configuration];
    let primary = writer.picture(b"av01", false, &properties, data);
    if let Some(alpha) = Ycbcr::alpha_of(image) {
        let (data, configuration) = code(&alpha, quality.max(LEAST_ALPHA_QUALITY), effort).map_err(failed)?;
        let properties = [size, write::depths(8, 1), write::alpha(), configuration];
        let item = writer.picture(b"av01", false, &properties, data);
        writer.refer(b"auxl", item, vec![primary]);
    }
    writer.metadata(primary, metadata);
    let bytes = writer.finish(&[b"avif", b"mif1", b"miaf"], primary);
    let description = heif::describe_own(Format::Avif, &bytes, quality)?;
    Ok(Encoded { description, bytes })
}

/// The quantiser of AV1, 1 to 255, by quality: 255 at 1, 107 at 60, 5 at 100.
fn quantizer(quality: u8) -> u8 {
    (255 - u16::from(quality.saturating_sub(1)) * 250 / 99) as u8
}

/// A coded picture and its `av1C`.
fn code(picture: &Ycbcr, quality: u8, effort: u8) -> Result<(Vec<u8>, write::Property), String> {
    let planes = pixaven_av1::Picture {
        width: picture.width,
        height: picture.height,
        luma: &picture.luma,
        chroma: picture.chroma.as_ref().map(|planes| planes.each_ref().map(Vec::as_slice)),
        halved: picture.halved,
    };
    let speed = SPEEDS[usize::from(effort).min(SPEEDS.len() - 1)];
    let coded = pixaven_av1::encode(planes, quantizer(quality), speed)?;
    Ok((coded.data, write::configuration(b"av1C", &coded.configuration)))
}
