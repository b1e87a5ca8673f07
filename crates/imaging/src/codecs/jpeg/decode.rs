//! Decodes the pixels of a JPEG with the crate `pixaven-jpeg`. `header.rs` has already read the frame header
//! and determined whether the components are gray, RGB, YCbCr or inks.
//!
//! If the data are truncated, decoding does not fail: the missing part of the picture is gray, as in other
//! decoders.

use pixaven_jpeg::{Colour, Outcome, Scale};

use super::components::Transform;
use super::failed;
use super::header::JpegHeader;
use crate::{Error, Scratch};

/// Decodes to one byte per pixel (gray), three bytes (red, green, blue) or four bytes (components as stored),
/// at the size reduced by `scale`. The second returned value states whether data were damaged and how much of
/// the picture is missing.
pub(super) fn decode(
    input: &[u8],
    header: &JpegHeader,
    scale: Scale,
    scratch: &mut Scratch,
) -> Result<(Vec<u8>, Outcome), Error> {
    let decoder = pixaven_jpeg::Decoder::new(input).map_err(failed)?;
    let frame = &header.frame;
    if decoder.frame() != frame {
        return Err(failed(pixaven_jpeg::Error::Corrupt("two frame headers contradict each other")));
    }
    // If the picture has four components, they are returned as stored. The caller converts them with
    // `Decoder::to_inks`.
    let luma_chroma = frame.components.len() == 3 && header.transform == Transform::YCbCr;
    let colour = if luma_chroma { Colour::YCbCr } else { Colour::Stored };
    let (width, height) = scale.of(frame.width, frame.height);
    let mut pixels = scratch.take(width as usize * height as usize * frame.components.len());
    match decoder.decode(scale, colour, header.n_scans, &mut pixels) {
        Ok(outcome) => Ok((pixels, outcome)),
        Err(error) => {
            scratch.give(pixels);
            Err(failed(error))
        }
    }
}
