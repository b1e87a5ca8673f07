//! BMP and ICO: files made by hand, one for every feature, and what becomes of them.

use pixaven_imaging::{Channels, Colorspace, Error, Format, Image, Limits, Scratch, process, sniff};

use crate::pictures::{close, fading, file, photo, pixels, png_of, rgba, run, to};

/// A bitmap without a file header: a header of 40 bytes, whatever stands behind it, the pixels.
fn dib(width: i32, height: i32, bits: u16, coding: u32, behind: &[u8], data: &[u8]) -> Vec<u8> {
    let mut bytes = 40u32.to_le_bytes().to_vec();
    bytes.extend([width, height].map(i32::to_le_bytes).as_flattened());
    bytes.extend([1, bits].map(u16::to_le_bytes).as_flattened());
    bytes.extend([coding, data.len() as u32, 0, 0, 0, 0].map(u32::to_le_bytes).as_flattened());
    [&bytes, behind, data].concat()
}

/// The file around a bitmap whose pixels begin behind `headers` bytes of it.
fn bmp(dib: &[u8], headers: usize) -> Vec<u8> {
    let mut bytes = b"BM".to_vec();
    bytes.extend([14 + dib.len() as u32, 0, 14 + headers as u32].map(u32::to_le_bytes).as_flattened());
    [&bytes, dib].concat()
}

/// A whole file.
fn simple(width: i32, height: i32, bits: u16, coding: u32, behind: &[u8], data: &[u8]) -> Vec<u8> {
    bmp(&dib(width, height, bits, coding, behind, data), 40 + behind.len())
}

fn shows(input: &[u8], expected: &[[u8; 3]], what: &str) {
    assert_eq!(run(input, &to(Format::Png)).warnings, Vec::<String>::new(), "{what}");
    let expected: Vec<[u8; 4]> = expected.iter().map(|&[r, g, b]| [r, g, b, 255]).collect();
    let (_, _, result) = pixels(input);
    assert!(close(&result, &expected, 1), "{what}: {result:?}");
}

const RED: [u8; 3] = [255, 0, 0];
const BLUE: [u8; 3] = [0, 0, 255];
const BLACK: [u8; 3] = [0; 3];

/// Red and blue.
const TABLE: [u8; 8] = [0, 0, 255, 0, 255, 0, 0, 0];

/// A table of `n` colours that begins with those two.
fn table(n: usize) -> Vec<u8> {
    let mut table = TABLE.to_vec();
    table.resize(4 * n, 0);
    table
}

#[test]
fn pixels_of_every_width_are_read() {
    let two = [RED, BLUE, BLUE, RED];
    // Bottom up: the lower row comes first.
    let cases: [(u16, Vec<u8>, Vec<u8>); 6] = [
        (1, table(2), vec![0x80, 0, 0, 0, 0x40, 0, 0, 0]),
        (2, table(4), vec![0x40, 0, 0, 0, 0x10, 0, 0, 0]),
        (4, table(16), vec![0x10, 0, 0, 0, 0x01, 0, 0, 0]),
        (8, table(256), vec![1, 0, 0, 0, 0, 1, 0, 0]),
        (16, vec![], vec![0x1f, 0, 0, 0x7c, 0, 0x7c, 0x1f, 0]),
        (24, vec![], vec![255, 0, 0, 0, 0, 255, 0, 0, 0, 0, 255, 255, 0, 0, 0, 0]),
    ];
    for (bits, table, data) in cases {
        shows(&simple(2, 2, bits, 0, &table, &data), &two, &format!("{bits} bits"));
        let [lower, upper] = [&data[..data.len() / 2], &data[data.len() / 2..]];
        let turned = [upper, lower].concat();
        shows(&simple(2, -2, bits, 0, &table, &turned), &two, &format!("{bits} bits, top down"));
        let facts = run(&simple(2, 2, bits, 0, &table, &data), &to(Format::Png)).input;
        let colorspace = if bits <= 8 { Colorspace::Palette } else { Colorspace::Rgb };
        assert_eq!((facts.colorspace, u16::from(facts.depth), facts.alpha), (colorspace, bits, false));
    }
    let words = [[0, 0, 255, 9], [255, 0, 0, 9]].concat();
    shows(&simple(2, 1, 32, 0, &[], &words), &[RED, BLUE], "32 bits, whose last byte means nothing");
}

#[test]
fn masks_say_where_the_colours_are() {
    let masks = |masks: [u32; 3]| masks.map(u32::to_le_bytes).as_flattened().to_vec();
    let words = [0x07e0u16, 0xf800].map(u16::to_le_bytes).as_flattened().to_vec();
    let file = simple(2, 1, 16, 3, &masks([0xf800, 0x07e0, 0x001f]), &words);
    shows(&file, &[[0, 255, 0], RED], "five, six and five bits");
    let words = [0x3ffu32 << 20, 0x3ff].map(u32::to_le_bytes).as_flattened().to_vec();
    let file = simple(2, 1, 32, 3, &masks([0x3ff << 20, 0x3ff << 10, 0x3ff]), &words);
    shows(&file, &[RED, BLUE], "ten bits each");
}

