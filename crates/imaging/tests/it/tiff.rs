//! Tests of TIFF. The tests build a file for each sample type, layout and colour space, for alpha and for
//! metadata.

mod builder;
mod compression;
mod jpeg;
mod malformed;

use std::io::Write as _;

use pixaven_imaging::plan::{KeptMetadata, Output, TargetFormat};
use pixaven_imaging::{Channels, Colorspace, Format, Image, Plan};

use self::builder::{Tiff, tags};
use crate::helpers::{decoded_pixels, fading_photo, nearly_equal, photo, plan_for, png_of, rgba, run};

fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// Creates a photograph of 40 × 30 pixels.
fn small() -> Image {
    photo(40, 30)
}

fn rgb_tags() -> Vec<(u16, u16, Vec<u64>)> {
    tags(40, 30, &[8, 8, 8], 2)
}

fn assert_shows(input: &Tiff, expected: &Image, case: &str) {
    let bytes = input.bytes();
    let done = run(&bytes, &plan_for(Format::Png));
    assert_eq!(done.warnings, Vec::<String>::new(), "{case}");
    let (width, height, result) = decoded_pixels(&bytes);
    assert_eq!((width, height), (expected.width(), expected.height()), "{case}");
    assert!(nearly_equal(&result, &rgba(expected), 1), "{case}: {:?}", &result[..result.len().min(8)]);
}

/// Packs values of `bits` bits into bytes. Each row begins with a new byte.
fn packed(values: &[u64], width: usize, bits: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in values.chunks(width) {
        let joined: Vec<u8> =
            row.iter().flat_map(|&v| (0..bits).rev().map(move |k| (v >> k & 1) as u8)).collect();
        bytes.extend(
            joined.chunks(8).map(|bits| bits.iter().fold(0, |b, bit| b << 1 | bit) << (8 - bits.len())),
        );
    }
    bytes
}

#[test]
fn tiff_integers_of_every_bit_depth_are_scaled_to_8_bits() {
    for bits in [1usize, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 17, 20, 31] {
        let max = (1u64 << bits) - 1;
        let values: Vec<u64> = (0..39u64).map(|i| i * 0x1234_5677 % (max + 1)).collect();
        let expected: Vec<u8> = values.iter().map(|v| ((v * 255 + max / 2) / max) as u8).collect();
        let gray = Image::new(13, 3, Channels::Gray, expected.clone());
        let inverted = Image::new(13, 3, Channels::Gray, expected.iter().map(|v| 255 - v).collect());
        for big_endian in [false, true] {
            let file = |photometric| Tiff {
                big_endian,
                ..Tiff::new(tags(13, 3, &[bits as u64], photometric), vec![packed(&values, 13, bits)])
            };
            assert_shows(&file(1), &gray, &format!("{bits} bits"));
            assert_shows(&file(0), &inverted, &format!("{bits} bits, white is zero"));
        }
    }
}

#[test]
fn byte_order_and_sign_of_tiff_integers_are_respected() {
    let values: Vec<u8> = (0..=254).step_by(2).collect();
    let gray = Image::new(128, 1, Channels::Gray, values.clone());
    for n_bytes in [2usize, 3, 4, 8] {
        for (big_endian, signed) in [(false, false), (true, false), (false, true), (true, true)] {
            let data = values.iter().flat_map(|&v| {
                let top = if signed { v ^ 0x80 } else { v };
                let mut bytes = vec![v; n_bytes];
                bytes[0] = top;
                if !big_endian {
                    bytes.reverse();
                }
                bytes
            });
            let tags = tags(128, 1, &[n_bytes as u64 * 8], 1);
            let file = Tiff { big_endian, ..Tiff::new(tags, vec![data.collect()]) };
            let file = file.with(339, &[if signed { 2 } else { 1 }]);
            assert_shows(&file, &gray, &format!("{n_bytes} bytes, big endian {big_endian}, signed {signed}"));
        }
    }
    // The most negative number is black, and the most positive number is white.
    for bits in [2usize, 4, 10, 12, 14, 16] {
        let numbers = [1u64 << (bits - 1), 0, (1 << (bits - 1)) - 1];
        let data = if bits == 16 {
            numbers.iter().flat_map(|&v| (v as u16).to_le_bytes()).collect()
        } else {
            packed(&numbers, 3, bits)
        };
        let middle = ((1 << (bits - 1)) as f64 * 255.0 / ((1 << bits) - 1) as f64).round() as u8;
        let expected = Image::new(3, 1, Channels::Gray, vec![0, middle, 255]);
        let file = Tiff::new(tags(3, 1, &[bits as u64], 1), vec![data]).with(339, &[2]);
        assert_shows(&file, &expected, &format!("{bits} signed bits"));
    }
    let signed = Tiff::new(tags(128, 1, &[8], 1), vec![values.iter().map(|v| v ^ 0x80).collect()]);
    assert_shows(&signed.with(339, &[2]), &gray, "a signed byte");
}

