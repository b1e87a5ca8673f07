//! Writes AVIF (AV1 Image File Format 1.2). The crate `pixaven-av1` codes the pictures;
//! `heif/write.rs` writes the container.

use super::codec::Encoded;
use super::heif::{self, write};
use super::memory::area;
use super::quality_scale::{DEFAULT_QUALITY, encoder_setting};
use super::ycbcr::{Sample, Ycbcr};
use crate::format::Format;
use crate::metadata::Metadata;
use crate::plan::Output;
use crate::{Error, Image, Scratch};

/// From this quality on, chroma has full resolution (4:4:4), as in JPEG. Below this quality, large pictures have
/// 4:2:0.
const FULL_CHROMA_QUALITY: u8 = 90;

/// The quality that is used if the request asks for `lossless`. The encoder rav1e has no lossless mode, and libaom
/// has none for BT.601, but at this quality no difference is visible.
const LOSSLESS_QUALITY: u8 = 100;

/// The lowest quality of the alpha plane. The colours may have a lower quality, because coding errors in
/// colours are less visible than coding errors at the edges of transparent areas.
const LEAST_ALPHA_QUALITY: u8 = 88;

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
    let settings = Settings::of(output, area(width, height));
    let quality = settings.quality;
    let add = if settings.has_eight_bits { add_pictures::<u8> } else { add_pictures::<u16> };
    let mut writer = write::Writer::default();
    let primary = add(&mut writer, image, settings).map_err(failed)?;
    writer.metadata(primary, metadata);
    let bytes = writer.finish(&[b"avif", b"mif1", b"miaf"], primary);
    let info = heif::describe_own(Format::Avif, &bytes, quality)?;
    Ok(Encoded { info, bytes })
}

/// How a picture is coded.
#[derive(Debug, Clone, Copy)]
struct Settings {
    quality: u8,
    effort: u8,
    /// Whether chroma has half the columns and rows (4:2:0).
    is_halved: bool,
    /// Whether a sample has eight bits instead of ten.
    has_eight_bits: bool,
}

/// Returns the output settings for a sample of a picture of `n_pixels` pixels: the sample gets the effort of the whole
/// picture, so that the score and the bytes per pixel of the sample are those of the whole picture.
pub(super) fn for_sample(output: &Output, n_pixels: u64) -> Output {
    Output { effort: Some(Settings::of(output, n_pixels).effort), ..*output }
}

impl Settings {
    fn of(output: &Output, n_pixels: u64) -> Self {
        let quality =
            if output.lossless { LOSSLESS_QUALITY } else { output.quality.unwrap_or(DEFAULT_QUALITY) };
        Self {
            quality,
            effort: output.effort.unwrap_or_else(|| pixaven_av1::default_effort(n_pixels)),
            is_halved: quality < FULL_CHROMA_QUALITY && n_pixels > pixaven_av1::FULL_CHROMA_PIXELS,
            has_eight_bits: n_pixels > pixaven_av1::TEN_BIT_PIXELS,
        }
    }
}

/// The memory that encoding needs besides the picture, in bytes.
pub(super) fn encoder_bytes(output: &Output, n_pixels: u64) -> u64 {
    let settings = Settings::of(output, n_pixels);
    n_pixels * pixaven_av1::bytes_per_pixel(!settings.has_eight_bits, settings.is_halved)
}

/// Codes the colours and the alpha channel of an image as two items of the file. Returns the item of the colours.
fn add_pictures<S: Sample>(
    writer: &mut write::Writer,
    image: &Image,
    settings: Settings,
) -> Result<write::ItemId, String> {
    let primary = {
        let colors = Ycbcr::<S>::of(image, settings.is_halved);
        add_picture(writer, &colors, write::srgb(), settings)?
    };
    if let Some(alpha) = Ycbcr::<S>::alpha_of(image) {
        let settings = Settings { quality: settings.quality.max(LEAST_ALPHA_QUALITY), ..settings };
        let item = add_picture(writer, &alpha, write::alpha(), settings)?;
        writer.refer(b"auxl", item, vec![primary]);
    }
    Ok(primary)
}

/// Codes a picture as an item of the file. `meaning` is the property that states what the samples mean.
fn add_picture<S: Sample>(
    writer: &mut write::Writer,
    picture: &Ycbcr<S>,
    meaning: write::Property,
    settings: Settings,
) -> Result<write::ItemId, String> {
    let planes = pixaven_av1::Picture {
        width: picture.width,
        height: picture.height,
        luma: &picture.luma,
        chroma: picture.chroma.as_ref().map(|planes| planes.each_ref().map(Vec::as_slice)),
        halved: picture.halved,
    };
    let coded = pixaven_av1::encode(planes, quantiser(settings.quality), settings.effort)?;
    let n_channels = if picture.chroma.is_some() { 3 } else { 1 };
    let properties = [
        write::size(picture.width as u32, picture.height as u32),
        write::depths(coded.bit_depth, n_channels),
        meaning,
        write::configuration(b"av1C", &coded.configuration),
    ];
    Ok(writer.picture(b"av01", false, &properties, coded.data))
}

/// Returns the quantiser of AV1 (`base_q_idx`) for a quality. Settings from 1 to 100 mean quantisers from 255 to 5.
fn quantiser(quality: u8) -> u8 {
    let setting = encoder_setting(Format::Avif, quality);
    (255.0 - (setting - 1.0) * 250.0 / 99.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quality_has_a_finer_quantiser_than_the_quality_below() {
        let all: Vec<u8> = (1..=100).map(quantiser).collect();
        assert!(all.windows(2).all(|pair| pair[0] > pair[1]), "{all:?}");
        assert_eq!((all[0], all[79], all[99]), (255, 106, 5));
    }
}
