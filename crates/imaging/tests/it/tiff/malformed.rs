//! Tests with malformed TIFF files: wrong or excessive tags, missing data, decompression bombs, and altered
//! bytes.

use pixaven_imaging::{Error, Format, Limits, Scratch, process};

use super::builder::{Tiff, tags};
use super::{deflate, rgb_tags, small, tiles};
use crate::helpers::{decoded_pixels, encoded, plan_for, rgba, run};

#[test]
fn tiff_with_too_many_samples_per_pixel_is_refused() {
    let samples = Tiff::new(tags(3000, 3000, &[8], 1), vec![vec![0; 99]]).with(277, &[60_000]);
    let error =
        process(&samples.bytes(), &plan_for(Format::Png), &Limits::default(), &mut Scratch::default());
    assert!(matches!(error, Err(Error::Limit { .. })), "{error:?}");
}

#[test]
fn old_style_jpeg_tiff_with_too_many_samples_per_pixel_is_refused() {
    // The JPEG tables that the offsets refer to: a quantisation table of 64 bytes, and Huffman tables of 16
    // counts without symbols.
    let data = [vec![1; 64], vec![0; 16]].concat();
    let file = Tiff::new(tags(8, 8, &[8], 6), vec![data]).with(277, &[200]).with(259, &[6]);
    let file = file.with(519, &[8]).with(520, &[72]).with(521, &[72]);
    let error = process(&file.bytes(), &plan_for(Format::Png), &Limits::default(), &mut Scratch::default())
        .unwrap_err();
    assert!(error.to_string().contains("200 samples"), "{error}");
}

#[test]
fn tiff_whose_tags_have_invalid_or_too_large_values_is_refused() {
    let try_process = |file: &Tiff| {
        process(&file.bytes(), &plan_for(Format::Png), &Limits::default(), &mut Scratch::default())
    };
    let is_limit_error = |file: &Tiff| matches!(try_process(file), Err(Error::Limit { .. }));
    let is_corrupt_error = |file: &Tiff| matches!(try_process(file), Err(Error::Corrupt { .. }));
    let plain = |tags| Tiff::new(tags, vec![vec![0; 12]]);
    assert!(is_limit_error(&plain(tags(40_000, 1, &[8], 1))));
    assert!(is_limit_error(&plain(tags(29_000, 29_000, &[8], 1))));
    assert!(is_limit_error(&plain(tags(29_000, 3_000, &[8], 1)).in_tiles(1, 1)), "far too many tiles");
    assert!(
        is_limit_error(&plain(tags(1, 29_000, &[8], 1)).in_tiles(60_000, 16)),
        "tiles much wider than the image"
    );
    assert!(is_corrupt_error(&plain(tags(4, 4, &[8], 1)).in_tiles(0, 16)));
    assert!(is_corrupt_error(&plain(tags(0, 4, &[8], 1))));
    assert!(is_corrupt_error(&Tiff::new(tags(4, 4, &[8], 1), vec![])), "no strips");
    let unknown = try_process(&plain(tags(2, 2, &[8], 1)).with(259, &[9999])).unwrap_err();
    assert!(unknown.to_string().contains("compression 9999"), "{unknown}");
    let mut mixed = plain(tags(2, 1, &[8, 8, 8], 2));
    mixed = mixed.with(258, &[5, 6, 5]);
    assert!(matches!(try_process(&mixed), Err(Error::Unsupported { .. })));
    for (bits, format) in [(40, 1), (65, 1), (8, 3), (48, 3)] {
        let odd = plain(tags(1, 1, &[bits], 1)).with(339, &[format]);
        assert!(
            matches!(try_process(&odd), Err(Error::Unsupported { .. })),
            "{bits} bits of format {format}"
        );
    }
    let metadata = Limits { metadata_bytes: 3, ..Limits::default() };
    let mut described = plain(tags(2, 2, &[8], 1));
    described.tags.push((700, 1, vec![0; 9]));
    let error =
        process(&described.bytes(), &plan_for(Format::Png), &metadata, &mut Scratch::default()).unwrap_err();
    assert!(error.to_string().contains("metadata"), "{error}");
}