#[test]
fn tiff_floats_are_scaled_so_that_the_smallest_is_black_and_the_largest_is_white() {
    let expected = Image::new(4, 1, Channels::Gray, vec![0, 64, 128, 255]);
    let shares = [0.0f32, 64.0 / 255.0, 128.0 / 255.0, 1.0];
    let cases: [(f32, f32); 4] = [(0.0, 1.0), (0.0, 255.0), (-1000.0, 5000.0), (0.0, 65535.0)];
    for (low, high) in cases {
        let values = shares.map(|share| low + share * (high - low));
        let single = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_shows(&Tiff::new(tags(4, 1, &[32], 1), vec![single]).with(339, &[3]), &expected, "32 bits");
        let double = values.iter().flat_map(|&v| f64::from(v).to_be_bytes()).collect();
        let file = Tiff { big_endian: true, ..Tiff::new(tags(4, 1, &[64], 1), vec![double]) };
        assert_shows(&file.with(339, &[3]), &expected, "64 bits");
    }
    // The samples are the values 0, 0.25, 0.5, 1 and NaN as 16-bit floats.
    let half = [0x0000u16, 0x3400, 0x3800, 0x3c00, 0x7e00].iter().flat_map(|v| v.to_le_bytes()).collect();
    let expected = Image::new(5, 1, Channels::Gray, vec![0, 64, 128, 255, 0]);
    assert_shows(&Tiff::new(tags(5, 1, &[16], 1), vec![half]).with(339, &[3]), &expected, "16 bits");
    // The tags SMinSampleValue and SMaxSampleValue set black to 0 and white to 2, so 0.5 becomes 64.
    let data = 0.5f32.to_le_bytes().repeat(2);
    let mut stated = Tiff::new(tags(2, 1, &[32], 1), vec![data]).with(339, &[3]);
    stated.tags.extend([(340, 11, vec![0]), (341, 11, vec![2.0f32.to_bits().into()])]);
    assert_shows(&stated, &Image::new(2, 1, Channels::Gray, vec![64; 2]), "stated limits");
}

/// Cuts the image into tiles of `width` × `height` pixels. If a tile extends beyond the image, the part of
/// the tile outside of the image is filled with 0xee.
fn tiles(image: &Image, width: usize, height: usize) -> Vec<Vec<u8>> {
    let (columns, n) = (image.width() as usize, image.channels().count());
    let rows = image.height() as usize;
    let mut tiles = Vec::new();
    for top in (0..rows).step_by(height) {
        for left in (0..columns).step_by(width) {
            let mut tile = vec![0xee; width * height * n];
            for y in top..(top + height).min(rows) {
                let end = (left + width).min(columns);
                let row = &image.data()[(y * columns + left) * n..(y * columns + end) * n];
                tile[(y - top) * width * n..][..row.len()].copy_from_slice(row);
            }
            tiles.push(tile);
        }
    }
    tiles
}

#[test]
fn tiff_stored_in_strips_tiles_or_separate_planes_is_decoded_to_the_same_image() {
    let image = small();
    let strips: Vec<Vec<u8>> = image.data().chunks(40 * 3 * 7).map(<[u8]>::to_vec).collect();
    let planes: Vec<Vec<u8>> =
        (0..3).map(|c| image.data().iter().skip(c).step_by(3).copied().collect()).collect();
    for (big_endian, big) in [(false, false), (true, false), (false, true), (true, true)] {
        let kind = |file: Tiff| Tiff { big_endian, big, ..file };
        assert_shows(&kind(Tiff::new(rgb_tags(), vec![image.data().to_vec()])), &image, "one strip");
        assert_shows(&kind(Tiff::new(rgb_tags(), strips.clone()).with(278, &[7])), &image, "strips");
        let tiled = Tiff::new(rgb_tags(), tiles(&image, 16, 16)).in_tiles(16, 16);
        assert_shows(&kind(tiled), &image, "tiles");
        assert_shows(&kind(Tiff::new(rgb_tags(), planes.clone()).with(284, &[2])), &image, "planes");
    }
}