#[test]
fn alpha_counts_where_a_mask_says_so_and_something_is_visible() {
    let masks = [0x00ff_0000u32, 0xff00, 0xff, 0xff00_0000].map(u32::to_le_bytes).as_flattened().to_vec();
    let with = |alphas: [u8; 2]| {
        simple(2, 1, 32, 6, &masks, &[[0, 0, 255, alphas[0]], [255, 0, 0, alphas[1]]].concat())
    };
    assert_eq!(pixels(&with([10, 200])).2, [[255, 0, 0, 10], [0, 0, 255, 200]]);
    assert_eq!(pixels(&with([0, 0])).2, [[255, 0, 0, 255], [0, 0, 255, 255]]);
    assert!(run(&with([10, 200]), &to(Format::Png)).input.alpha);
}

#[test]
fn runs_and_their_escapes_are_followed() {
    // Lower row: red, then two blue ones written out... as bytes 3, 0: three pixels of one value and a literal.
    let data = [2, 1, 0, 3, 0, 1, 0, 0, 0, 0, 0, 2, 1, 0, 4, 1, 0, 1];
    let file = simple(5, 2, 8, 1, &table(256), &data);
    shows(&file, &[RED, BLUE, BLUE, BLUE, BLUE, BLUE, BLUE, RED, BLUE, RED], "bytes");
    let data = [3, 0x01, 0, 0, 0, 4, 0x10, 0x10, 0, 1];
    let file = simple(4, 2, 4, 2, &table(16), &data);
    shows(&file, &[BLUE, RED, BLUE, RED, RED, BLUE, RED, RED], "nibbles");
    // 24 bits exist in OS/2 only, whose headers may end after any field.
    let mut os2 = dib(2, 1, 24, 4, &[], &[2, 0, 0, 255, 0, 1]);
    os2[0] = 64;
    os2.splice(40..40, [0; 24]);
    shows(&bmp(&os2, 64), &[RED, RED], "three bytes");
}

#[test]
fn the_oldest_header_has_sixteen_bits_for_a_side_and_three_bytes_for_a_colour() {
    let mut dib = 12u32.to_le_bytes().to_vec();
    dib.extend([2u16, 1, 1, 1].map(u16::to_le_bytes).as_flattened());
    dib.extend([0, 0, 255, 255, 0, 0, 0x40, 0, 0, 0]);
    shows(&bmp(&dib, 18), &[RED, BLUE], "OS/2 1");
}

#[test]
fn a_place_inside_the_headers_is_no_place() {
    let mut file = simple(2, 1, 1, 0, &TABLE, &[0x40, 0, 0, 0]);
    file[10..14].fill(0);
    shows(&file, &[RED, BLUE], "place zero");
}

#[test]
fn files_in_bitmaps_are_opened() {
    let image = photo(20, 10);
    for (coding, inner) in [(4, file(&image, Format::Jpeg)), (5, png_of(&image))] {
        let done = run(&simple(20, 10, 0, coding, &[], &inner), &to(Format::Png));
        assert_eq!((done.input.format, done.input.width, done.input.height), (Format::Bmp, 20, 10));
    }
}

