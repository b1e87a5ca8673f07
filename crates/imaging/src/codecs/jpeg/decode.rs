//! Entropy decoding, inverse transform, upsampling and colour, by `zune-jpeg`. Nothing outside this file knows the
//! library: it is given a stream without metadata and with a colour marker of ours, so that its own ideas about them
//! do not matter.
//!
//! Data that ends early is no error, as with the common tools: what is missing is filled with what the decoder has.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::header::{JpegHeader, Transform};
use crate::{Error, Scratch};

/// Decodes to one byte (gray), three (red, green, blue) or four per pixel (as stored).
pub(super) fn decode(input: &[u8], header: &JpegHeader, scratch: &mut Scratch) -> Result<Vec<u8>, Error> {
    let stream = essential_stream(input, header, scratch);
    let mut pixels =
        scratch.take_zeroed(header.width as usize * header.height as usize * header.components.len());
    let result = decode_stream(&stream, header, &mut pixels);
    scratch.give(stream);
    match result {
        Ok(()) => Ok(pixels),
        Err(reason) => {
            scratch.give(pixels);
            Err(Error::Corrupt { format: "JPEG", reason })
        }
    }
}

fn decode_stream(stream: &[u8], header: &JpegHeader, pixels: &mut [u8]) -> Result<(), String> {
    let target = match header.components.len() {
        1 => ColorSpace::Luma,
        3 => ColorSpace::RGB,
        _ => ColorSpace::CMYK,
    };
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_max_scans(header.n_scans as usize)
        .jpeg_set_out_colorspace(target);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(stream), options);
    decoder.decode_headers().map_err(|error| format!("{error:?}"))?;
    if decoder.dimensions() != Some((header.width as usize, header.height as usize))
        || decoder.output_buffer_size() != Some(pixels.len())
    {
        return Err("two frame headers contradict each other".to_owned());
    }
    decoder.decode_into(pixels).map_err(|error| format!("{error:?}"))
}

/// The file without its metadata, behind an Adobe marker that states the colour transform. For four components it
/// always says "none": those are converted on our side.
fn essential_stream(input: &[u8], header: &JpegHeader, scratch: &mut Scratch) -> Vec<u8> {
    let n_bytes: usize = header.essential.iter().map(ExactSizeIterator::len).sum();
    let luma_chroma = header.components.len() == 3 && header.transform == Transform::YCbCr;
    let mut stream = scratch.take(n_bytes + 18);
    stream.clear();
    stream.extend_from_slice(b"\xff\xd8\xff\xee\x00\x0eAdobe\x00\x64\0\0\0\0");
    stream.push(u8::from(luma_chroma));
    for range in &header.essential {
        stream.extend_from_slice(&input[range.clone()]);
    }
    stream
}