#[test]
fn large_tiff_strips_are_decoded_piece_by_piece_to_the_correct_image() {
    let image = photo(700, 1301);
    let whole = Tiff::new(tags(700, 1301, &[8, 8, 8], 2), vec![image.data().to_vec()]);
    assert_shows(&whole, &image, "one strip");
    // The decoder reads a large strip in pieces of 499 rows, so 998 rows are exactly two pieces.
    let strips = image.data().chunks(700 * 3 * 998).map(<[u8]>::to_vec).collect();
    assert_shows(&Tiff::new(tags(700, 1301, &[8, 8, 8], 2), strips).with(278, &[998]), &image, "two strips");
    let strips = image.data().chunks(700 * 3 * 1001).map(<[u8]>::to_vec).collect();
    assert_shows(
        &Tiff::new(tags(700, 1301, &[8, 8, 8], 2), strips).with(278, &[1001]),
        &image,
        "two odd strips",
    );
    let planes = (0..3).map(|c| image.data().iter().skip(c).step_by(3).copied().collect()).collect();
    assert_shows(&Tiff::new(tags(700, 1301, &[8, 8, 8], 2), planes).with(284, &[2]), &image, "planes");
}

#[test]
fn tiff_of_every_photometric_interpretation_is_converted_to_rgb() {
    let one_strip = |tags: Vec<_>, data: &[u8]| Tiff::new(tags, vec![data.to_vec()]);
    let assert_pixels = |file: Tiff, expected: &[[u8; 4]], case: &str| {
        let (_, _, result) = decoded_pixels(&file.bytes());
        assert!(nearly_equal(&result, expected, 2), "{case}: {result:?}");
    };
    let palette: Vec<u64> = [10u64, 0, 200, 0, 20, 0, 100, 0, 30, 0, 50, 0].map(|v| v * 257).to_vec();
    let mut indexed = one_strip(tags(2, 1, &[2], 3), &[0b0010_0000]);
    indexed.tags.push((320, 3, palette));
    assert_eq!(run(&indexed.bytes(), &plan_for(Format::Png)).input.colorspace, Colorspace::Palette);
    assert_pixels(indexed, &[[10, 20, 30, 255], [200, 100, 50, 255]], "indices");
    let cmyk = one_strip(tags(2, 1, &[8; 4], 5), &[255, 0, 0, 0, 0, 0, 0, 255]);
    assert_eq!(run(&cmyk.bytes(), &plan_for(Format::Png)).input.colorspace, Colorspace::Cmyk);
    assert_pixels(cmyk, &[[0, 255, 255, 255], [0, 0, 0, 255]], "inks");
    // In L*a*b* with the white point D50, the red of sRGB has the values 54.3, 80.8 and 69.9.
    let lab_pixel = [138u8, 81, 70];
    assert_pixels(one_strip(tags(1, 1, &[8; 3], 8), &lab_pixel), &[[255, 0, 0, 255]], "L*a*b*");
    assert_pixels(
        one_strip(tags(1, 1, &[8; 3], 9), &[138, 209, 198]),
        &[[255, 0, 0, 255]],
        "L*a*b* as ICC has it",
    );
    // Four luma values share one pair of chroma values. The chroma values are those of red.
    let subsampled = one_strip(tags(2, 2, &[8; 3], 6), &[76, 76, 0, 76, 85, 255]).with(530, &[2, 2]);
    let facts = run(&subsampled.bytes(), &plan_for(Format::Png)).input;
    assert_eq!((facts.colorspace, facts.sampling.as_deref()), (Colorspace::YCbCr, Some("4:2:0")));
    assert_pixels(
        subsampled,
        &[[254, 0, 0, 255], [254, 0, 0, 255], [178, 0, 0, 255], [254, 0, 0, 255]],
        "luma and chroma",
    );
    let planes = Tiff::new(tags(2, 2, &[8; 3], 6), vec![vec![76; 4], vec![85], vec![255]]);
    assert_pixels(
        planes.with(284, &[2]).with(530, &[2, 2]),
        &[[254, 0, 0, 255]; 4],
        "planes of luma and chroma",
    );
}

#[test]
fn extra_samples_tag_of_a_tiff_selects_straight_premultiplied_or_no_alpha() {
    let pixel = [100u8, 50, 0, 128];
    let with = |kind: u64| Tiff::new(tags(1, 1, &[8; 4], 2), vec![pixel.to_vec()]).with(338, &[kind]).bytes();
    assert_eq!(decoded_pixels(&with(2)).2, [[100, 50, 0, 128]]);
    assert_eq!(
        decoded_pixels(&with(1)).2,
        [[199, 100, 0, 128]],
        "premultiplied colours are divided by alpha"
    );
    assert_eq!(
        decoded_pixels(&with(0)).2,
        [[100, 50, 0, 255]],
        "an extra sample of unknown meaning is ignored"
    );
    let without_tag = Tiff::new(tags(1, 1, &[8; 4], 2), vec![pixel.to_vec()]).bytes();
    assert_eq!(decoded_pixels(&without_tag).2, [[100, 50, 0, 128]], "the fourth sample of RGB is alpha");
    assert!(run(&without_tag, &plan_for(Format::Png)).input.alpha);
    let inks = Tiff::new(tags(1, 1, &[8; 4], 5), vec![vec![0, 0, 0, 255]]).bytes();
    assert_eq!(decoded_pixels(&inks).2, [[0, 0, 0, 255]], "the fourth sample of CMYK is black ink");
    let gray = Tiff::new(tags(1, 1, &[8; 2], 1), vec![vec![77, 20]]).with(338, &[2]).bytes();
    assert_eq!(decoded_pixels(&gray).2, [[77, 77, 77, 20]]);
    let facts = run(&gray, &plan_for(Format::Png)).input;
    assert_eq!((facts.colorspace, facts.depth, facts.alpha), (Colorspace::Gray, 16, true));
}