#[test]
fn what_is_cut_off_is_told_and_what_is_nonsense_refused() {
    let image = photo(30, 20);
    let whole = file(&image, Format::Bmp);
    let done = run(&whole[..whole.len() - 500], &to(Format::Png));
    assert!(done.warnings[0].contains("ends early"), "{:?}", done.warnings);
    let attempt =
        |input: &[u8]| process(input, &to(Format::Png), &Limits::default(), &mut Scratch::default());
    for (input, name) in [
        (whole[..54].to_vec(), "no pixels"),
        (simple(0, 5, 24, 0, &[], &[0; 99]), "0x5"),
        (simple(5, 5, 8, 0, &[], &[]), "colour table"),
        (simple(5, 5, 3, 0, &TABLE, &[0; 99]), "3 bits"),
        (simple(5, 5, 24, 99, &[], &[0; 99]), "coding 99"),
        (simple(50_000, 1, 24, 0, &[], &[0; 99]), "side"),
    ] {
        let error = attempt(&input).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}

/// An icon or a cursor of these pictures.
fn icon(kind: u8, pictures: &[(u8, u8, Vec<u8>)]) -> Vec<u8> {
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
fn the_largest_picture_of_an_icon_is_taken() {
    let sizes = [(16, 16), (48, 48), (32, 32)];
    let pictures = sizes.map(|(w, h)| (w, h, png_of(&photo(w.into(), h.into()))));
    let done = run(&icon(1, &pictures), &to(Format::Png));
    assert_eq!((done.input.format, done.input.width), (Format::Ico, 48));
    // A larger one that is broken does not hide it.
    let broken = [pictures[0].clone(), (0, 0, b"\x89PNG nonsense".to_vec())];
    assert_eq!(run(&icon(1, &broken), &to(Format::Png)).input.width, 16);
    assert_eq!(run(&icon(2, &pictures), &to(Format::Png)).input.width, 48, "a cursor");
    assert_eq!(sniff(&icon(1, &[])), None, "no picture, no icon");
}

#[test]
fn the_mask_of_an_icon_hides_pixels() {
    // Two pixels of 24 bits, the lower half of the height is the mask: the second is hidden.
    let data = [&[0, 0, 255, 255, 0, 0, 0, 0][..], &[0x40, 0, 0, 0]].concat();
    let file = icon(1, &[(2, 1, dib(2, 2, 24, 0, &[], &data))]);
    assert_eq!(pixels(&file).2, [[255, 0, 0, 255], [0; 4]]);
    // An alpha of its own goes before the mask.
    let data = [&[0, 0, 255, 99, 255, 0, 0, 255][..], &[0x40, 0, 0, 0]].concat();
    let file = icon(1, &[(2, 1, dib(2, 2, 32, 0, &[], &data))]);
    assert_eq!(pixels(&file).2, [[255, 0, 0, 99], [0, 0, 255, 255]]);
    // One that is empty all over is none.
    let data = [&[0, 0, 255, 0, 255, 0, 0, 0][..], &[0x40, 0, 0, 0]].concat();
    let file = icon(1, &[(2, 1, dib(2, 2, 32, 0, &[], &data))]);
    assert_eq!(pixels(&file).2, [[255, 0, 0, 255], [0; 4]]);
    // Without the mask everything is visible.
    let file = icon(1, &[(2, 1, dib(2, 2, 1, 0, &TABLE, &[0x40, 0, 0, 0]))]);
    assert_eq!(pixels(&file).2, [[255, 0, 0, 255], [0, 0, 255, 255]]);
}

#[test]
fn bitmaps_and_icons_keep_every_pixel() {
    let gray = Image::new(50, 9, Channels::Gray, (0..450).map(|i| (i * 7 % 256) as u8).collect());
    for image in [photo(61, 47), fading(61, 47), gray] {
        for format in [Format::Bmp, Format::Ico] {
            let (_, _, result) = pixels(&file(&image, format));
            for (a, b) in result.iter().zip(rgba(&image)) {
                assert!(*a == b || (a[3] == 0 && b[3] == 0), "{format:?}: {a:?} is not {b:?}");
            }
        }
    }
}

#[test]
fn an_icon_has_at_most_256_pixels_on_a_side() {
    assert_eq!(run(&png_of(&photo(256, 3)), &to(Format::Ico)).output.width, 256);
    let input = png_of(&photo(257, 3));
    let error = process(&input, &to(Format::Ico), &Limits::default(), &mut Scratch::default()).unwrap_err();
    assert!(matches!(error, Error::Plan(_)), "the caller's fault");
    let text = error.to_string();
    assert!(text.starts_with("output.format") && text.contains("256") && text.contains("257x3"), "{text}");
}

#[test]
fn every_beginning_and_alteration_of_a_bitmap_is_answered() {
    let runs = simple(5, 2, 8, 1, &table(256), &[2, 1, 0, 3, 0, 1, 0, 0, 0, 0, 0, 2, 1, 0, 4, 1, 0, 1]);
    let nibbles = simple(9, 7, 4, 2, &table(16), &[3, 1, 0, 0, 0, 4, 16, 16, 0, 2, 1, 1, 9, 33, 0, 1]);
    let masked = icon(1, &[(2, 1, dib(9, 18, 4, 0, &table(16), &[0x37; 150]))]);
    let wide = file(&fading(9, 5), Format::Bmp);
    let mut state = 7u32;
    let mut random = || {
        // Numerical Recipes' generator: the same sequence on every machine.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize
    };
    let mut scratch = Scratch::default();
    for original in [runs, nibbles, masked, wide] {
        for n in 0..original.len() {
            let _answer = process(&original[..n], &to(Format::Png), &Limits::default(), &mut scratch);
        }
        for _ in 0..1500 {
            let mut input = original.clone();
            for _ in 0..=random() % 3 {
                let at = random() % input.len().min(80);
                input[at] = random() as u8;
            }
            let _answer = process(&input, &to(Format::Png), &Limits::default(), &mut scratch);
        }
    }
}

#[test]
fn black_fills_what_runs_leave_out() {
    let mut colors = table(256);
    colors[..3].fill(0);
    let file = simple(3, 2, 8, 1, &colors, &[0, 2, 2, 1, 1, 1, 0, 1]);
    shows(&file, &[BLACK, BLACK, BLUE, BLACK, BLACK, BLACK], "skipped");
}
