//! PSD: documents made by hand, in every mode, depth and coding.

use std::io::Write as _;

use pixaven_imaging::plan::Output;
use pixaven_imaging::{Colorspace, Error, Format, Limits, Plan, Scratch, process};

use crate::corpus::Corpus;
use crate::pictures::{close, decode_png, pixels, run, to};

/// A document to be.
struct Psd {
    large: bool,
    n_channels: u16,
    width: u32,
    height: u32,
    depth: u16,
    mode: u16,
    table: Vec<u8>,
    /// Numbers and data of the resources.
    resources: Vec<(u16, Vec<u8>)>,
    /// The number of layers; negative: the first channel behind the colours is transparency.
    n_layers: i16,
    coding: u16,
    data: Vec<u8>,
}

/// A document of two pixels of eight bits, uncompressed.
fn two(n_channels: u16, mode: u16, data: &[u8]) -> Psd {
    Psd {
        large: false,
        n_channels,
        width: 2,
        height: 1,
        depth: 8,
        mode,
        table: vec![],
        resources: vec![],
        n_layers: 0,
        coding: 0,
        data: data.to_vec(),
    }
}

impl Psd {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = b"8BPS\0".to_vec();
        bytes.push(if self.large { 2 } else { 1 });
        bytes.extend([0; 6]);
        bytes.extend(self.n_channels.to_be_bytes());
        bytes.extend([self.height, self.width].map(u32::to_be_bytes).as_flattened());
        bytes.extend([self.depth, self.mode].map(u16::to_be_bytes).as_flattened());
        bytes.extend((self.table.len() as u32).to_be_bytes());
        bytes.extend(&self.table);
        let mut resources = Vec::new();
        for (number, data) in &self.resources {
            resources.extend(b"8BIM");
            resources.extend(number.to_be_bytes());
            resources.extend([0, 0]);
            resources.extend((data.len() as u32).to_be_bytes());
            resources.extend(data);
            resources.resize(resources.len().next_multiple_of(2), 0);
        }
        bytes.extend((resources.len() as u32).to_be_bytes());
        bytes.extend(resources);
        let layers = self.n_layers.to_be_bytes();
        if self.large {
            bytes.extend([10u64, 2].map(u64::to_be_bytes).as_flattened());
        } else {
            bytes.extend([6u32, 2].map(u32::to_be_bytes).as_flattened());
        }
        bytes.extend(layers);
        bytes.extend(self.coding.to_be_bytes());
        bytes.extend(&self.data);
        bytes
    }

    fn shows(&self, expected: &[[u8; 4]], what: &str) {
        let done = run(&self.bytes(), &to(Format::Png));
        assert_eq!(done.warnings, Vec::<String>::new(), "{what}");
        assert_eq!(done.input.format, Format::Psd);
        let result = decode_png(&done.bytes).2;
        assert!(close(&result, expected, 2), "{what}: {result:?}");
    }
}

const RED_BLUE: [[u8; 4]; 2] = [[255, 0, 0, 255], [0, 0, 255, 255]];

#[test]
fn every_mode_has_its_colours() {
    let gray = [[10, 10, 10, 255], [200, 200, 200, 255]];
    two(1, 1, &[10, 200]).shows(&gray, "gray");
    two(1, 8, &[10, 200]).shows(&gray, "duotone");
    two(3, 3, &[255, 0, 0, 0, 0, 255]).shows(&RED_BLUE, "red, green, blue");
    // Inks are stored inverted: yellow and magenta make red, cyan and magenta blue.
    two(4, 4, &[255, 0, 0, 0, 0, 255, 255, 255]).shows(&RED_BLUE, "inks");
    two(3, 7, &[255, 0, 0, 0, 0, 255]).shows(&RED_BLUE, "channels of inks");
    // sRGB red and white in L*a*b*.
    two(3, 9, &[138, 255, 209, 128, 198, 128]).shows(&[[255, 0, 0, 255], [255; 4]], "L*a*b*");
    let mut indexed = two(1, 2, &[0, 1]);
    indexed.table = vec![0; 768];
    (indexed.table[0], indexed.table[513]) = (255, 255);
    indexed.shows(&RED_BLUE, "indices");
    indexed.resources.push((1047, vec![0, 1]));
    indexed.shows(&[RED_BLUE[0], [0; 4]], "a transparent index");
    let bitmap = Psd { depth: 1, ..two(1, 0, &[0x40]) };
    bitmap.shows(&[[255; 4], [0, 0, 0, 255]], "black and white");
    let facts = |psd: &Psd| run(&psd.bytes(), &to(Format::Png)).input;
    assert_eq!(facts(&two(4, 4, &[0; 8])).colorspace, Colorspace::Cmyk);
    assert_eq!((facts(&bitmap).colorspace, facts(&bitmap).depth), (Colorspace::Gray, 1));
}

#[test]
fn every_depth_becomes_bytes() {
    let wide = [65_535u16, 0, 0, 0, 0, 65_535].map(u16::to_be_bytes).as_flattened().to_vec();
    Psd { depth: 16, ..two(3, 3, &wide) }.shows(&RED_BLUE, "16 bits");
    // Linear light: half of it looks like 188.
    let floats = [0.5f32, 1.0].map(f32::to_be_bytes).as_flattened().to_vec();
    Psd { depth: 32, ..two(1, 1, &floats) }.shows(&[[188, 188, 188, 255], [255; 4]], "32 bits");
}