#[test]
fn tiff_with_one_truncated_strip_is_decoded_with_a_warning_and_all_other_strips_are_complete() {
    let image = small();
    let strips: Vec<Vec<u8>> = image.data().chunks(40 * 3 * 10).map(deflate).collect();
    let mut cut = Tiff::new(rgb_tags(), strips).with(278, &[10]).with(259, &[8]);
    cut.chunks[1].truncate(20);
    let done = run(&cut.bytes(), &plan_for(Format::Png));
    assert!(done.warnings[0].contains("missing"), "{:?}", done.warnings);
    let result = decoded_pixels(&cut.bytes()).2;
    assert_eq!(result[..400], rgba(&image)[..400]);
    assert_eq!(result[800..], rgba(&image)[800..]);
}

#[test]
fn deflate_bomb_in_a_tiff_is_decompressed_only_up_to_the_size_of_the_image() {
    let bomb = deflate(&vec![0; 60 << 20]);
    let file = Tiff::new(tags(4, 4, &[8], 1), vec![bomb]).with(259, &[8]);
    let mut scratch = Scratch::default();
    process(&file.bytes(), &plan_for(Format::Png), &Limits::default(), &mut scratch).unwrap();
    assert!(scratch.spare_bytes() < 1 << 20, "only the image may be allocated");
}

#[test]
fn decoding_a_truncated_or_altered_tiff_never_panics() {
    let image = small();
    let palette = (0..768).map(|i| i * 80).collect();
    let mut indexed = Tiff::new(tags(40, 30, &[8], 3), vec![image.data()[..1200].to_vec()]);
    indexed.tags.push((320, 3, palette));
    let group4 = Tiff::new(tags(40, 30, &[1], 0), vec![vec![0x35; 90]]).with(259, &[4]);
    let group3 = Tiff::new(tags(40, 30, &[1], 0), vec![vec![0x4d; 90]]).with(259, &[3]).with(292, &[1]);
    let subsampled =
        Tiff::new(tags(40, 30, &[8; 3], 6), vec![image.data()[..1800].to_vec()]).with(530, &[2, 2]);
    let jpeg = Tiff::new(tags(40, 30, &[8; 3], 6), vec![encoded(&image, Format::Jpeg)]).with(259, &[7]);
    let old = Tiff::new(tags(40, 30, &[8; 3], 6), vec![encoded(&image, Format::Jpeg)])
        .with(259, &[6])
        .with(513, &[8]);
    let floats = Tiff::new(tags(10, 30, &[32], 1), vec![image.data()[..1200].to_vec()]).with(339, &[3]);
    let tiled = Tiff::new(rgb_tags(), tiles(&image, 16, 16)).in_tiles(16, 16).with(317, &[2]);
    let planes = Tiff::new(tags(40, 30, &[16; 4], 5), vec![image.data()[..2400].to_vec(); 4]).with(284, &[2]);
    let mut scratch = Scratch::default();
    let mut state = 99u32;
    let mut random = || {
        // The linear congruential random generator of the book "Numerical Recipes", which gives the same
        // sequence on every machine.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize
    };
    for file in [indexed, group4, group3, subsampled, jpeg, old, floats, tiled, planes] {
        let original = file.bytes();
        for n in (0..original.len()).step_by(7) {
            let _result = process(&original[..n], &plan_for(Format::Png), &Limits::default(), &mut scratch);
        }
        let directory = u32::from_le_bytes(*original[4..].first_chunk().unwrap()) as usize;
        for round in 0..600 {
            let mut input = original.clone();
            for _ in 0..=random() % 3 {
                // Every second round alters only bytes at or after the start of the directory, because these
                // bytes have more effect on decoding.
                let from = if round % 2 == 0 { directory } else { 0 };
                let at = from + random() % (input.len() - from);
                input[at] = random() as u8;
            }
            let _result = process(&input, &plan_for(Format::Png), &Limits::default(), &mut scratch);
        }
    }
}
