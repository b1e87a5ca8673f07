//! Tests of BMP and ICO. For each feature of the formats, a test builds a file byte by byte. Other tests
//! process malformed files.

use pixaven_imaging::{Channels, Colorspace, Error, Format, Image, Limits, Scratch, process, sniff};

use crate::helpers::{
    decoded_pixels, encoded, fading_photo, nearly_equal, photo, plan_for, png_of, rgba, run,
};

/// Creates a bitmap without a file header: an info header of 40 bytes, then the bytes `behind` (bit masks or
/// a colour table), then the pixels.
fn dib(width: i32, height: i32, bits: u16, coding: u32, behind: &[u8], data: &[u8]) -> Vec<u8> {
    let mut bytes = 40u32.to_le_bytes().to_vec();
    bytes.extend([width, height].map(i32::to_le_bytes).as_flattened());
    bytes.extend([1, bits].map(u16::to_le_bytes).as_flattened());
    bytes.extend([coding, data.len() as u32, 0, 0, 0, 0].map(u32::to_le_bytes).as_flattened());
    [&bytes, behind, data].concat()
}

/// Creates a BMP file: a file header, then the bitmap `dib`. The first `headers` bytes of the bitmap precede
/// its pixels.
fn bmp(dib: &[u8], headers: usize) -> Vec<u8> {
    let mut bytes = b"BM".to_vec();
    bytes.extend([14 + dib.len() as u32, 0, 14 + headers as u32].map(u32::to_le_bytes).as_flattened());
    [&bytes, dib].concat()
}

/// Creates a complete BMP file with an info header of 40 bytes.
pub(crate) fn bmp_file(
    width: i32,
    height: i32,
    bits: u16,
    coding: u32,
    behind: &[u8],
    data: &[u8],
) -> Vec<u8> {
    bmp(&dib(width, height, bits, coding, behind, data), 40 + behind.len())
}

fn assert_shows(input: &[u8], expected: &[[u8; 3]], case: &str) {
    assert_eq!(run(input, &plan_for(Format::Png)).warnings, Vec::<String>::new(), "{case}");
    let expected: Vec<[u8; 4]> = expected.iter().map(|&[r, g, b]| [r, g, b, 255]).collect();
    let (_, _, result) = decoded_pixels(input);
    assert!(nearly_equal(&result, &expected, 1), "{case}: {result:?}");
}

const RED: [u8; 3] = [255, 0, 0];
const BLUE: [u8; 3] = [0, 0, 255];
const BLACK: [u8; 3] = [0; 3];

/// A colour table of two colours: red and blue. Each colour has four bytes.
const RED_BLUE_TABLE: [u8; 8] = [0, 0, 255, 0, 255, 0, 0, 0];

/// Creates a colour table of `n` colours: the first is red, the second is blue, and all others are black.
fn color_table(n: usize) -> Vec<u8> {
    let mut color_table = RED_BLUE_TABLE.to_vec();
    color_table.resize(4 * n, 0);
    color_table
}

#[test]
fn bmp_of_every_bit_depth_is_decoded_to_the_correct_pixels() {
    let two = [RED, BLUE, BLUE, RED];
    // The rows of a BMP are stored from bottom to top, so the lower row comes first.
    let cases: [(u16, Vec<u8>, Vec<u8>); 6] = [
        (1, color_table(2), vec![0x80, 0, 0, 0, 0x40, 0, 0, 0]),
        (2, color_table(4), vec![0x40, 0, 0, 0, 0x10, 0, 0, 0]),
        (4, color_table(16), vec![0x10, 0, 0, 0, 0x01, 0, 0, 0]),
        (8, color_table(256), vec![1, 0, 0, 0, 0, 1, 0, 0]),
        (16, vec![], vec![0x1f, 0, 0, 0x7c, 0, 0x7c, 0x1f, 0]),
        (24, vec![], vec![255, 0, 0, 0, 0, 255, 0, 0, 0, 0, 255, 255, 0, 0, 0, 0]),
    ];
    for (bits, table, data) in cases {
        assert_shows(&bmp_file(2, 2, bits, 0, &table, &data), &two, &format!("{bits} bits"));
        let [lower, upper] = [&data[..data.len() / 2], &data[data.len() / 2..]];
        let turned = [upper, lower].concat();
        assert_shows(&bmp_file(2, -2, bits, 0, &table, &turned), &two, &format!("{bits} bits, top down"));
        let facts = run(&bmp_file(2, 2, bits, 0, &table, &data), &plan_for(Format::Png)).input;
        let colorspace = if bits <= 8 { Colorspace::Palette } else { Colorspace::Rgb };
        assert_eq!((facts.colorspace, u16::from(facts.depth), facts.alpha), (colorspace, bits, false));
    }
    let words = [[0, 0, 255, 9], [255, 0, 0, 9]].concat();
    assert_shows(&bmp_file(2, 1, 32, 0, &[], &words), &[RED, BLUE], "32 bits with an unused byte");
}

