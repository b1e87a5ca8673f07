//! Tests of PSD. The tests build documents byte by byte, in every colour mode, depth and compression.

use std::io::Write as _;

use pixaven_imaging::plan::Output;
use pixaven_imaging::{Colorspace, Error, Format, Limits, Plan, Scratch, process};

use crate::corpus::Corpus;
use crate::helpers::{decode_png, decoded_pixels, nearly_equal, plan_for, run};

/// The fields of a PSD document. The method `bytes` writes the document.
struct Psd {
    large: bool,
    n_channels: u16,
    width: u32,
    height: u32,
    depth: u16,
    mode: u16,
    color_table: Vec<u8>,
    /// The number (the identifier in the file) and the data of each image resource.
    resources: Vec<(u16, Vec<u8>)>,
    /// The number of layers in the file. A negative number means that the first channel after the colours is
    /// transparency.
    n_layers: i16,
    compression: u16,
    data: Vec<u8>,
}

/// Creates a PSD document of two pixels with 8 bits per channel, without compression.
fn two_pixels(n_channels: u16, mode: u16, data: &[u8]) -> Psd {
    Psd {
        large: false,
        n_channels,
        width: 2,
        height: 1,
        depth: 8,
        mode,
        color_table: vec![],
        resources: vec![],
        n_layers: 0,
        compression: 0,
        data: data.to_vec(),
    }
}

/// Creates a PSD document in RGB. `channels` contains all red samples, then all green and all blue samples.
pub(crate) fn uncompressed_rgb(width: u32, height: u32, channels: &[u8]) -> Vec<u8> {
    Psd { width, height, ..two_pixels(3, 3, channels) }.bytes()
}

impl Psd {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = b"8BPS\0".to_vec();
        bytes.push(if self.large { 2 } else { 1 });
        bytes.extend([0; 6]);
        bytes.extend(self.n_channels.to_be_bytes());
        bytes.extend([self.height, self.width].map(u32::to_be_bytes).as_flattened());
        bytes.extend([self.depth, self.mode].map(u16::to_be_bytes).as_flattened());
        bytes.extend((self.color_table.len() as u32).to_be_bytes());
        bytes.extend(&self.color_table);
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
        bytes.extend(self.compression.to_be_bytes());
        bytes.extend(&self.data);
        bytes
    }

    fn assert_shows(&self, expected: &[[u8; 4]], case: &str) {
        let done = run(&self.bytes(), &plan_for(Format::Png));
        assert_eq!(done.warnings, Vec::<String>::new(), "{case}");
        assert_eq!(done.input.format, Format::Psd);
        let result = decode_png(&done.bytes).2;
        assert!(nearly_equal(&result, expected, 2), "{case}: {result:?}");
    }
}

const RED_BLUE: [[u8; 4]; 2] = [[255, 0, 0, 255], [0, 0, 255, 255]];

#[test]
fn psd_of_every_colour_mode_is_converted_to_srgb() {
    let gray = [[10, 10, 10, 255], [200, 200, 200, 255]];
    two_pixels(1, 1, &[10, 200]).assert_shows(&gray, "gray");
    two_pixels(1, 8, &[10, 200]).assert_shows(&gray, "duotone");
    two_pixels(3, 3, &[255, 0, 0, 0, 0, 255]).assert_shows(&RED_BLUE, "red, green, blue");
    // CMYK is stored inverted in PSD: 255 means no ink. Yellow ink with magenta ink gives red; cyan ink with
    // magenta ink gives blue.
    two_pixels(4, 4, &[255, 0, 0, 0, 0, 255, 255, 255]).assert_shows(&RED_BLUE, "inks");
    two_pixels(3, 7, &[255, 0, 0, 0, 0, 255]).assert_shows(&RED_BLUE, "channels of inks");
    // The two L*a*b* pixels are red and white in sRGB.
    two_pixels(3, 9, &[138, 255, 209, 128, 198, 128]).assert_shows(&[[255, 0, 0, 255], [255; 4]], "L*a*b*");
    let mut indexed = two_pixels(1, 2, &[0, 1]);
    indexed.color_table = vec![0; 768];
    (indexed.color_table[0], indexed.color_table[513]) = (255, 255);
    indexed.assert_shows(&RED_BLUE, "indices");
    indexed.resources.push((1047, vec![0, 1]));
    indexed.assert_shows(&[RED_BLUE[0], [0; 4]], "a transparent index");
    let bitmap = Psd { depth: 1, ..two_pixels(1, 0, &[0x40]) };
    bitmap.assert_shows(&[[255; 4], [0, 0, 0, 255]], "black and white");
    let facts = |psd: &Psd| run(&psd.bytes(), &plan_for(Format::Png)).input;
    assert_eq!(facts(&two_pixels(4, 4, &[0; 8])).colorspace, Colorspace::Cmyk);
    assert_eq!((facts(&bitmap).colorspace, facts(&bitmap).depth), (Colorspace::Gray, 1));
}

#[test]
fn psd_of_every_bit_depth_is_converted_to_8_bits() {
    let wide = [65_535u16, 0, 0, 0, 0, 65_535].map(u16::to_be_bytes).as_flattened().to_vec();
    Psd { depth: 16, ..two_pixels(3, 3, &wide) }.assert_shows(&RED_BLUE, "16 bits");
    // Floating-point samples are linear light. Half of the maximum light has the value 188 in sRGB.
    let floats = [0.5f32, 1.0].map(f32::to_be_bytes).as_flattened().to_vec();
    Psd { depth: 32, ..two_pixels(1, 1, &floats) }.assert_shows(&[[188, 188, 188, 255], [255; 4]], "32 bits");
}

