//! Tests that a file with too many parts or too much metadata is refused while its structure is parsed,
//! before memory is allocated.

use std::time::{Duration, Instant};

use pixaven_imaging::{Error, Format, Limits, Scratch, process};

use crate::helpers::{encoded, photo, plan_for, png_of, run};

/// The formats that [`with_pieces`] supports. The limits of every other format are tested in the module of
/// that format.
const FORMATS: [Format; 4] = [Format::Jpeg, Format::Png, Format::Gif, Format::Webp];

/// Creates a file of a format with `n` additional pieces of metadata (comments, text chunks or EXIF chunks)
/// of `n_bytes` each. The pieces are before the image data if the format permits this.
fn with_pieces(format: Format, n: usize, n_bytes: usize) -> Vec<u8> {
    let file = encoded(&photo(8, 8), format);
    let (at, piece) = match format {
        Format::Jpeg => {
            let comment =
                [&b"\xff\xfe"[..], &((n_bytes + 2) as u16).to_be_bytes(), &vec![b'c'; n_bytes]].concat();
            (2, comment)
        }
        Format::Png => (33, chunk(*b"tEXt", &vec![b't'; n_bytes])),
        Format::Gif => {
            let blocks: Vec<u8> = vec![b'c'; n_bytes]
                .chunks(255)
                .flat_map(|part| [&[part.len() as u8], part].concat())
                .collect();
            let after_table = 13 + (3 << ((file[10] & 7) + 1));
            (after_table, [&b"\x21\xfe"[..], &blocks, b"\0"].concat())
        }
        _ => {
            let mut piece = [&b"EXIF"[..], &(n_bytes as u32).to_le_bytes(), &vec![b'e'; n_bytes]].concat();
            piece.resize(piece.len().next_multiple_of(2), 0);
            (file.len(), piece)
        }
    };
    [&file[..at], &piece.repeat(n), &file[at..]].concat()
}

/// Creates a PNG chunk with a valid checksum.
pub(crate) fn chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [&kind[..], data].concat();
    [&(data.len() as u32).to_be_bytes()[..], &body, &crate::malformed::crc(&body).to_be_bytes()].concat()
}

#[track_caller]
fn limit_error(input: &[u8], limits: Limits) -> String {
    let mut scratch = Scratch::default();
    let error = process(input, &plan_for(Format::Png), &limits, &mut scratch).unwrap_err();
    assert!(matches!(error, Error::Limit { .. }), "{error}");
    assert_eq!(scratch.spare_bytes(), 0, "no buffer may be allocated");
    error.to_string()
}

#[test]
fn image_file_with_more_chunks_or_segments_than_the_limit_is_refused() {
    for format in FORMATS {
        let input = with_pieces(format, 50, 1);
        let limits = Limits { parts: 49, ..Limits::default() };
        let message = limit_error(&input, limits);
        assert!(message.contains("the number of parts"), "{format:?}: {message}");
        // The parts of the image itself also count towards the limit, so the limit must be higher than 50,
        // the number of added parts.
        let limits = Limits { parts: 75, ..limits };
        assert!(
            process(&input, &plan_for(Format::Png), &limits, &mut Scratch::default()).is_ok(),
            "{format:?}"
        );
    }
}

#[test]
fn animation_whose_frames_have_more_chunks_or_blocks_than_the_limit_of_file_parts_is_refused() {
    let animation = crate::output::animation(6);
    for format in [Format::Apng, Format::Gif, Format::Webp] {
        let input = run(&animation, &plan_for(format)).bytes;
        let message = limit_error(&input, Limits { parts: 9, ..Limits::default() });
        assert!(message.contains("the number of parts"), "{format:?}: {message}");
    }
}

#[test]
fn image_file_with_more_bytes_of_metadata_than_the_limit_is_refused() {
    for format in FORMATS {
        let input = with_pieces(format, 40, 1_000);
        let limits = Limits { metadata_bytes: 39_999, ..Limits::default() };
        let message = limit_error(&input, limits);
        assert!(message.starts_with("the size of metadata in bytes is limited to 39999"), "{message}");
        let limits = Limits { metadata_bytes: 42_000, ..limits };
        assert!(
            process(&input, &plan_for(Format::Png), &limits, &mut Scratch::default()).is_ok(),
            "{format:?}"
        );
    }
}

#[test]
fn png_with_a_decompression_bomb_in_its_metadata_is_refused_before_decompression() {
    let compressed_zeros = || {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        for _ in 0..200 {
            std::io::Write::write_all(&mut encoder, &[0; 1 << 20]).unwrap();
        }
        encoder.finish().unwrap()
    };
    let bare = png_of(&photo(8, 8));
    for (kind, head) in
        [(*b"iCCP", &b"x\0\0"[..]), (*b"zTXt", b"Author\0\0"), (*b"iTXt", b"XML:com.adobe.xmp\0\x01\0\0\0")]
    {
        let input = [&bare[..33], &chunk(kind, &[head, &compressed_zeros()].concat()), &bare[33..]].concat();
        let start = Instant::now();
        let message = limit_error(&input, Limits::default());
        assert!(message.contains("metadata"), "{message}");
        // The short time shows that the 200 MiB of metadata are not decompressed. In addition, `limit_error`
        // checks that no buffer was allocated for pixels.
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn broken_icc_profile_or_text_chunk_in_a_png_is_ignored() {
    let bare = png_of(&photo(8, 8));
    for (kind, data) in [
        (*b"iCCP", &b"x\0\0no zlib"[..]),
        (*b"iCCP", b"without an end"),
        (*b"zTXt", b"Author\0\0no zlib"),
        (*b"iTXt", b"XML:com.adobe.xmp\0\x01"),
        (*b"iTXt", b"Author\0\0\0\0\0\xff\xfe"),
        (*b"tEXt", b""),
    ] {
        let input = [&bare[..33], &chunk(kind, data), &bare[33..]].concat();
        let mut plan = plan_for(Format::Jpeg);
        plan.output.metadata = pixaven_imaging::plan::KeptMetadata::All;
        assert_eq!(run(&input, &plan).bytes, run(&bare, &plan).bytes, "{}", String::from_utf8_lossy(&kind));
    }
}