#[test]
fn first_tiff_directory_that_is_not_a_thumbnail_is_decoded() {
    let thumbnail = Tiff::new(tags(2, 1, &[8], 1), vec![vec![9, 9]]).with(254, &[1]).bytes();
    let main = Tiff::new(tags(3, 1, &[8], 1), vec![vec![40, 50, 60]]);
    // The second file is appended to the first, and the first directory links to the directory of the second
    // file. The offsets in this directory must be increased, because they count from the start of the
    // combined file.
    let mut both = thumbnail.clone();
    both.resize(both.len().next_multiple_of(2), 0);
    let shift = both.len() as u32;
    let mut second = main.bytes();
    let directory = u32::from_le_bytes(*second[4..].first_chunk().unwrap());
    let n_entries = usize::from(u16::from_le_bytes(*second[directory as usize..].first_chunk().unwrap()));
    for i in 0..n_entries {
        let entry = directory as usize + 2 + 12 * i;
        if second[entry..entry + 2] == 273u16.to_le_bytes() {
            let place = u32::from_le_bytes(*second[entry + 8..].first_chunk().unwrap()) + shift;
            second[entry + 8..entry + 12].copy_from_slice(&place.to_le_bytes());
        }
    }
    let first = u32::from_le_bytes(*both[4..].first_chunk().unwrap()) as usize;
    let next = first + 2 + 12 * usize::from(u16::from_le_bytes(*both[first..].first_chunk().unwrap()));
    both[next..next + 4].copy_from_slice(&(shift + directory).to_le_bytes());
    both.extend(second);
    let (width, height, result) = decoded_pixels(&both);
    assert_eq!((width, height), (3, 1));
    assert_eq!(result.iter().map(|pixel| pixel[0]).collect::<Vec<u8>>(), [40, 50, 60]);
    assert_eq!(decoded_pixels(&thumbnail).0, 2, "a reduced image is used if there is no other");
    // If the second directory links back to the first directory, the decoder must stop reading directories.
    both[shift as usize + directory as usize + 2 + 12 * n_entries..][..4]
        .copy_from_slice(&(first as u32).to_le_bytes());
    assert_eq!(decoded_pixels(&both).0, 3);
}

#[test]
fn tiff_output_decodes_to_exactly_the_original_pixels() {
    let gray = Image::new(50, 9, Channels::Gray, (0..450).map(|i| (i * 7 % 256) as u8).collect());
    for image in [photo(300, 500), fading_photo(61, 47), gray] {
        let done = run(&png_of(&image), &plan_for(Format::Tiff));
        assert_eq!(decoded_pixels(&done.bytes).2, rgba(&image));
        assert_eq!(done.output.depth, 8 * image.channels().count() as u8);
    }
}

#[test]
fn metadata_of_a_tiff_input_is_copied_to_the_tiff_output() {
    let text = |text: &str| text.bytes().map(u64::from).collect::<Vec<u64>>();
    let mut source = Tiff { big_endian: true, ..Tiff::new(rgb_tags(), vec![small().data().to_vec()]) };
    source.tags.extend([
        (315, 2, text("An Artist\0")),
        (33_432, 2, text("Nobody else\0")),
        (700, 1, text("<x:xmpmeta/>")),
    ]);
    let keep = |metadata| Plan {
        output: Output { format: TargetFormat::Format(Format::Tiff), metadata, ..Output::default() },
        ..Plan::default()
    };
    let contains = |bytes: &[u8], text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    let all = run(&source.bytes(), &keep(KeptMetadata::All));
    for text in [&b"An Artist\0"[..], b"Nobody else\0", b"<x:xmpmeta/>"] {
        assert!(contains(&all.bytes, text), "{:?}", String::from_utf8_lossy(text));
    }
    assert_eq!(decoded_pixels(&all.bytes).2, rgba(&small()));
    let again = run(&all.bytes, &keep(KeptMetadata::All));
    assert_eq!(again.bytes, all.bytes, "a second conversion must not change the file");
    let none = run(&source.bytes(), &keep(KeptMetadata::None));
    assert!(!contains(&none.bytes, b"Artist"));
}
