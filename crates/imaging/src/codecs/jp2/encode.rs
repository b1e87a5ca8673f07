//! Writes JPEG 2000 with `openjp2`.

use openjp2::openjpeg::{OPJ_CLRSPC_GRAY, OPJ_CLRSPC_SRGB, OPJ_CODEC_JP2, opj_cparameters_t};
use openjp2::{Codec, opj_image, opj_image_comptparm};

use super::header::{EXIF, XMP};
use super::{Decoder, memory};
use crate::codecs::codec::Encoded;
use crate::codecs::quality_scale::{DEFAULT_QUALITY, encoder_setting};
use crate::codecs::still_decoder::DecodeStill as _;
use crate::format::Format;
use crate::info::ImageInfo;
use crate::isobmff::write_box;
use crate::metadata::Metadata;
use crate::plan::Output;
use crate::{Channels, Error, Image, Limits, Scratch};

/// Pictures with fewer pixels than this number are written without loss. If such a small picture were written
/// with loss, `openjp2` would miss the requested quality by far. The lossless file is hardly larger.
const SMALL_PX: u64 = 64 * 64;

/// The largest number of resolution levels, including the level of full resolution.
const MAX_LEVELS: u32 = 6;

#[expect(clippy::needless_pass_by_value, reason = "`map_err` passes the error by value")]
fn failed(reason: impl ToString) -> Error {
    Error::Encode { format: "JPEG 2000", reason: reason.to_string() }
}

/// Encodes a picture and returns the complete JP2 file. A gray picture is written as gray. Alpha is written
/// unless the picture is opaque.
pub(in crate::codecs) fn encode(
    image: &Image,
    output: &Output,
    metadata: &Metadata,
    _scratch: &mut Scratch,
) -> Result<Encoded, Error> {
    let quality = (!output.lossless).then(|| output.quality.unwrap_or(DEFAULT_QUALITY));
    let mut bytes = code(image, quality).map_err(failed)?;
    for (id, content) in [(EXIF, &metadata.exif), (XMP, &metadata.xmp)] {
        if let Some(content) = content {
            write_box(&mut bytes, b"uuid", |out| {
                out.extend_from_slice(&id);
                out.extend_from_slice(content);
            });
        }
    }
    let limits = Limits { pixels: u64::MAX, input_side_px: u32::MAX, ..Limits::default() };
    let written = Decoder::open(&bytes, &limits).map_err(failed)?;
    let info = ImageInfo { quality, ..written.header().info.clone() };
    Ok(Encoded { info, bytes })
}

/// Returns the peak signal-to-noise ratio in decibels that the encoder must reach for a quality: from 22 to
/// 48 dB for a setting from 1 to 100.
fn ratio_db(quality: u8) -> f32 {
    22.0 + 0.26 * encoder_setting(Format::Jp2, quality)
}

fn code(image: &Image, quality: Option<u8>) -> Result<Vec<u8>, String> {
    let mut picture = picture(image).ok_or("there is no memory for it")?;
    let levels = image.width().min(image.height()).ilog2() + 1;
    let mut parameters = opj_cparameters_t {
        tcp_numlayers: 1,
        numresolution: levels.min(MAX_LEVELS) as i32,
        tcp_mct: i8::from(image.channels() != Channels::Gray),
        ..opj_cparameters_t::default()
    };
    let is_small = u64::from(image.width()) * u64::from(image.height()) < SMALL_PX;
    match quality.filter(|_| !is_small) {
        None => parameters.cp_disto_alloc = 1,
        Some(quality) => {
            parameters.irreversible = 1;
            parameters.cp_fixed_quality = 1;
            parameters.tcp_distoratio[0] = ratio_db(quality);
        }
    }
    let mut codec = Codec::new_encoder(OPJ_CODEC_JP2).ok_or("there is no encoder")?;
    if codec.setup_encoder(&mut parameters, &mut picture) == 0 {
        return Err("the encoder refuses the settings".to_owned());
    }
    memory::written(|stream| {
        let done = codec.start_compress(&mut picture, stream) != 0
            && codec.encode(stream) != 0
            && codec.end_compress(stream) != 0;
        if done { Ok(()) } else { Err("the encoder gave up".to_owned()) }
    })
}

/// Copies the pixels into planes that `openjp2` allocated, one plane per channel.
fn picture(image: &Image) -> Option<Box<opj_image>> {
    let n_channels = image.channels().count();
    let opaque = image.channels() != Channels::Rgba
        || image.data().as_chunks::<4>().0.iter().all(|pixel| pixel[3] == 255);
    let n_planes = if opaque { n_channels.min(3) } else { n_channels };
    let component = opj_image_comptparm {
        dx: 1,
        dy: 1,
        w: image.width(),
        h: image.height(),
        x0: 0,
        y0: 0,
        prec: 8,
        bpp: 8,
        sgnd: 0,
    };
    let space = if n_channels == 1 { OPJ_CLRSPC_GRAY } else { OPJ_CLRSPC_SRGB };
    let mut picture = opj_image::create(&vec![component; n_planes], space)?;
    (picture.x1, picture.y1) = (image.width(), image.height());
    if let Some(alpha) = picture.comps_mut()?.get_mut(3) {
        alpha.alpha = 1;
    }
    for (channel, plane) in picture.comps_data_mut_iter()?.enumerate() {
        for (to, pixel) in plane.iter_mut().zip(image.data().chunks_exact(n_channels)) {
            *to = pixel[channel].into();
        }
    }
    Some(picture)
}
