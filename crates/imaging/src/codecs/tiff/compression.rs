//! From the bytes of a strip or tile to its samples as stored: every coding that knows nothing of pictures.
//! Nothing gets longer than it has to be, whatever the data would unpack to, and what is cut off comes as far
//! as it goes.

use std::io::Read;

use weezl::{BitOrder, LzwStatus};

use super::ccitt;
use super::page::{Compression, Page};

/// What a decoder of LZMA or Zstandard may set aside for its window.
const MAX_WINDOW_BYTES: u32 = 64 << 20;

/// So much room the decoder of LZW gets at a time.
const LZW_PIECE_BYTES: usize = 64 << 10;

/// Unpacks to at most `n_bytes`, of `n_rows` rows of `width` samples. The second value says what is wrong, if
/// anything is.
pub(super) fn unpack(
    page: &Page,
    data: &[u8],
    width: usize,
    n_rows: usize,
    n_bytes: usize,
) -> (Vec<u8>, Option<String>) {
    let turned: Vec<u8>;
    let data = if page.low_bit_first {
        turned = data.iter().map(|byte| byte.reverse_bits()).collect();
        &turned
    } else {
        data
    };
    match page.compression {
        Compression::Lzw => lzw(data, n_bytes),
        Compression::PackBits => (pack_bits(data, n_bytes), None),
        Compression::Deflate => read(flate2::read::ZlibDecoder::new(data), n_bytes),
        Compression::Zstd => zstd(data, n_bytes),
        Compression::Lzma => {
            read(lzma_rust2::XzReader::new_mem_limit(data, false, MAX_WINDOW_BYTES >> 10), n_bytes)
        }
        Compression::CcittRle
        | Compression::CcittRleWords
        | Compression::CcittGroup3
        | Compression::CcittGroup4 => {
            (ccitt::decode(data, page.compression, page.fax_options, width, n_rows), None)
        }
        // Those that are pictures are decoded elsewhere.
        Compression::None | Compression::OldJpeg | Compression::Jpeg | Compression::Webp => {
            (data[..n_bytes.min(data.len())].to_vec(), None)
        }
    }
}

/// Reads until there is enough.
fn read(from: impl Read, n_bytes: usize) -> (Vec<u8>, Option<String>) {
    let mut bytes = Vec::new();
    let error = from.take(n_bytes as u64).read_to_end(&mut bytes).err();
    (bytes, error.map(|error| error.to_string()))
}

fn zstd(data: &[u8], n_bytes: usize) -> (Vec<u8>, Option<String>) {
    let window = MAX_WINDOW_BYTES.into();
    match ruzstd::decoding::StreamingDecoder::new_with_max_window_size(data, window) {
        Ok(decoder) => read(decoder, n_bytes),
        Err(error) => (Vec::new(), Some(error.to_string())),
    }
}

/// LZW as TIFF 6.0 has it (section 13), or as it was written before: low bits first, code widths growing one
/// code later. The first code is always the one that clears the table, which in the old order begins with a
/// zero byte.
fn lzw(data: &[u8], n_bytes: usize) -> (Vec<u8>, Option<String>) {
    let is_old = matches!(data, [0, second, ..] if second & 1 == 1);
    let mut decoder = if is_old {
        weezl::decode::Decoder::new(BitOrder::Lsb, 8)
    } else {
        weezl::decode::Decoder::with_tiff_size_switch(BitOrder::Msb, 8)
    };
    let mut bytes = Vec::new();
    let (mut rest, mut n_done) = (data, 0);
    while n_done < n_bytes {
        // A little more at a time, since nobody knows how much there will be.
        bytes.resize((n_done + LZW_PIECE_BYTES).min(n_bytes), 0);
        let result = decoder.decode_bytes(rest, &mut bytes[n_done..]);
        rest = &rest[result.consumed_in..];
        n_done += result.consumed_out;
        match result.status {
            Ok(LzwStatus::Ok) if result.consumed_in + result.consumed_out > 0 => {}
            Ok(_) => break,
            Err(error) => {
                bytes.truncate(n_done);
                return (bytes, Some(error.to_string()));
            }
        }
    }
    bytes.truncate(n_done);
    (bytes, None)
}

/// Runs of bytes (TIFF 6.0, section 9).
fn pack_bits(mut data: &[u8], n_bytes: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some((&head, rest)) = data.split_first()
        && bytes.len() < n_bytes
    {
        data = rest;
        match head {
            0..=127 => {
                let n = (usize::from(head) + 1).min(data.len());
                bytes.extend_from_slice(&data[..n]);
                data = &data[n..];
            }
            128 => {}
            129.. => {
                let Some((&value, rest)) = data.split_first() else { break };
                bytes.resize(bytes.len() + 257 - usize::from(head), value);
                data = rest;
            }
        }
    }
    bytes.truncate(n_bytes);
    bytes
}
