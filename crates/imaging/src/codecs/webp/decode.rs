//! Decodes one coded picture with `image-webp`. `image-webp` receives a WebP file that contains only this
//! picture. Metadata, animation and all flags are handled by `pixaven-imaging`.

use std::io::Cursor;

use image_webp::WebPDecoder;

use super::container::Coded;
use crate::{Error, Scratch};

/// The number of pixels of the largest opaque picture whose buffer keeps the room for the alpha channel.
const MAX_KEPT_PX: usize = 16 << 20;

/// The offset of the byte with the alpha flag in a file that contains a lossless picture: after the headers of
/// the file and of the chunk, the signature, and two sides of 14 bits each.
const ALPHA_AT: usize = 24;

/// The flag that says that a lossless picture uses its alpha channel.
const ALPHA: u8 = 0x10;

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
    let mut file = wrap(coded, width, height, scratch);
    let is_opaque =
        matches!(coded, Coded::Lossless { .. }) && file.get(ALPHA_AT).is_some_and(|b| b & ALPHA == 0);
    if is_opaque {
        // A lossless picture is always coded with four channels. `image-webp` decodes an opaque picture into a
        // buffer of its own and copies three of the channels. With the flag for alpha, it decodes directly.
        file[ALPHA_AT] |= ALPHA;
    }
    let decoded = decode_file(&file, width, height, scratch);
    scratch.give(file);
    let mut picture = decoded.map_err(|reason| Error::Corrupt { format: "WebP", reason })?;
    if is_opaque {
        remove_alpha(&mut picture.data);
        picture.has_alpha = false;
    }
    Ok(picture)
}

/// Removes every fourth byte, in place.
fn remove_alpha(data: &mut Vec<u8>) {
    let n_pixels = data.len() / 4;
    for i in 1..n_pixels {
        data.copy_within(4 * i..4 * i + 3, 3 * i);
    }
    data.truncate(n_pixels * 3);
    // A small buffer keeps its room for the next picture.
    if n_pixels > MAX_KEPT_PX {
        data.shrink_to_fit();
    }
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
