//! Decodes one coded picture with `image-webp`. `image-webp` receives a WebP file that contains only this
//! picture. Metadata, animation and all flags are handled by `pixaven-imaging`.

use std::io::Cursor;

use image_webp::WebPDecoder;

use super::container::Coded;
use crate::{Error, Scratch};

/// A decoded picture.
pub(super) struct Picture {
    /// The pixels in rows without padding: three bytes per pixel (RGB), or four bytes if the picture has
    /// alpha (RGBA).
    pub(super) data: Vec<u8>,
    pub(super) has_alpha: bool,
}

/// Decodes a coded picture. `width` and `height` are the size that the header of the picture states.
pub(super) fn decode(
    coded: Coded<'_>,
    width: u32,
    height: u32,
    scratch: &mut Scratch,
) -> Result<Picture, Error> {
    let file = wrap(coded, width, height, scratch);
    let decoded = decode_file(&file, width, height, scratch);
    scratch.give(file);
    decoded.map_err(|reason| Error::Corrupt { format: "WebP", reason })
}

/// Decodes a WebP file that contains one picture.
fn decode_file(file: &[u8], width: u32, height: u32, scratch: &mut Scratch) -> Result<Picture, String> {
    let mut decoder = WebPDecoder::new(Cursor::new(file)).map_err(|error| error.to_string())?;
    if decoder.dimensions() != (width, height) {
        return Err("two headers contradict each other".to_owned());
    }
    let has_alpha = decoder.has_alpha();
    let n_channels = if has_alpha { 4 } else { 3 };
    let mut data = scratch.take_zeroed(width as usize * height as usize * n_channels);
    match decoder.read_image(&mut data) {
        Ok(()) => Ok(Picture { data, has_alpha }),
        Err(error) => {
            scratch.give(data);
            Err(error.to_string())
        }
    }
}

/// Builds a WebP file that contains only the picture.
fn wrap(coded: Coded<'_>, width: u32, height: u32, scratch: &mut Scratch) -> Vec<u8> {
    let mut file = scratch.take(0);
    file.extend_from_slice(b"RIFF\0\0\0\0WEBP");
    match coded {
        Coded::Lossless { data } => push(&mut file, *b"VP8L", &[data]),
        Coded::Lossy { data, alpha: None } => push(&mut file, *b"VP8 ", &[data]),
        Coded::Lossy { data, alpha: Some(alpha) } => {
            let [w, h] = [(width - 1).to_le_bytes(), (height - 1).to_le_bytes()];
            push(&mut file, *b"VP8X", &[&[0x10, 0, 0, 0], &w[..3], &h[..3]]);
            push(&mut file, *b"ALPH", &[alpha]);
            push(&mut file, *b"VP8 ", &[data]);
        }
    }
    let size = file.len() as u32 - 8;
    file[4..8].copy_from_slice(&size.to_le_bytes());
    file
}

/// Appends a chunk whose data are `parts`, one after the other.
fn push(file: &mut Vec<u8>, kind: [u8; 4], parts: &[&[u8]]) {
    let size: usize = parts.iter().map(|part| part.len()).sum();
    file.extend_from_slice(&kind);
    file.extend_from_slice(&(size as u32).to_le_bytes());
    parts.iter().for_each(|part| file.extend_from_slice(part));
    if size % 2 == 1 {
        file.push(0);
    }
}
