//! Writes HEIC. The encoder `heifer-hevc-enc`, written in safe Rust, codes the pictures; `heif/write.rs`
//! writes the container.

use heifer_hevc_enc::encoder::{EncodedPicture, EncoderConfig, Planes, encode_picture};

use super::codec::Encoded;
use super::heif::{self, write};
use super::quality_scale::{DEFAULT_QUALITY, encoder_setting};
use super::ycbcr::Ycbcr;
use crate::format::Format;
use crate::metadata::Metadata;
use crate::plan::Output;
use crate::{Error, Image, Scratch};

/// The quality that is used if the request asks for `lossless`, because the encoder has no lossless mode.
const LOSSLESS_QUALITY: u8 = 100;

/// The largest number of luma samples that every decoder accepts (level 5 of ITU-T H.265, table A.8). A
/// larger picture is divided into tiles.
const MAX_PIXELS: u64 = 8_912_896;

/// The longest side of a picture that is not divided into tiles, in pixels (level 5 of ITU-T H.265, table
/// A.8).
const MAX_SIDE_PX: u32 = 8_192;

/// The side of the square tiles into which a large picture is divided, in pixels.
const TILE_PX: u32 = 1_024;

fn failed(reason: String) -> Error {
    Error::Encode { format: Format::Heic.name(), reason }
}

/// Encodes a picture and returns the complete HEIC file.
pub(super) fn encode(
    image: &Image,
    output: &Output,
    metadata: &Metadata,
    _scratch: &mut Scratch,
) -> Result<Encoded, Error> {
    let quality = if output.lossless { LOSSLESS_QUALITY } else { output.quality.unwrap_or(DEFAULT_QUALITY) };
    let config = EncoderConfig { qp: quantiser(quality), ..EncoderConfig::default() };
    let mut writer = write::Writer::default();
    let primary =
        add_picture(&mut writer, &Ycbcr::<u8>::of(image, true), &config, &write::srgb()).map_err(failed)?;
    if let Some(alpha) = Ycbcr::alpha_of(image) {
        let item = add_picture(&mut writer, &alpha, &config, &write::alpha()).map_err(failed)?;
        writer.refer(b"auxl", item, vec![primary]);
    }
    writer.metadata(primary, metadata);
    let bytes = writer.finish(&[b"heic", b"mif1", b"miaf"], primary);
    let info = heif::describe_own(Format::Heic, &bytes, quality)?;
    Ok(Encoded { info, bytes })
}

/// Returns the quantiser of HEVC (0 to 51) for a quality. The setting 80 gives 26, and the setting 100 gives 4.
fn quantiser(quality: u8) -> u8 {
    let setting = encoder_setting(Format::Heic, quality);
    let step = if setting > 80.0 { 26.0 - (setting - 80.0) * 1.1 } else { 51.0 - setting * 0.3125 };
    step.round() as u8
}

/// Adds a picture as one item, or as a grid of tiles when the picture is too large for one item. `role` is
/// the property that describes the whole picture: either its colour space, or the mark that it is an alpha
/// plane.
fn add_picture(
    writer: &mut write::Writer,
    picture: &Ycbcr<u8>,
    config: &EncoderConfig,
    role: &write::Property,
) -> Result<write::ItemId, String> {
    let picture_size = (picture.width as u32, picture.height as u32);
    // The sides of a coded picture with chroma subsampling 4:2:0 must be even. If a side of the picture is
    // odd, the coded picture has an extra column or row, which the property `clap` crops.
    let even = |side: u32| if picture.chroma.is_some() { side.next_multiple_of(2) } else { side };
    let coded = (even(picture_size.0), even(picture_size.1));
    let n_channels = if picture.chroma.is_some() { 3 } else { 1 };
    let mut properties = vec![write::size(coded.0, coded.1), write::depths(8, n_channels), role.clone()];
    let crop = (coded != picture_size).then(|| write::crop(coded, picture_size));
    let n_pixels = u64::from(coded.0) * u64::from(coded.1);
    if n_pixels <= MAX_PIXELS && coded.0.max(coded.1) <= MAX_SIDE_PX {
        let (data, configuration) = code(picture, config)?;
        properties.push(configuration);
        properties.extend(crop);
        return Ok(writer.picture(b"hvc1", false, &properties, data));
    }
    let (columns, rows) = (coded.0.div_ceil(TILE_PX), coded.1.div_ceil(TILE_PX));
    let mut tiles = Vec::new();
    for i in 0..columns * rows {
        let side = TILE_PX as usize;
        let (left, top) = ((i % columns) as usize * side, (i / columns) as usize * side);
        let (data, configuration) = code(&picture.tile(left, top, side, side), config)?;
        let size = write::size(TILE_PX, TILE_PX);
        let properties = [size, write::depths(8, n_channels), role.clone(), configuration];
        tiles.push(writer.picture(b"hvc1", true, &properties, data));
    }
    properties.extend(crop);
    let grid = writer.picture(b"grid", false, &properties, write::grid(columns, rows, coded.0, coded.1));
    writer.refer(b"dimg", grid, tiles);
    Ok(grid)
}

/// Codes a picture. Returns its NAL units, each preceded by its length, and the property `hvcC`.
fn code(picture: &Ycbcr<u8>, config: &EncoderConfig) -> Result<(Vec<u8>, write::Property), String> {
    let chroma = picture.chroma.as_ref().map(|[first, second]| (first.as_slice(), second.as_slice()));
    let planes = Planes { y: &picture.luma, chroma };
    let coded = encode_picture(picture.width as u32, picture.height as u32, planes, config)
        .map_err(|error| error.to_string())?;
    let mut data = Vec::new();
    for slice in &coded.slices {
        data.extend_from_slice(&(slice.len() as u32).to_be_bytes());
        data.extend_from_slice(slice);
    }
    Ok((data, write::configuration(b"hvcC", &configuration(&coded))))
}

/// Returns the content of the property `hvcC`, the decoder configuration of HEVC (ISO/IEC 14496-15, 8.3.3.1).
fn configuration(picture: &EncodedPicture) -> Vec<u8> {
    let mut out = vec![1, picture.profile_idc];
    // These bytes state compatibility with the profiles Main and Main 10, then the constraints: the source is
    // progressive and has no interlaced fields.
    out.extend_from_slice(&0x6000_0000u32.to_be_bytes());
    out.extend_from_slice(&[0x90, 0, 0, 0, 0, 0, picture.level_idc]);
    // The first three bytes state that there is no restriction on spatial segmentation and no hint about
    // parallel decoding.
    out.extend_from_slice(&[0xf0, 0, 0xfc, 0xfc | picture.chroma_format, 0xf8, 0xf8, 0, 0]);
    // The first byte states that there is one temporal layer and that the length field before each NAL unit
    // has four bytes.
    out.extend_from_slice(&[0x0f, picture.parameter_sets.len() as u8]);
    for set in &picture.parameter_sets {
        out.extend_from_slice(&[0x80 | (set[0] >> 1 & 0x3f), 0, 1]);
        out.extend_from_slice(&(set.len() as u16).to_be_bytes());
        out.extend_from_slice(set);
    }
    out
}
