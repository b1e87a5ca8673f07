//! The registry of codecs: maps every format to its decoder and its encoder. `codec.rs` defines the traits of
//! decoders and encoders; every format has its own file, e.g. `gif.rs`.

mod animation_delta;
mod announced_bytes;
pub(crate) mod auto;
mod avif;
mod bmp;
mod canvas;
mod codec;
mod drawing;
mod embed;
mod encoder_memory;
mod gif;
mod heic;
mod heif;
mod hidden_color;
mod ico;
mod interpolation;
mod jp2;
mod jpeg;
mod jxl;
mod memory;
mod mp4;
mod nested;
mod palette;
mod pixel_format;
mod png;
mod psd;
pub(crate) mod quality_scale;
pub(crate) mod quality_search;
mod quantise;
mod score;
mod score_search;
mod still_decoder;
mod still_encoder;
mod svg;
mod tiff;
mod video;
mod webm;
mod webp;
mod ycbcr;

pub(crate) use self::announced_bytes::announced_bytes;
pub(crate) use self::codec::{Decode, Draw, Encode, Frame, Header, Sequence};
pub(crate) use self::encoder_memory::encoder_memory;
pub(crate) use self::memory::{DecoderMemory, area};

use self::embed::WithMetadata;
use self::still_decoder::StillDecoder;
use self::still_encoder::StillEncoder;
use crate::fonts::FontSource;
use crate::format::Format;
use crate::metadata::Metadata;
use crate::plan::Output;
use crate::{Error, Limits};

/// Opens the decoder for a file of a known format. `fonts` offers fonts for the text in documents.
///
/// # Errors
/// Fails when the header is invalid or when the file exceeds a limit. The caller must check the limits on
/// width, height and number of frames, because not every decoder checks these three limits.
pub(crate) fn open<'a>(
    format: Format,
    input: &'a [u8],
    limits: &Limits,
    fonts: Option<&'a dyn FontSource>,
) -> Result<Box<dyn Decode + 'a>, Error> {
    Ok(match format {
        Format::Jpeg => Box::new(StillDecoder::new(jpeg::Decoder::open(input, limits)?)),
        Format::Png | Format::Apng => Box::new(png::Decoder::open(input, limits)?),
        Format::Gif => Box::new(gif::Decoder::open(input, limits)?),
        Format::Webp => Box::new(webp::Decoder::open(input, limits)?),
        Format::Bmp => bmp::open(input, limits)?,
        Format::Ico => ico::open(input, limits)?,
        Format::Tiff => Box::new(StillDecoder::new(tiff::Decoder::open(input, limits)?)),
        Format::Psd => Box::new(StillDecoder::new(psd::Decoder::open(input, limits)?)),
        Format::Svg => Box::new(StillDecoder::new(svg::Decoder::open(input, limits, fonts, open)?)),
        Format::Heic | Format::Avif => heif::open(format, input, limits)?,
        Format::Jxl => Box::new(jxl::Decoder::open(input, limits)?),
        Format::Jp2 => Box::new(StillDecoder::new(jp2::Decoder::open(input, limits)?)),
        Format::Mp4 | Format::Webm => {
            return Err(Error::Unsupported { format: format.name(), reason: "the format itself".to_owned() });
        }
    })
}

/// Returns the output settings for a sample of a picture of `n_pixels` pixels in a format. Most encoders treat
/// pictures of all sizes alike.
fn for_sample(format: Format, output: &Output, n_pixels: u64) -> Output {
    if format == Format::Avif { avif::for_sample(output, n_pixels) } else { *output }
}

/// Creates the encoder for a file of a format.
///
/// # Errors
/// [`Error::Encode`] for a format that this build does not write.
pub(crate) fn begin(
    format: Format,
    output: &Output,
    sequence: Sequence,
    metadata: Metadata,
) -> Result<Box<dyn Encode>, Error> {
    Ok(match format {
        Format::Jpeg => Box::new(StillEncoder::new(jpeg::encode, output, metadata)),
        Format::Png => Box::new(StillEncoder::new(png::encode, output, metadata).with_search(png::fit)),
        Format::Apng => Box::new(WithMetadata::new(png::Animation::new(output, sequence), metadata)),
        Format::Gif => Box::new(gif::Encoder::new(output, sequence)),
        Format::Webp if sequence.n_frames > 1 => {
            Box::new(WithMetadata::new(webp::Animation::new(output, sequence), metadata))
        }
        Format::Webp => Box::new(StillEncoder::new(webp::encode, output, metadata).lossy(!output.lossless)),
        Format::Bmp => Box::new(StillEncoder::new(bmp::encode, output, metadata)),
        Format::Ico => Box::new(StillEncoder::new(ico::encode, output, metadata)),
        Format::Tiff => Box::new(StillEncoder::new(tiff::encode, output, metadata)),
        Format::Mp4 => Box::new(mp4::Encoder::new(output)),
        Format::Webm => Box::new(webm::Encoder::new(output)),
        Format::Heic => Box::new(StillEncoder::new(heic::encode, output, metadata).lossy(true)),
        Format::Avif => {
            let encoder = StillEncoder::new(avif::encode, output, metadata).lossy(true);
            Box::new(encoder.with_sample_settings(avif::for_sample))
        }
        Format::Jxl => Box::new(StillEncoder::new(jxl::encode, output, metadata).lossy(!output.lossless)),
        Format::Jp2 => Box::new(StillEncoder::new(jp2::encode, output, metadata).lossy(!output.lossless)),
        Format::Psd | Format::Svg => {
            return Err(Error::Encode {
                format: format.name(),
                reason: "this build does not write it".to_owned(),
            });
        }
    })
}
