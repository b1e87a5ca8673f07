//! Entropy decoding, inverse transform, upsampling and colour, by `pixaven-jpeg`. It looks at no metadata:
//! what the components mean was found out before.
//!
//! Data that ends early is no error, as with the common tools: what is missing is filled with gray.

use pixaven_jpeg::{Colour, Scale};

use super::header::{JpegHeader, Transform};
use crate::{Error, Scratch};

/// Decodes to one byte (gray), three (red, green, blue) or four per pixel (as stored), reduced by `scale`.
/// Also says whether anything was missing or wrong.
pub(super) fn decode(
    input: &[u8],
    header: &JpegHeader,
    scale: Scale,
    scratch: &mut Scratch,
) -> Result<(Vec<u8>, bool), Error> {
    let decoder = pixaven_jpeg::Decoder::new(input).map_err(failed)?;
    let frame = decoder.frame();
    if (frame.width, frame.height, frame.components.len())
        != (header.width, header.height, header.components.len())
    {
        return Err(failed(pixaven_jpeg::Error::Corrupt("two frame headers contradict each other")));
    }
    // Four components are converted on our side.
    let luma_chroma = header.components.len() == 3 && header.transform == Transform::YCbCr;
    let colour = if luma_chroma { Colour::YCbCr } else { Colour::Stored };
    let (width, height) = scale.of(header.width, header.height);
    let mut pixels = scratch.take(width as usize * height as usize * header.components.len());
    match decoder.decode(scale, colour, header.n_scans, &mut pixels) {
        Ok(outcome) => Ok((pixels, outcome.damaged)),
        Err(error) => {
            scratch.give(pixels);
            Err(failed(error))
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form that `map_err` takes")]
fn failed(error: pixaven_jpeg::Error) -> Error {
    match error {
        pixaven_jpeg::Error::Corrupt(reason) => Error::Corrupt { format: "JPEG", reason: reason.to_owned() },
        pixaven_jpeg::Error::Unsupported(reason) => {
            Error::Unsupported { format: "JPEG", reason: reason.to_owned() }
        }
    }
}
