//! Tests with truncated, altered and malicious files. The processing of each file must return a result or an
//! error within a short time, and must never panic.

use std::time::{Duration, Instant};

use pixaven_imaging::plan::{Output, TargetFormat};
use pixaven_imaging::{Error, Format, Limits, Plan, Processed, Scratch, TruncatedInput, process};

use crate::helpers::{FORMATS, decode_png, encoded, fading_photo, photo, plan_for, png_of, png_with, run};
use crate::limits::chunk;

fn small_files() -> Vec<Vec<u8>> {
    let mut files: Vec<Vec<u8>> = FORMATS.map(|format| encoded(&photo(24, 17), format)).to_vec();
    let with_alpha = FORMATS.into_iter().filter(|&format| format != Format::Jpeg);
    files.extend(with_alpha.map(|format| encoded(&fading_photo(24, 17), format)));
    files.push(run(&png_of(&photo(24, 17)), &Plan { output: baseline(), ..Plan::default() }).bytes);
    files
}

fn baseline() -> Output {
    Output { format: TargetFormat::Format(Format::Jpeg), baseline: true, ..Output::default() }
}

/// Converts an input to PNG. Inputs that are cut off are accepted, so that as much code as possible runs.
fn try_process(input: &[u8], scratch: &mut Scratch) -> Result<Processed, Error> {
    let limits = Limits { truncated: TruncatedInput::Warn, ..Limits::default() };
    process(input, &plan_for(Format::Png), &limits, scratch)
}

#[test]
fn processing_an_image_file_truncated_at_any_byte_gives_an_image_or_an_error() {
    let mut scratch = Scratch::default();
    for input in small_files() {
        for n in 0..input.len() {
            if let Ok(done) = try_process(&input[..n], &mut scratch) {
                assert_eq!((done.output.width, done.output.height), (24, 17));
            }
        }
    }
}

#[test]
fn processing_a_randomly_altered_image_file_ends_within_five_seconds() {
    let mut scratch = Scratch::default();
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut random = || {
        // The random generator xorshift64*, which gives the same sequence on every machine.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
    };
    for original in small_files() {
        for _ in 0..400 {
            let mut input = original.clone();
            for _ in 0..=random() % 3 {
                let at = random() as usize % input.len();
                input[at] = random() as u8;
            }
            let start = Instant::now();
            let _result = try_process(&input, &mut scratch);
            assert!(start.elapsed() < Duration::from_secs(5), "{input:x?}");
        }
    }
}

/// Creates a PNG of one pixel, with a palette of `n_bytes` bytes. The pixel has the palette index 0.
fn png_with_palette(n_bytes: usize) -> Vec<u8> {
    const HEADER: &[u8] = b"\0\0\0\x01\0\0\0\x01\x08\x03\0\0\0";
    // The image data of the PNG: a filter byte and a palette index, in a deflate block without compression.
    const DATA: &[u8] = b"\x78\x01\x01\x02\0\xfd\xff\0\0\0\x02\0\x01";
    let palette = vec![7; n_bytes];
    let pieces = [(*b"IHDR", HEADER), (*b"PLTE", &palette), (*b"IDAT", DATA), (*b"IEND", b"")];
    let chunks = pieces.map(|(kind, data)| chunk(kind, data)).concat();
    [b"\x89PNG\r\n\x1a\n", &chunks[..]].concat()
}

#[test]
fn whole_colors_of_a_png_palette_with_an_invalid_length_are_used() {
    let result = |n_bytes| try_process(&png_with_palette(n_bytes), &mut Scratch::default());
    for n_bytes in [3, 4, 127, 767, 768, 769, 771] {
        let done = result(n_bytes).unwrap();
        assert_eq!(decode_png(&done.bytes).2, [[7, 7, 7, 255]], "{n_bytes} bytes");
        assert_eq!(done.warnings.is_empty(), matches!(n_bytes, 3 | 768), "{n_bytes}: {:?}", done.warnings);
    }
    for n_bytes in [0, 1, 2] {
        let error = result(n_bytes).unwrap_err();
        assert!(matches!(error, Error::Corrupt { format: "PNG", .. }), "{n_bytes} bytes: {error}");
    }
}

#[test]
fn png_with_wrong_checksums_in_its_trns_and_idat_chunks_is_refused() {
    let mut input = png_with_palette(3);
    let at = input.len() - 12 - 13 - 12;
    let data = input[at + 8..at + 8 + 13].to_vec();
    let mut pieces = [chunk(*b"tRNS", &[9]), chunk(*b"IDAT", &data[..2])];
    pieces.iter_mut().for_each(|piece| *piece.last_mut().unwrap() ^= 1);
    input.splice(at..at + 8 + 13 + 4, [pieces.concat(), chunk(*b"IDAT", &data[2..])].concat());
    let error = try_process(&input, &mut Scratch::default()).unwrap_err();
    assert!(matches!(error, Error::Corrupt { format: "PNG", .. }), "{error}");
    assert!(error.to_string().contains("CRC"), "{error}");
}

