//! Writing WebP: which settings of libwebp stand for ours.

use super::libwebp::{self, Settings};
use crate::codecs::Encoded;
use crate::facts::{Colorspace, Description};
use crate::plan::{Format, Output};
use crate::{Channels, Error, Image, Scratch};

/// Looks like a JPEG of quality 82 and is a quarter smaller.
const DEFAULT_QUALITY: u8 = 80;

/// Longest side the format has.
const MAX_SIDE_PX: u32 = 16_383;

/// How hard libwebp tries, 0–6; its own default.
const LOSSY_METHOD: u8 = 4;

/// For lossless files the effort between the two ends of libwebp's scale; its own default.
const LOSSLESS_EFFORT: u8 = 75;

fn failed(reason: String) -> Error {
    Error::Encode { format: "WebP", reason }
}

/// A whole file of one frame.
pub(in crate::codecs) fn encode(
    image: &Image,
    output: &Output,
    scratch: &mut Scratch,
) -> Result<Encoded, Error> {
    if image.width().max(image.height()) > MAX_SIDE_PX {
        return Err(Error::Plan(format!(
            "output.format: a WebP has at most {MAX_SIDE_PX} pixels on a side, the result has {}x{}",
            image.width(),
            image.height()
        )));
    }
    let quality = output.quality.unwrap_or(DEFAULT_QUALITY);
    let settings = if output.lossless {
        Settings { lossless: true, quality: LOSSLESS_EFFORT, method: LOSSY_METHOD }
    } else {
        Settings { lossless: false, quality, method: LOSSY_METHOD }
    };
    let bytes = match image.channels() {
        Channels::Gray => {
            let mut rgb = scratch.take(image.data().len() * 3);
            rgb.as_chunks_mut::<3>().0.iter_mut().zip(image.data()).for_each(|(pixel, &v)| *pixel = [v; 3]);
            let bytes = libwebp::encode(image.width(), image.height(), &rgb, false, settings);
            scratch.give(rgb);
            bytes
        }
        Channels::Rgb => libwebp::encode(image.width(), image.height(), image.data(), false, settings),
        Channels::Rgba => libwebp::encode(image.width(), image.height(), image.data(), true, settings),
    }
    .map_err(failed)?;
    // libwebp leaves out an alpha channel that is opaque all over.
    let alpha = image.channels().has_alpha() && has_translucent(image);
    let description = Description {
        format: Format::Webp,
        width: image.width(),
        height: image.height(),
        colorspace: if output.lossless { Colorspace::Rgb } else { Colorspace::YCbCr },
        interlaced: false,
        sampling: (!output.lossless).then(|| "4:2:0".to_owned()),
        depth: if alpha { 32 } else { 24 },
        quality: (!output.lossless).then_some(quality),
        frames: 1,
        alpha,
    };
    Ok(Encoded { description, bytes })
}

fn has_translucent(image: &Image) -> bool {
    image.data().as_chunks::<4>().0.iter().any(|pixel| pixel[3] < 255)
}
