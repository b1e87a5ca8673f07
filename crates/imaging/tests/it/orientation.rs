//! EXIF orientation: every format that can carry it, every value, and what is broken.

use pixaven_imaging::{Format, Image, Plan};

use crate::corpus::Corpus;
use crate::pictures::{
    close, decode_png, lossless, pixels, png_of, png_with, psnr_db, quarters, rgba, run, to,
};

/// A TIFF block with an orientation, in either byte order.
fn exif(value: u8, big_endian: bool) -> Vec<u8> {
    if big_endian {
        [b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", &[value][..], b"\0\0\0\0\0\0"].concat()
    } else {
        [b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0", &[value][..], b"\0\0\0\0\0\0\0"].concat()
    }
}

/// How the upright picture must be stored so that `value` turns it upright again.
pub(crate) fn stored(upright: &Image, value: u8) -> Image {
    let (w, h) = (upright.width(), upright.height());
    let (width, height) = if value >= 5 { (h, w) } else { (w, h) };
    let pixels = upright.data().as_chunks::<3>().0;
    let mut data = Vec::new();
    for y in 0..height {
        for x in 0..width {
            // EXIF 2.3, 4.6.4 A: which side of the picture the 0th row and the 0th column are.
            let (ux, uy) = match value {
                1 => (x, y),
                2 => (w - 1 - x, y),
                3 => (w - 1 - x, h - 1 - y),
                4 => (x, h - 1 - y),
                5 => (y, x),
                6 => (w - 1 - y, x),
                7 => (w - 1 - y, h - 1 - x),
                _ => (y, h - 1 - x),
            };
            data.extend(pixels[(uy * w + ux) as usize]);
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
            let simple = run(&png_of(image), &lossless(Format::Webp)).bytes;
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
fn every_value_turns_the_picture_upright() {
    let upright = quarters(40, 24);
    for format in [Format::Jpeg, Format::Png, Format::Webp] {
        for value in 1..=8 {
            for big_endian in [false, true] {
                let image = stored(&upright, value);
                let input = with_exif(&image, format, &exif(value, big_endian));
                let done = run(&input, &to(Format::Png));
                let what = format!("{format:?} with {value}");
                assert_eq!((done.input.width, done.input.height), (image.width(), image.height()), "{what}");
                assert_eq!((done.output.width, done.output.height), (40, 24), "{what}");
                let db = psnr_db(&decode_png(&done.bytes).2, &rgba(&upright));
                assert!(db > 30.0, "{what}: {db:.1} dB");
            }
        }
    }
}

#[test]
fn odd_sizes_and_gray_are_turned_too() {
    let image = crate::pictures::photo(37, 19);
    for value in 1..=8 {
        let input = with_exif(&stored(&image, value), Format::Png, &exif(value, true));
        assert_eq!(pixels(&input), (37, 19, rgba(&image)), "{value}");
    }
}

#[test]
fn it_is_left_alone_on_demand() {
    let image = quarters(40, 24);
    let input = with_exif(&image, Format::Png, &exif(6, true));
    let plan = Plan { keep_orientation: true, ..to(Format::Png) };
    let done = run(&input, &plan);
    assert_eq!(decode_png(&done.bytes).2, rgba(&image));
}

#[test]
fn a_broken_block_means_upright() {
    let image = quarters(16, 16);
    let good = exif(6, false);
    let mut blocks: Vec<Vec<u8>> = (0..good.len()).map(|n| good[..n].to_vec()).collect();
    blocks.push(exif(0, false));
    blocks.push(exif(9, true));
    blocks.push([b"II*\0", &[0xff; 12][..]].concat());
    blocks.push([b"II*\0\x08\0\0\0\xff\xff", &[0x12; 40][..]].concat());
    // The value itself ends at byte 19; what is cut off behind it does not matter.
    for block in blocks.iter().filter(|block| block.len() < 19 || block.len() > 25) {
        let input = with_exif(&image, Format::Png, block);
        assert_eq!(pixels(&input).2, rgba(&image), "{block:x?}");
    }
}

#[test]
fn the_orientation_pictures_of_the_corpus_are_upright() {
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
        let reference = pixels(&reference);
        for n in 2..=8 {
            let picture = pixels(&find(n).expect("the set has all eight"));
            assert_eq!((picture.0, picture.1), (reference.0, reference.1), "{scene}_{n}");
            let db = psnr_db(&picture.2, &reference.2);
            assert!(db > 30.0, "{scene}_{n} differs: {db:.1} dB");
        }
        assert!(
            !close(&reference.2, &vec![reference.2[0]; reference.2.len()], 8),
            "the picture shows something"
        );
    }
}