#[test]
fn bmp_bit_masks_select_the_bits_of_each_colour_channel() {
    let masks = |masks: [u32; 3]| masks.map(u32::to_le_bytes).as_flattened().to_vec();
    let words = [0x07e0u16, 0xf800].map(u16::to_le_bytes).as_flattened().to_vec();
    let file = bmp_file(2, 1, 16, 3, &masks([0xf800, 0x07e0, 0x001f]), &words);
    assert_shows(&file, &[[0, 255, 0], RED], "five, six and five bits");
    let words = [0x3ffu32 << 20, 0x3ff].map(u32::to_le_bytes).as_flattened().to_vec();
    let file = bmp_file(2, 1, 32, 3, &masks([0x3ff << 20, 0x3ff << 10, 0x3ff]), &words);
    assert_shows(&file, &[RED, BLUE], "ten bits each");
}

#[test]
fn bmp_is_decoded_as_opaque_if_all_pixels_have_the_alpha_value_0() {
    let masks = [0x00ff_0000u32, 0xff00, 0xff, 0xff00_0000].map(u32::to_le_bytes).as_flattened().to_vec();
    let with = |alphas: [u8; 2]| {
        bmp_file(2, 1, 32, 6, &masks, &[[0, 0, 255, alphas[0]], [255, 0, 0, alphas[1]]].concat())
    };
    assert_eq!(decoded_pixels(&with([10, 200])).2, [[255, 0, 0, 10], [0, 0, 255, 200]]);
    assert_eq!(decoded_pixels(&with([0, 0])).2, [[255, 0, 0, 255], [0, 0, 255, 255]]);
    assert!(run(&with([10, 200]), &plan_for(Format::Png)).input.alpha);
}

#[test]
fn bmp_run_length_encoding_and_its_escape_codes_are_decoded() {
    // The lower row of the BMP is a run of two pixels, then three pixels without compression. The upper row
    // is one skipped pixel, then a run of four pixels.
    let data = [2, 1, 0, 3, 0, 1, 0, 0, 0, 0, 0, 2, 1, 0, 4, 1, 0, 1];
    let file = bmp_file(5, 2, 8, 1, &color_table(256), &data);
    assert_shows(&file, &[RED, BLUE, BLUE, BLUE, BLUE, BLUE, BLUE, RED, BLUE, RED], "bytes");
    let data = [3, 0x01, 0, 0, 0, 4, 0x10, 0x10, 0, 1];
    let file = bmp_file(4, 2, 4, 2, &color_table(16), &data);
    assert_shows(&file, &[BLUE, RED, BLUE, RED, RED, BLUE, RED, RED], "nibbles");
    // Run-length encoding with 24 bits exists only in OS/2 bitmaps. Their header may be truncated after any
    // field.
    let mut os2 = dib(2, 1, 24, 4, &[], &[2, 0, 0, 255, 0, 1]);
    os2[0] = 64;
    os2.splice(40..40, [0; 24]);
    assert_shows(&bmp(&os2, 64), &[RED, RED], "three bytes");
}

#[test]
fn os2_bitmap_with_16_bit_width_and_height_and_3_byte_colours_is_decoded() {
    let mut dib = 12u32.to_le_bytes().to_vec();
    dib.extend([2u16, 1, 1, 1].map(u16::to_le_bytes).as_flattened());
    dib.extend([0, 0, 255, 255, 0, 0, 0x40, 0, 0, 0]);
    assert_shows(&bmp(&dib, 18), &[RED, BLUE], "OS/2 1");
}

