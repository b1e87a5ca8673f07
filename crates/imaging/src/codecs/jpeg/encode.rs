//! Writes JPEG with `pixaven-jpeg`: progressive unless the output asks for baseline, with Huffman tables
//! optimised for the picture.

use pixaven_jpeg::{Effort, Options};

use crate::codecs::codec::Encoded;
use crate::codecs::pixel_format::flatten_onto_white;
use crate::codecs::quality_scale::DEFAULT_QUALITY;
use crate::format::Format;
use crate::info::{Colorspace, ImageInfo};
use crate::metadata::Metadata;
use crate::plan::Output;
use crate::{Channels, Error, Image, Scratch};

/// From this quality on, chroma has full resolution (4:4:4). The file is larger than with 4:2:0, but at such
/// qualities the artefacts of 4:2:0 are the most visible ones.
const FULL_CHROMA_QUALITY: u8 = 90;

/// Encodes a picture and returns the complete JPEG file. A picture with alpha is composited over white.
pub(in crate::codecs) fn encode(
    image: &Image,
    output: &Output,
    _metadata: &Metadata,
    scratch: &mut Scratch,
) -> Result<Encoded, Error> {
    if image.channels() == Channels::Rgba {
        let flat = flatten_onto_white(image, scratch);
        let encoded = encode_opaque(&flat, output);
        scratch.give(flat.into_data());
        return encoded;
    }
    encode_opaque(image, output)
}

/// Converts `output.effort`, 0 to 9, to one of the efforts of the encoder.
fn effort(output: &Output) -> Effort {
    match output.effort {
        Some(0..=2) => Effort::Fast,
        None | Some(3..=6) => Effort::Normal,
        Some(_) => Effort::Best,
    }
}

fn encode_opaque(image: &Image, output: &Output) -> Result<Encoded, Error> {
    let quality = output.quality.unwrap_or(DEFAULT_QUALITY);
    let full_chroma = quality >= FULL_CHROMA_QUALITY;
    let gray = image.channels() == Channels::Gray;
    let options = Options { quality, full_chroma, progressive: !output.baseline, effort: effort(output) };
    let bytes = pixaven_jpeg::encode(image.data(), image.width(), image.height(), options)
        .map_err(|error| Error::Encode { format: "JPEG", reason: error.to_string() })?;
    let sampling = if full_chroma { "4:4:4" } else { "4:2:0" };
    let info = ImageInfo {
        format: Format::Jpeg,
        width: image.width(),
        height: image.height(),
        colorspace: if gray { Colorspace::Gray } else { Colorspace::YCbCr },
        interlaced: !output.baseline,
        sampling: (!gray).then(|| sampling.to_owned()),
        depth: if gray { 8 } else { 24 },
        quality: Some(quality),
        frames: 1,
        alpha: false,
    };
    Ok(Encoded { info, bytes })
}
