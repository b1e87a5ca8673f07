//! Tests with HEIF files in which boxes are altered: rotation, mirroring, wrong lengths and unknown codecs.

use pixaven_imaging::{Error, Format, Limits, Scratch, process};

use crate::helpers::{decoded_pixels, encoded, photo, plan_for, psnr_db, quarters, rgba, run};
use crate::orientation::stored;

/// Overwrites bytes in the content of the first box of the given kind. `offset` counts from the start of the
/// content.
pub(crate) fn overwrite_box(file: &mut [u8], kind: &[u8; 4], offset: usize, bytes: &[u8]) {
    let at = file.windows(4).position(|window| window == kind).expect("the file must have the box");
    file[at + 4 + offset..][..bytes.len()].copy_from_slice(bytes);
}

/// Finds the first box of the kind `from`, and changes its kind to `to` and the first byte of its content to
/// `value`.
fn replace_box(file: &mut [u8], from: &[u8; 4], to: &[u8; 4], value: u8) {
    overwrite_box(file, from, 0, &[value]);
    let at = file.windows(4).position(|window| window == from).expect("the file must have the box");
    file[at..at + 4].copy_from_slice(to);
}

#[test]
fn heif_boxes_irot_and_imir_turn_the_image_upright() {
    // For each EXIF orientation: the number of quarter turns counter-clockwise (`irot`) and the mirror axis
    // (`imir`) that have the same effect.
    let cases: [(u8, u8, Option<u8>); 8] = [
        (1, 0, None),
        (2, 0, Some(1)),
        (3, 2, None),
        (4, 0, Some(0)),
        (5, 1, Some(0)),
        (6, 3, None),
        (7, 3, Some(0)),
        (8, 1, None),
    ];
    let upright = quarters(40, 24);
    for format in [Format::Avif, Format::Heic] {
        for (value, quarters, axis) in cases {
            let image = stored(&upright, value);
            let mut input = encoded(&image, format);
            replace_box(&mut input, b"pixi", b"irot", quarters);
            if let Some(axis) = axis {
                replace_box(&mut input, b"colr", b"imir", axis);
            }
            let done = run(&input, &plan_for(Format::Png));
            assert_eq!((done.input.width, done.input.height), (image.width(), image.height()));
            assert_eq!((done.output.width, done.output.height), (40, 24), "{format:?} with {value}");
            let db = psnr_db(&decoded_pixels(&input).2, &rgba(&upright));
            assert!(db > 24.0, "{format:?} with {value}: {db:.1} dB");
        }
    }
}

#[test]
fn altered_lengths_of_heif_boxes_never_cause_a_panic() {
    let mut scratch = Scratch::default();
    for format in [Format::Avif, Format::Heic] {
        let original = encoded(&photo(24, 17), format);
        let kinds: [&[u8; 4]; 10] =
            [b"ftyp", b"meta", b"pitm", b"iloc", b"iinf", b"infe", b"iprp", b"ipco", b"ipma", b"ispe"];
        for kind in kinds {
            let at = original.windows(4).position(|window| window == kind).unwrap();
            for size in [0u32, 1, 7, 8, 9, 15, 16, 1 << 16, u32::MAX] {
                let mut input = original.clone();
                input[at - 4..at].copy_from_slice(&size.to_be_bytes());
                let _result = process(&input, &plan_for(Format::Png), &Limits::default(), &mut scratch);
            }
            for offset in 0..16 {
                for byte in [0, 1, 0x7f, 0x80, 0xff] {
                    let mut input = original.clone();
                    input[at + 4 + offset] = byte;
                    let _result = process(&input, &plan_for(Format::Png), &Limits::default(), &mut scratch);
                }
            }
        }
    }
}

#[test]
fn error_for_a_heif_file_with_an_unsupported_codec_names_the_codec() {
    let mut input = encoded(&photo(16, 16), Format::Avif);
    let at = input.windows(4).position(|window| window == b"av01").unwrap();
    input[at..at + 4].copy_from_slice(b"vvc1");
    let error =
        process(&input, &plan_for(Format::Png), &Limits::default(), &mut Scratch::default()).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    assert!(error.to_string().contains("vvc1"), "{error}");
}