#[test]
fn bmp_pixel_offset_that_points_into_the_headers_is_ignored() {
    let mut file = bmp_file(2, 1, 1, 0, &RED_BLUE_TABLE, &[0x40, 0, 0, 0]);
    file[10..14].fill(0);
    assert_shows(&file, &[RED, BLUE], "pixel offset 0");
}

#[test]
fn jpeg_and_png_inside_a_bmp_are_decoded() {
    let image = photo(20, 10);
    for (coding, inner) in [(4, encoded(&image, Format::Jpeg)), (5, png_of(&image))] {
        let done = run(&bmp_file(20, 10, 0, coding, &[], &inner), &plan_for(Format::Png));
        assert_eq!((done.input.format, done.input.width, done.input.height), (Format::Bmp, 20, 10));
    }
}

#[test]
fn decoding_an_invalid_bmp_fails_with_an_error_that_names_the_reason() {
    let whole = encoded(&photo(30, 20), Format::Bmp);
    let try_process =
        |input: &[u8]| process(input, &plan_for(Format::Png), &Limits::default(), &mut Scratch::default());
    for (input, name) in [
        (whole[..54].to_vec(), "no pixels"),
        (bmp_file(0, 5, 24, 0, &[], &[0; 99]), "0x5"),
        (bmp_file(5, 5, 8, 0, &[], &[]), "colour table"),
        (bmp_file(5, 5, 3, 0, &RED_BLUE_TABLE, &[0; 99]), "3 bits"),
        (bmp_file(5, 5, 24, 99, &[], &[0; 99]), "coding 99"),
        (bmp_file(50_000, 1, 24, 0, &[], &[0; 99]), "side"),
    ] {
        let error = try_process(&input).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}

/// Creates an icon (`kind` 1) or a cursor (`kind` 2) from several images. Each image has a width, a height
/// and data.
fn ico_file(kind: u8, pictures: &[(u8, u8, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = vec![0, 0, kind, 0, pictures.len() as u8, 0];
    let mut at = 6 + 16 * pictures.len() as u32;
    for (width, height, data) in pictures {
        bytes.extend([*width, *height, 0, 0, 1, 0, 32, 0]);
        bytes.extend([data.len() as u32, at].map(u32::to_le_bytes).as_flattened());
        at += data.len() as u32;
    }
    pictures.iter().for_each(|(_, _, data)| bytes.extend(data));
    bytes
}

#[test]
fn largest_valid_image_in_an_icon_or_cursor_file_is_decoded() {
    let sizes = [(16, 16), (48, 48), (32, 32)];
    let pictures = sizes.map(|(w, h)| (w, h, png_of(&photo(w.into(), h.into()))));
    let done = run(&ico_file(1, &pictures), &plan_for(Format::Png));
    assert_eq!((done.input.format, done.input.width), (Format::Ico, 48));
    // If the largest image of an icon is broken, the decoder uses a smaller valid image.
    let broken = [pictures[0].clone(), (0, 0, b"\x89PNG nonsense".to_vec())];
    assert_eq!(run(&ico_file(1, &broken), &plan_for(Format::Png)).input.width, 16);
    assert_eq!(run(&ico_file(2, &pictures), &plan_for(Format::Png)).input.width, 48, "a cursor");
    assert_eq!(sniff(&ico_file(1, &[])), None, "an icon without images is not an icon");
}

#[test]
fn mask_of_an_icon_is_used_only_if_no_pixel_has_an_alpha_above_0() {
    // The icon has two pixels of 24 bits. The header declares twice the height of the image, because the mask
    // follows the pixels. The mask makes the second pixel transparent.
    let data = [&[0, 0, 255, 255, 0, 0, 0, 0][..], &[0x40, 0, 0, 0]].concat();
    let file = ico_file(1, &[(2, 1, dib(2, 2, 24, 0, &[], &data))]);
    assert_eq!(decoded_pixels(&file).2, [[255, 0, 0, 255], [0; 4]]);
    // If an alpha value in the icon is not 0, the decoder uses the alpha values and ignores the mask.
    let data = [&[0, 0, 255, 99, 255, 0, 0, 255][..], &[0x40, 0, 0, 0]].concat();
    let file = ico_file(1, &[(2, 1, dib(2, 2, 32, 0, &[], &data))]);
    assert_eq!(decoded_pixels(&file).2, [[255, 0, 0, 99], [0, 0, 255, 255]]);
    // This also applies if all alpha values mean opaque.
    let data = [&[0, 0, 255, 255, 255, 0, 0, 255][..], &[0x40, 0, 0, 0]].concat();
    let file = ico_file(1, &[(2, 1, dib(2, 2, 32, 0, &[], &data))]);
    assert_eq!(decoded_pixels(&file).2, [[255, 0, 0, 255], [0, 0, 255, 255]]);
    // If all alpha values in the icon are 0, the decoder uses the mask.
    let data = [&[0, 0, 255, 0, 255, 0, 0, 0][..], &[0x40, 0, 0, 0]].concat();
    let file = ico_file(1, &[(2, 1, dib(2, 2, 32, 0, &[], &data))]);
    assert_eq!(decoded_pixels(&file).2, [[255, 0, 0, 255], [0; 4]]);
    // If the icon has no mask, all pixels are opaque.
    let file = ico_file(1, &[(2, 1, dib(2, 2, 1, 0, &RED_BLUE_TABLE, &[0x40, 0, 0, 0]))]);
    assert_eq!(decoded_pixels(&file).2, [[255, 0, 0, 255], [0, 0, 255, 255]]);
}

#[test]
fn bmp_and_ico_output_decodes_to_exactly_the_original_visible_pixels() {
    let gray = Image::new(50, 9, Channels::Gray, (0..450).map(|i| (i * 7 % 256) as u8).collect());
    for image in [photo(61, 47), fading_photo(61, 47), gray] {
        for format in [Format::Bmp, Format::Ico] {
            let (_, _, result) = decoded_pixels(&encoded(&image, format));
            for (a, b) in result.iter().zip(rgba(&image)) {
                assert!(*a == b || (a[3] == 0 && b[3] == 0), "{format:?}: {a:?} is not {b:?}");
            }
        }
    }
}

#[test]
fn ico_output_with_a_side_above_256_pixels_is_refused() {
    assert_eq!(run(&png_of(&photo(256, 3)), &plan_for(Format::Ico)).output.width, 256);
    let input = png_of(&photo(257, 3));
    let error =
        process(&input, &plan_for(Format::Ico), &Limits::default(), &mut Scratch::default()).unwrap_err();
    assert!(matches!(error, Error::Plan(_)), "the error must be one of the plan");
    let text = error.to_string();
    assert!(text.starts_with("output.format") && text.contains("256") && text.contains("257x3"), "{text}");
}

#[test]
fn decoding_a_truncated_or_altered_bmp_or_ico_file_never_panics() {
    let runs =
        bmp_file(5, 2, 8, 1, &color_table(256), &[2, 1, 0, 3, 0, 1, 0, 0, 0, 0, 0, 2, 1, 0, 4, 1, 0, 1]);
    let nibbles =
        bmp_file(9, 7, 4, 2, &color_table(16), &[3, 1, 0, 0, 0, 4, 16, 16, 0, 2, 1, 1, 9, 33, 0, 1]);
    let masked = ico_file(1, &[(2, 1, dib(9, 18, 4, 0, &color_table(16), &[0x37; 150]))]);
    let wide = encoded(&fading_photo(9, 5), Format::Bmp);
    let mut state = 7u32;
    let mut random = || {
        // The linear congruential random generator of the book "Numerical Recipes", which gives the same
        // sequence on every machine.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize
    };
    let mut scratch = Scratch::default();
    for original in [runs, nibbles, masked, wide] {
        for n in 0..original.len() {
            let _result = process(&original[..n], &plan_for(Format::Png), &Limits::default(), &mut scratch);
        }
        for _ in 0..1500 {
            let mut input = original.clone();
            for _ in 0..=random() % 3 {
                let at = random() % input.len().min(80);
                input[at] = random() as u8;
            }
            let _result = process(&input, &plan_for(Format::Png), &Limits::default(), &mut scratch);
        }
    }
}

#[test]
fn bmp_pixels_skipped_by_run_length_encoding_have_colour_index_0() {
    let mut colors = color_table(256);
    colors[..3].fill(0);
    let file = bmp_file(3, 2, 8, 1, &colors, &[0, 2, 2, 1, 1, 1, 0, 1]);
    assert_shows(&file, &[BLACK, BLACK, BLUE, BLACK, BLACK, BLACK], "skipped");
}
