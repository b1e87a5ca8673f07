//! Copies only those chunks of a PNG that the default image needs. Other programs show a PNG whose other chunks are
//! damaged, for example the chunks of the animation. The copy lets this decoder read such a PNG as well.

use super::scan::chunk_end;

/// The largest number of colours of a palette.
const MAX_COLORS: usize = 256;

/// Copies the header, the palette, the transparency, the picture data and the end marker of a file. Copies
/// only the first palette, and of the palette only whole colours, at most 256. The last chunk may be cut off.
pub(super) fn essence(input: &[u8]) -> Vec<u8> {
    let (signature, mut rest) = input.split_at(input.len().min(8));
    let mut copy = signature.to_vec();
    let (mut has_palette, mut has_transparency) = (false, false);
    while let Some(kind) = rest.get(4..8) {
        let (chunk, after) = rest.split_at(chunk_end(rest));
        rest = after;
        match kind {
            b"IHDR" | b"IDAT" | b"IEND" => copy.extend_from_slice(chunk),
            b"tRNS" if !std::mem::replace(&mut has_transparency, true) => copy.extend_from_slice(chunk),
            b"PLTE" if !std::mem::replace(&mut has_palette, true) => push_palette(&mut copy, chunk),
            _ => {}
        }
    }
    copy
}

/// Appends a palette chunk with the whole colours of `chunk`. Appends nothing if there is no whole colour.
fn push_palette(copy: &mut Vec<u8>, chunk: &[u8]) {
    let data = chunk.get(8..chunk.len().saturating_sub(4)).unwrap_or_default();
    let n_colors = (data.len() / 3).min(MAX_COLORS);
    if n_colors > 0 {
        let data = &data[..n_colors * 3];
        copy.extend((data.len() as u32).to_be_bytes());
        let start = copy.len();
        copy.extend(b"PLTE");
        copy.extend_from_slice(data);
        let checksum = crc32fast::hash(&copy[start..]);
        copy.extend(checksum.to_be_bytes());
    }
}
