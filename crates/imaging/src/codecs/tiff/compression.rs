//! Decompresses the bytes of a strip or tile to its stored samples, for all compressions except JPEG and
//! WebP. The result is never longer than requested, even if the data could be decompressed to more bytes. If
//! the data are truncated, the result is shorter.

use std::io::Read;

use weezl::{BitOrder, LzwStatus};

use super::ccitt;
use super::page::{Compression, Page};

/// The largest window in bytes that the LZMA or Zstandard decoder may allocate.
const MAX_WINDOW_BYTES: u32 = 64 << 20;

/// Number of bytes by which the output buffer of the LZW decoder grows at a time.
const LZW_PIECE_BYTES: usize = 64 << 10;

/// Decompresses a strip or tile to at most `n_bytes` bytes, which are `n_rows` rows of `width` samples. The
/// second value is the message of an error in the data, or `None`.
pub(super) fn unpack(
    page: &Page,
    data: &[u8],
    width: usize,
    n_rows: usize,
    n_bytes: usize,
) -> (Vec<u8>, Option<String>) {
    let reversed: Vec<u8>;
    let data = if page.low_bit_first {
        reversed = data.iter().map(|byte| byte.reverse_bits()).collect();
        &reversed
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
        // Uncompressed data are copied. JPEG and WebP data do not reach this branch, except to estimate the
        // range of float samples, because `picture.rs` passes such data to the JPEG or WebP decoder.
        Compression::None | Compression::OldJpeg | Compression::Jpeg | Compression::Webp => {
            (data[..n_bytes.min(data.len())].to_vec(), None)
        }
    }
}

/// Reads up to `n_bytes` bytes. Returns the bytes that were read, and the error that ended reading, if there
/// was an error.
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

/// Decompresses LZW of TIFF 6.0 (section 13), or its older variant. In the older variant, the low bits of a
/// byte come first, and the code width grows one code later. The first code in the data always clears the
/// table. In the older variant, this code begins with a zero byte, by which the variant is recognised.
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
        // The buffer grows step by step, because the length of the result is unknown before decompression.
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

/// Decompresses PackBits (TIFF 6.0, section 9).
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