#[test]
fn every_coding_is_undone() {
    let deflate = |data: &[u8]| {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(6));
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    };
    // A row of literals, a run, and a row of literals again.
    let rows = [1, 255, 0, 255, 0, 1, 0, 255];
    let short = [[0u8, 3, 0, 2, 0, 3].as_slice(), &rows].concat();
    let long = [[0u8, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 3].as_slice(), &rows].concat();
    Psd { coding: 1, ..two(3, 3, &short) }.shows(&RED_BLUE, "runs");
    Psd { coding: 1, large: true, ..two(3, 3, &long) }.shows(&RED_BLUE, "runs of a large document");
    Psd { coding: 2, ..two(3, 3, &deflate(&[255, 0, 0, 0, 0, 255])) }.shows(&RED_BLUE, "deflated");
    Psd { coding: 3, ..two(3, 3, &deflate(&[255, 1, 0, 0, 0, 255])) }
        .shows(&RED_BLUE, "deflated differences");
    let wide = [65_535u16, 1, 0, 0, 0, 65_535].map(u16::to_be_bytes).as_flattened().to_vec();
    Psd { coding: 3, depth: 16, ..two(3, 3, &deflate(&wide)) }.shows(&RED_BLUE, "differences of 16 bits");
}

#[test]
fn transparency_is_that_of_the_merged_picture_without_its_white() {
    // Red at half strength over white, and nothing.
    let data = [255, 255, 127, 255, 127, 255, 128, 0];
    let mut psd = Psd { n_layers: -1, ..two(4, 3, &data) };
    let result = pixels(&psd.bytes()).2;
    assert!(close(&result[..1], &[[255, 0, 0, 128]], 2) && result[1][3] == 0, "{result:?}");
    psd.n_layers = 1;
    let result = pixels(&psd.bytes()).2;
    assert_eq!(
        result,
        [[255, 127, 127, 255], [255; 4]],
        "a channel that was saved for later is not transparency"
    );
}

#[test]
fn a_document_becomes_a_jpeg_on_white() {
    let clear = Psd { n_layers: -1, width: 8, height: 8, ..two(4, 3, &[0; 256]) };
    let done = run(&clear.bytes(), &Plan { output: Output::default(), ..Plan::default() });
    assert_eq!(done.output.format, Format::Jpeg);
    assert!(close(&pixels(&done.bytes).2, &[[255; 4]; 64], 1));
}

#[test]
fn what_is_wrong_is_said() {
    let attempt =
        |psd: &Psd| process(&psd.bytes(), &to(Format::Png), &Limits::default(), &mut Scratch::default());
    let refused = |psd: Psd, name: &str| {
        let error = attempt(&psd).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    };
    refused(Psd { mode: 77, ..two(3, 3, &[0; 6]) }, "colour mode 77");
    refused(Psd { depth: 5, ..two(3, 3, &[0; 6]) }, "5 bits");
    refused(Psd { coding: 9, ..two(3, 3, &[0; 6]) }, "coding 9");
    refused(Psd { width: 0, ..two(3, 3, &[0; 6]) }, "0x1");
    refused(Psd { width: 40_000, ..two(3, 3, &[0; 6]) }, "side");
    refused(two(2, 3, &[0; 6]), "2 channels");
    refused(two(1, 2, &[0; 2]), "colour table");
    refused(two(3, 3, &[]), "missing");
    let blank = Psd { resources: vec![(1057, vec![0, 0, 0, 1, 0])], ..two(3, 3, &[255; 6]) };
    assert!(attempt(&blank).unwrap().warnings[0].contains("merged"));
    let cut = attempt(&two(3, 3, &[255; 4])).unwrap();
    assert!(cut.warnings[0].contains("ends early"));
    let large = Psd { resources: vec![(1060, vec![0; 99])], ..two(3, 3, &[0; 6]) };
    let limits = Limits { metadata_bytes: 98, ..Limits::default() };
    let error = process(&large.bytes(), &to(Format::Png), &limits, &mut Scratch::default()).unwrap_err();
    assert!(matches!(error, Error::Limit { .. }), "{error}");
}

#[test]
fn every_beginning_and_alteration_is_answered() {
    let rows = [0u8, 3, 0, 2, 0, 3, 1, 255, 0, 255, 0, 1, 0, 255];
    let original = Psd { coding: 1, resources: vec![(1060, vec![7; 9])], ..two(3, 3, &rows) }.bytes();
    let mut scratch = Scratch::default();
    for n in 0..original.len() {
        let _answer = process(&original[..n], &to(Format::Png), &Limits::default(), &mut scratch);
    }
    for at in 0..original.len() {
        for value in [0, 1, 2, 3, 9, 127, 128, 255] {
            let mut input = original.clone();
            input[at] = value;
            let _answer = process(&input, &to(Format::Png), &Limits::default(), &mut scratch);
        }
    }
}

#[test]
fn the_documents_of_the_corpus_are_read() {
    let Some(corpus) = Corpus::open() else { return };
    for entry in corpus.entries.iter().filter(|entry| entry.format == "psd") {
        let done = run(&corpus.read(entry), &to(Format::Png));
        assert_eq!(done.warnings, Vec::<String>::new(), "{}", entry.file);
    }
}
