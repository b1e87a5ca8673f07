//! Tests of the EXIF orientation: all eight values in every format that can store the orientation, and broken
//! EXIF blocks.

use pixaven_imaging::{Format, Image, Plan};

use crate::corpus::Corpus;
use crate::helpers::{
    decode_png, decoded_pixels, lossless_plan, nearly_equal, plan_for, png_of, png_with, psnr_db, quarters,
    rgba, run,
};

/// Creates an EXIF block, in the given byte order, whose only entry is the orientation.
fn exif(value: u8, big_endian: bool) -> Vec<u8> {
    if big_endian {
        [b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", &[value][..], b"\0\0\0\0\0\0"].concat()
    } else {
        [b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0", &[value][..], b"\0\0\0\0\0\0\0"].concat()
    }
}

/// Returns the image that a file must store if its orientation is `value` and viewers are to display the
/// image `upright`.
pub(crate) fn stored(upright: &Image, value: u8) -> Image {
    let (w, h) = (upright.width(), upright.height());
    let (width, height) = if value >= 5 { (h, w) } else { (w, h) };
    let pixels = upright.data().as_chunks::<3>().0;
    let mut data = Vec::new();
    for y in 0..height {
        for x in 0..width {
            // EXIF 2.3, section 4.6.4 A, defines each value by two sides of the displayed image: the side at
            // which the stored row 0 is displayed, and the side at which the stored column 0 is displayed.
            let (upright_x, upright_y) = match value {
                1 => (x, y),
                2 => (w - 1 - x, y),
                3 => (w - 1 - x, h - 1 - y),
                4 => (x, h - 1 - y),
                5 => (y, x),
                6 => (w - 1 - y, x),
                7 => (w - 1 - y, h - 1 - x),
                _ => (y, h - 1 - x),
            };
            data.extend(pixels[(upright_y * w + upright_x) as usize]);
        }
    }
    Image::new(width, height, upright.channels(), data)
}

fn with_exif(image: &Image, format: Format, block: &[u8]) -> Vec<u8> {
    match format {
        Format::Png => png_with(image, |info| info.exif_metadata = Some(block.to_vec().into())),
        Format::Jpeg => {
            let mut bytes = Vec::new();
            let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 95);
            encoder.add_exif_metadata(block).unwrap();
            let (width, height) = (image.width() as u16, image.height() as u16);
            encoder.encode(image.data(), width, height, jpeg_encoder::ColorType::Rgb).unwrap();
            bytes
        }
        _ => {
            let simple = run(&png_of(image), &lossless_plan(Format::Webp)).bytes;
            let side = |px: u32| (px - 1).to_le_bytes()[..3].to_vec();
            let header = [&[0b1000, 0, 0, 0][..], &side(image.width()), &side(image.height())].concat();
            let mut padded = block.to_vec();
            padded.resize(block.len().next_multiple_of(2), 0);
            let chunks = [
                &b"VP8X\x0a\0\0\0"[..],
                &header,
                &simple[12..],
                b"EXIF",
                &(block.len() as u32).to_le_bytes(),
                &padded,
            ]
            .concat();
            [b"RIFF", &(chunks.len() as u32 + 4).to_le_bytes()[..], b"WEBP", &chunks].concat()
        }
    }
}

#[test]
fn image_with_any_exif_orientation_value_is_turned_upright() {
    let upright = quarters(40, 24);
    for format in [Format::Jpeg, Format::Png, Format::Webp] {
        for value in 1..=8 {
            for big_endian in [false, true] {
                let image = stored(&upright, value);
                let input = with_exif(&image, format, &exif(value, big_endian));
                let done = run(&input, &plan_for(Format::Png));
                let case = format!("{format:?} with {value}");
                assert_eq!((done.input.width, done.input.height), (image.width(), image.height()), "{case}");
                assert_eq!((done.output.width, done.output.height), (40, 24), "{case}");
                let db = psnr_db(&decode_png(&done.bytes).2, &rgba(&upright));
                assert!(db > 30.0, "{case}: {db:.1} dB");
            }
        }
    }
}

#[test]
fn images_with_odd_width_and_height_are_turned_upright() {
    let image = crate::helpers::photo(37, 19);
    for value in 1..=8 {
        let input = with_exif(&stored(&image, value), Format::Png, &exif(value, true));
        assert_eq!(decoded_pixels(&input), (37, 19, rgba(&image)), "{value}");
    }
}

#[test]
fn image_is_not_turned_if_the_plan_keeps_the_orientation() {
    let image = quarters(40, 24);
    let input = with_exif(&image, Format::Png, &exif(6, true));
    let plan = Plan { keep_orientation: true, ..plan_for(Format::Png) };
    let done = run(&input, &plan);
    assert_eq!(decode_png(&done.bytes).2, rgba(&image));
}

#[test]
fn image_with_a_broken_exif_block_is_not_turned() {
    let image = quarters(16, 16);
    let good = exif(6, false);
    let mut blocks: Vec<Vec<u8>> = (0..good.len()).map(|n| good[..n].to_vec()).collect();
    blocks.push(exif(0, false));
    blocks.push(exif(9, true));
    blocks.push([b"II*\0", &[0xff; 12][..]].concat());
    blocks.push([b"II*\0\x08\0\0\0\xff\xff", &[0x12; 40][..]].concat());
    // Truncated blocks of 19 to 25 bytes are skipped. They contain the whole value, which ends at byte 19, so
    // their orientation is valid.
    for block in blocks.iter().filter(|block| block.len() < 19 || block.len() > 25) {
        let input = with_exif(&image, Format::Png, block);
        assert_eq!(decoded_pixels(&input).2, rgba(&image), "{block:x?}");
    }
}

#[test]
fn corpus_images_of_every_exif_orientation_are_turned_upright() {
    let Some(corpus) = Corpus::open() else { return };
    for scene in ["Landscape", "Portrait"] {
        let find = |n: u32| {
            let name = format!("-{scene}_{n}.jpg");
            corpus.entries.iter().find(|entry| entry.file.ends_with(&name)).map(|entry| corpus.read(entry))
        };
        let Some(reference) = find(1) else {
            eprintln!("SKIPPED: {scene}_1.jpg is not in the corpus");
            continue;
        };
        let reference = decoded_pixels(&reference);
        for n in 2..=8 {
            let picture = decoded_pixels(&find(n).expect("the corpus must have all eight orientations"));
            assert_eq!((picture.0, picture.1), (reference.0, reference.1), "{scene}_{n}");
            let db = psnr_db(&picture.2, &reference.2);
            assert!(db > 30.0, "{scene}_{n} differs: {db:.1} dB");
        }
        assert!(
            !nearly_equal(&reference.2, &vec![reference.2[0]; reference.2.len()], 8),
            "the image must not be a single colour"
        );
    }
}