#[test]
fn psd_with_any_compression_method_is_decoded() {
    let deflate = |data: &[u8]| {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(6));
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    };
    // The document has three rows, one for each channel. The first and the last row are stored as single
    // bytes, the second row is stored as a run.
    let rows = [1, 255, 0, 255, 0, 1, 0, 255];
    let short = [[0u8, 3, 0, 2, 0, 3].as_slice(), &rows].concat();
    let long = [[0u8, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 3].as_slice(), &rows].concat();
    Psd { compression: 1, ..two_pixels(3, 3, &short) }.assert_shows(&RED_BLUE, "runs");
    Psd { compression: 1, large: true, ..two_pixels(3, 3, &long) }
        .assert_shows(&RED_BLUE, "runs of a large document");
    Psd { compression: 2, ..two_pixels(3, 3, &deflate(&[255, 0, 0, 0, 0, 255])) }
        .assert_shows(&RED_BLUE, "deflated");
    Psd { compression: 3, ..two_pixels(3, 3, &deflate(&[255, 1, 0, 0, 0, 255])) }
        .assert_shows(&RED_BLUE, "deflated differences");
    let wide = [65_535u16, 1, 0, 0, 0, 65_535].map(u16::to_be_bytes).as_flattened().to_vec();
    Psd { compression: 3, depth: 16, ..two_pixels(3, 3, &deflate(&wide)) }
        .assert_shows(&RED_BLUE, "differences of 16 bits");
}

#[test]
fn white_background_is_removed_from_the_colours_of_translucent_psd_pixels() {
    // The first pixel is red with 50 % opacity. Its colour in the file is already blended over white. The
    // second pixel is transparent.
    let data = [255, 255, 127, 255, 127, 255, 128, 0];
    let mut psd = Psd { n_layers: -1, ..two_pixels(4, 3, &data) };
    let result = decoded_pixels(&psd.bytes()).2;
    assert!(nearly_equal(&result[..1], &[[255, 0, 0, 128]], 2) && result[1][3] == 0, "{result:?}");
    psd.n_layers = 1;
    let result = decoded_pixels(&psd.bytes()).2;
    assert_eq!(result, [[255, 127, 127, 255], [255; 4]], "a saved selection is not transparency");
}

#[test]
fn psd_is_converted_to_a_jpeg_with_a_white_background_if_no_output_format_is_requested() {
    let clear = Psd { n_layers: -1, width: 8, height: 8, ..two_pixels(4, 3, &[0; 256]) };
    let done = run(&clear.bytes(), &Plan { output: Output::default(), ..Plan::default() });
    assert_eq!(done.output.format, Format::Jpeg);
    assert!(nearly_equal(&decoded_pixels(&done.bytes).2, &[[255; 4]; 64], 1));
}

#[test]
fn invalid_psd_is_refused_with_an_error_that_names_the_invalid_property() {
    let try_process = |psd: &Psd| {
        process(&psd.bytes(), &plan_for(Format::Png), &Limits::default(), &mut Scratch::default())
    };
    let assert_refused = |psd: Psd, name: &str| {
        let error = try_process(&psd).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    };
    assert_refused(Psd { mode: 77, ..two_pixels(3, 3, &[0; 6]) }, "colour mode 77");
    assert_refused(Psd { depth: 5, ..two_pixels(3, 3, &[0; 6]) }, "5 bits");
    assert_refused(Psd { compression: 9, ..two_pixels(3, 3, &[0; 6]) }, "coding 9");
    assert_refused(Psd { width: 0, ..two_pixels(3, 3, &[0; 6]) }, "0x1");
    assert_refused(Psd { width: 40_000, ..two_pixels(3, 3, &[0; 6]) }, "side");
    assert_refused(two_pixels(2, 3, &[0; 6]), "2 channels");
    assert_refused(two_pixels(1, 2, &[0; 2]), "colour table");
    assert_refused(two_pixels(3, 3, &[]), "missing");
    let blank = Psd { resources: vec![(1057, vec![0, 0, 0, 1, 0])], ..two_pixels(3, 3, &[255; 6]) };
    assert!(try_process(&blank).unwrap().warnings[0].contains("merged"));
    let large = Psd { resources: vec![(1060, vec![0; 99])], ..two_pixels(3, 3, &[0; 6]) };
    let limits = Limits { metadata_bytes: 98, ..Limits::default() };
    let error =
        process(&large.bytes(), &plan_for(Format::Png), &limits, &mut Scratch::default()).unwrap_err();
    assert!(matches!(error, Error::Limit { .. }), "{error}");
}

#[test]
fn decoding_a_truncated_or_altered_psd_never_panics() {
    let rows = [0u8, 3, 0, 2, 0, 3, 1, 255, 0, 255, 0, 1, 0, 255];
    let original =
        Psd { compression: 1, resources: vec![(1060, vec![7; 9])], ..two_pixels(3, 3, &rows) }.bytes();
    let mut scratch = Scratch::default();
    for n in 0..original.len() {
        let _result = process(&original[..n], &plan_for(Format::Png), &Limits::default(), &mut scratch);
    }
    for at in 0..original.len() {
        for value in [0, 1, 2, 3, 9, 127, 128, 255] {
            let mut input = original.clone();
            input[at] = value;
            let _result = process(&input, &plan_for(Format::Png), &Limits::default(), &mut scratch);
        }
    }
}

#[test]
fn psd_files_of_the_corpus_decode_without_warnings() {
    let Some(corpus) = Corpus::open() else { return };
    for entry in corpus.entries.iter().filter(|entry| entry.format == "psd") {
        let done = run(&corpus.read(entry), &plan_for(Format::Png));
        assert_eq!(done.warnings, Vec::<String>::new(), "{}", entry.file);
    }
}
