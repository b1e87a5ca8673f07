//! Writes JPEG XL with `jixel`.

use jixel::{ColorEncoding, EncodeConfig, Speed};

use super::Decoder;
use crate::codecs::codec::{Decode as _, Encoded};
use crate::codecs::quality_scale::{DEFAULT_QUALITY, encoder_setting};
use crate::format::Format;
use crate::info::ImageInfo;
use crate::metadata::Metadata;
use crate::plan::Output;
use crate::{Channels, Error, Image, Limits, Scratch};

/// The effort that is used if `output.effort` is not set.
const DEFAULT_EFFORT: u8 = 4;

/// The speed setting of `jixel` for each `output.effort` from 0 to 9.
const SPEEDS: [Speed; 10] = [
    Speed::UltraFast,
    Speed::Fastest,
    Speed::Fastest,
    Speed::Fast,
    Speed::Fast,
    Speed::Medium,
    Speed::Medium,
    Speed::MediumSlow,
    Speed::Slow,
    Speed::Slow,
];

/// Encodes a picture and returns the complete JPEG XL file.
pub(in crate::codecs) fn encode(
    image: &Image,
    output: &Output,
    metadata: &Metadata,
    _scratch: &mut Scratch,
) -> Result<Encoded, Error> {
    let failed = |reason: String| Error::Encode { format: "JXL", reason };
    let quality = output.quality.unwrap_or(DEFAULT_QUALITY);
    let effort = usize::from(output.effort.unwrap_or(DEFAULT_EFFORT)).min(SPEEDS.len() - 1);
    let mut config = EncodeConfig::default()
        .with_quality(encoder_setting(Format::Jxl, quality))
        .with_lossless(output.lossless)
        .with_color_encoding(ColorEncoding::default());
    config.speed = SPEEDS[effort];
    config.num_threads = 1;
    // The colours of transparent pixels were extended by `hidden_color.rs`. The crate's own method leaves a
    // weak outline.
    config.fill_invisible = false;
    config.exif.clone_from(&metadata.exif);
    config.xmp.clone_from(&metadata.xmp);
    let (width, height) = (image.width() as usize, image.height() as usize);
    let bytes = match image.channels() {
        Channels::Gray => jixel::encode_image_gray(image.data(), width, height, &config),
        Channels::Rgb => jixel::encode_image(image.data(), width, height, &config),
        Channels::Rgba => jixel::encode_image_with_alpha(image.data(), width, height, &config),
    };
    let bytes = bytes.map_err(|error| failed(error.to_string()))?;
    let limits = Limits { pixels: u64::MAX, input_side_px: u32::MAX, ..Limits::default() };
    let written = Decoder::open(&bytes, &limits).map_err(|error| failed(error.to_string()))?;
    let quality = (!output.lossless).then_some(quality);
    let info = ImageInfo { quality, ..written.header().info.clone() };
    Ok(Encoded { info, bytes })
}
