//! Writes AVIF (AV1 Image File Format 1.2). The encoder rav1e, written in Rust, codes the pictures;
//! `heif/write.rs` writes the container.

use super::codec::Encoded;
use super::heif::{self, write};
use super::quality_scale::{DEFAULT_QUALITY, rounded_setting};
use super::ycbcr::Ycbcr;
use crate::format::Format;
use crate::metadata::Metadata;
use crate::plan::Output;
use crate::{Error, Image, Scratch};

/// From this setting of the encoder on, chroma has full resolution (4:4:4). Below, chroma subsampling is 4:2:0.
const FULL_CHROMA_SETTING: u8 = 85;

/// The quality that is used if the request asks for `lossless`. The encoder rav1e has no lossless mode, but
/// at this quality no difference is visible.
const LOSSLESS_QUALITY: u8 = 100;

/// The lowest setting of the alpha plane. The colours may have a lower setting, because coding errors in
/// colours are less visible than coding errors at the edges of transparent areas.
const LEAST_ALPHA_SETTING: u8 = 75;

/// The effort that is used if `output.effort` is not set, and the largest number of pixels of a picture with this
/// effort. Larger pictures get less effort, so that a picture of 12 megapixels takes less than ten seconds.
const DEFAULT_EFFORTS: [(u8, u64); 2] = [(4, 1_500_000), (2, 4_000_000)];

/// The speed setting of rav1e for each `output.effort` from 0 to 9. Speeds below 4 are not used, because they
/// take more than ten seconds per megapixel.
const SPEEDS: [u8; 10] = [10, 9, 9, 8, 8, 7, 7, 6, 5, 4];

/// The longest side of an AVIF picture that the format allows, in pixels.
const MAX_SIDE_PX: u32 = 65_535;

fn failed(reason: String) -> Error {
    Error::Encode { format: Format::Avif.name(), reason }
}

/// Encodes a picture and returns the complete AVIF file.
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
    let setting = rounded_setting(Format::Avif, quality);
    let effort = output.effort.unwrap_or_else(|| default_effort(u64::from(width) * u64::from(height)));
    let colors = Ycbcr::of(image, setting < FULL_CHROMA_SETTING);
    let n_channels = if colors.chroma.is_some() { 3 } else { 1 };
    let mut writer = write::Writer::default();
    let size = write::size(width, height);
    let (data, configuration) = code(&colors, setting, effort).map_err(failed)?;
    let properties = [size.clone(), write::depths(8, n_channels), write::srgb(), configuration];
    let primary = writer.picture(b"av01", false, &properties, data);
    if let Some(alpha) = Ycbcr::alpha_of(image) {
        let (data, configuration) = code(&alpha, setting.max(LEAST_ALPHA_SETTING), effort).map_err(failed)?;
        let properties = [size, write::depths(8, 1), write::alpha(), configuration];
        let item = writer.picture(b"av01", false, &properties, data);
        writer.refer(b"auxl", item, vec![primary]);
    }
    writer.metadata(primary, metadata);
    let bytes = writer.finish(&[b"avif", b"mif1", b"miaf"], primary);
    let info = heif::describe_own(Format::Avif, &bytes, quality)?;
    Ok(Encoded { info, bytes })
}

fn default_effort(n_pixels: u64) -> u8 {
    DEFAULT_EFFORTS.iter().find(|&&(_, max_pixels)| n_pixels <= max_pixels).map_or(0, |&(effort, _)| effort)
}

/// Returns the quantiser of AV1 (1 to 255) for a setting from 1 to 100. For example, 1 gives 255, 60 gives 107,
/// and 100 gives 5.
fn quantiser(setting: u8) -> u8 {
    (255 - u16::from(setting.saturating_sub(1)) * 250 / 99) as u8
}

/// Codes a picture with rav1e. Returns the coded data and the property `av1C`.
fn code(picture: &Ycbcr, setting: u8, effort: u8) -> Result<(Vec<u8>, write::Property), String> {
    let planes = pixaven_av1::Picture {
        width: picture.width,
        height: picture.height,
        luma: &picture.luma,
        chroma: picture.chroma.as_ref().map(|planes| planes.each_ref().map(Vec::as_slice)),
        halved: picture.halved,
    };
    let speed = SPEEDS[usize::from(effort).min(SPEEDS.len() - 1)];
    let coded = pixaven_av1::encode(planes, quantiser(setting), speed)?;
    Ok((coded.data, write::configuration(b"av1C", &coded.configuration)))
}