/// Creates files of several formats whose headers declare the given width and height.
fn files_declaring(width: u16, height: u16) -> Vec<Vec<u8>> {
    let [w, h] = [width.to_be_bytes(), height.to_be_bytes()];
    let ihdr = [b"IHDR\0\0", &w[..], b"\0\0", &h[..], b"\x08\x02\0\0\0"].concat();
    let png = [
        b"\x89PNG\r\n\x1a\n\0\0\0\x0d",
        &ihdr[..],
        &crc(&ihdr).to_be_bytes(),
        b"\0\0\0\0IDAT\x35\xaf\x06\x1e",
    ]
    .concat();
    let mut jpeg = encoded(&photo(8, 8), Format::Jpeg);
    let sof = jpeg.windows(2).position(|pair| pair == [0xff, 0xc2]).unwrap();
    jpeg[sof + 5..sof + 7].copy_from_slice(&h);
    jpeg[sof + 7..sof + 9].copy_from_slice(&w);
    let mut gif = encoded(&photo(8, 8), Format::Gif);
    gif[6..8].copy_from_slice(&width.to_le_bytes());
    gif[8..10].copy_from_slice(&height.to_le_bytes());
    vec![png, jpeg, gif]
}

/// The CRC of a PNG chunk (ISO/IEC 15948, annex D).
pub(crate) fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |mut crc, &byte| {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
        crc
    })
}

#[test]
fn image_that_declares_a_size_beyond_the_limits_is_refused_before_memory_is_allocated() {
    for (width, height, name) in [(40_000, 8, "side"), (29_000, 29_000, "pixels")] {
        for input in files_declaring(width, height) {
            let start = Instant::now();
            let mut scratch = Scratch::default();
            let error = try_process(&input, &mut scratch).unwrap_err();
            assert!(matches!(error, Error::Limit { .. }), "{error}");
            assert!(error.to_string().contains(name), "{error}");
            assert_eq!(scratch.spare_bytes(), 0, "no buffer may be allocated");
            assert!(start.elapsed() < Duration::from_millis(200));
        }
    }
}

#[test]
fn jpeg_with_more_scans_than_the_limit_is_refused_before_decoding() {
    let input = encoded(&photo(64, 64), Format::Jpeg);
    let limits = Limits { scans: 3, ..Limits::default() };
    let error = process(&input, &plan_for(Format::Png), &limits, &mut Scratch::default()).unwrap_err();
    assert!(error.to_string().starts_with("the number of scans is limited to 3"), "{error}");
}

#[test]
fn image_that_exceeds_a_size_limit_by_one_pixel_is_refused() {
    let input = png_of(&photo(50, 20));
    let at = |limits: Limits| process(&input, &plan_for(Format::Png), &limits, &mut Scratch::default());
    let base = Limits::default();
    assert!(at(Limits { pixels: 1000, input_side_px: 50, output_side_px: 50, ..base }).is_ok());
    for limits in [
        Limits { pixels: 999, ..base },
        Limits { input_side_px: 49, ..base },
        Limits { output_side_px: 49, ..base },
    ] {
        assert!(matches!(at(limits), Err(Error::Limit { .. })), "{limits:?}");
    }
}

#[test]
fn icc_profile_of_60_mib_compressed_in_a_small_png_is_not_decompressed() {
    let input = png_with(&photo(8, 8), |info| info.icc_profile = Some(vec![0; 60 << 20].into()));
    assert!(input.len() < 1 << 20, "the compressed file must be small");
    let start = Instant::now();
    // The file may be refused, or the ICC profile may be ignored. The short time shows that the 60 MiB of the
    // profile are not decompressed.
    let _result = try_process(&input, &mut Scratch::default());
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn error_for_an_unsupported_input_file_names_the_type_of_the_file() {
    let cases: [(&[u8], &str); 7] = [
        (b"%PDF-1.7 ...", "a PDF document"),
        (b"<!DOCTYPE html><html>", "an HTML page"),
        (b"\0\0\0\x1cftypisom\0\0\0\0", "an MP4 video"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "a QuickTime video"),
        (b"\0\0\0\x14ftypcrx \0\0\0\0isom", "a CR3 raw photograph"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"{\"a\":1}", "a JSON document"),
    ];
    for (input, name) in cases {
        let error = try_process(input, &mut Scratch::default()).unwrap_err();
        assert!(error.to_string().ends_with(name), "{error}");
    }
    for input in [&b""[..], b"hello", b"\xff", b"RIFF\0\0\0\0"] {
        let error = try_process(input, &mut Scratch::default()).unwrap_err();
        assert_eq!(error, Error::UnknownFormat { sniffed: None });
    }
}
