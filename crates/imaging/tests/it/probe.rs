//! Tests of the probe, which reads the size of an image from its first bytes.

use pixaven_imaging::Format;
use pixaven_imaging::probe::{Probe, probe};
use proptest::prelude::*;

use crate::animation::{apng, moving_square};
use crate::corpus::Corpus;
use crate::helpers::{encoded, lossless_plan, photo, png_of, run};

#[test]
fn image_probe_reads_the_width_and_height_from_a_file_in_every_output_image_format() {
    // HEIC stores even sizes, and a second property crops the picture. The probe reads the stored size.
    let image = photo(76, 42);
    for format in Format::written().filter(|format| !matches!(format, Format::Mp4 | Format::Webm)) {
        let probed = probe(&encoded(&image, format)).map(|probe| (probe.format, probe.width, probe.height));
        assert_eq!(probed, Some((format, 76, 42)));
    }
}

#[test]
fn image_probe_counts_the_frames_of_an_apng_gif_or_webp_animation() {
    let frames = moving_square(5, [9, 9, 9, 255]);
    for format in [Format::Apng, Format::Gif, Format::Webp] {
        let animation = run(&apng(&frames, 0), &lossless_plan(format));
        let expected = Probe { format, width: 32, height: 24, n_frames: animation.output.frames, n_scans: 1 };
        assert_eq!(probe(&animation.bytes), Some(expected));
    }
}

#[test]
fn image_probe_counts_the_scans_of_a_progressive_jpeg() {
    let jpeg = |progressive| {
        let (mut bytes, image) = (Vec::new(), photo(64, 48));
        let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 80);
        encoder.set_progressive(progressive);
        encoder.encode(image.data(), 64, 48, jpeg_encoder::ColorType::Rgb).unwrap();
        bytes
    };
    assert_eq!(probe(&jpeg(false)).unwrap().n_scans, 1);
    assert!(probe(&jpeg(true)).unwrap().n_scans > 2);
}

#[test]
fn image_probe_finds_the_size_stated_in_the_corpus_manifest_for_nearly_every_file() {
    let Some(corpus) = Corpus::open() else { return };
    let (mut n_files, mut wrong) = (0, Vec::new());
    for entry in corpus.entries.iter().filter(|entry| entry.kind.starts_with("gold/")) {
        // The manifest has the sizes after the EXIF orientation was applied.
        let (Some((width, height)), Some(probed)) = (entry.size, probe(&corpus.read(entry))) else {
            continue;
        };
        n_files += 1;
        let sides = [(probed.width, probed.height), (probed.height, probed.width)];
        if !sides.contains(&(width, height)) {
            wrong.push(format!("{}: {width}x{height}, {probed:?}", entry.file));
        }
    }
    let n_wrong = wrong.len();
    assert!(n_files > 100 && n_wrong * 50 <= n_files, "{n_wrong} of {n_files}: {wrong:#?}");
}

/// The first bytes of every format that the probe knows.
const SIGNATURES: &[&[u8]] = &[
    b"\xff\xd8",
    b"\x89PNG\r\n\x1a\n",
    b"GIF89a",
    b"RIFF\xff\xff\xff\xffWEBP",
    b"RIFF\xff\xff\xff\xffWEBPVP8X",
    b"BM",
    b"\0\0\x01\0\x01\0\x10\x10\0\0\x01\0\x20\0\0\0\x01\0\x16\0\0\0",
    b"II*\0",
    b"MM\0*",
    b"II+\0\x08\0\0\0",
    b"8BPS",
    b"\0\0\0\x0cJXL \r\n\x87\n",
    b"\xff\x0a",
    b"\0\0\0\x0cjP  \r\n\x87\n",
    b"\xff\x4f\xff\x51",
    b"\0\0\0\x10ftypavif",
];

proptest! {
    #[test]
    fn image_probe_of_arbitrary_bytes_after_a_format_signature_does_not_panic(
        signature in prop::sample::select(SIGNATURES),
        bytes in prop::collection::vec(prop_oneof![3 => any::<u8>(), 1 => Just(0xff), 1 => Just(0)], 0..200),
    ) {
        let input = [signature, bytes.as_slice()].concat();
        if let Some(probed) = probe(&input) {
            prop_assert!(probed.n_frames >= 1 && probed.n_scans >= 1);
        }
    }
}

#[test]
fn image_probe_of_a_truncated_image_file_does_not_panic() {
    for format in [Format::Jpeg, Format::Webp, Format::Avif, Format::Jxl, Format::Jp2, Format::Tiff] {
        let file = encoded(&photo(33, 21), format);
        for end in 0..file.len().min(300) {
            probe(&file[..end]);
        }
    }
    assert_eq!(probe(b""), None);
    assert_eq!(probe(b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"), None);
    assert_eq!(probe(&png_of(&photo(3, 2))).map(|probe| (probe.width, probe.height)), Some((3, 2)));
}
