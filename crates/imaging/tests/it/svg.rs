//! Tests of SVG: rendering, size and embedded images. Rendering a document must neither read other files nor
//! fetch URLs.

mod malicious;
mod nested;
mod sizes;
mod text;

use std::fmt::Write as _;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use pixaven_imaging::{Colorspace, Error, Format, Image, Limits, Plan, Processed, Scratch, process, sniff};

use crate::corpus::Corpus;
use crate::helpers::{decode_png, decoded_pixels, encoded, photo, plan_for, psnr_db, quarters, rgba, run};

/// Creates an SVG document with the given size and content.
fn document(width: u32, height: u32, content: &str) -> Vec<u8> {
    let links = "xmlns:xlink='http://www.w3.org/1999/xlink'";
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' {links} width='{width}' height='{height}'>{content}</svg>"
    )
    .into_bytes()
}

fn try_process(input: &[u8]) -> Result<Processed, Error> {
    process(input, &plan_for(Format::Png), &Limits::default(), &mut Scratch::default())
}

/// The reported size of an SVG document whose root element has the given attributes.
fn size(attributes: &str) -> (u32, u32) {
    let text =
        format!("<svg xmlns='http://www.w3.org/2000/svg' {attributes}><rect width='30' height='20'/></svg>");
    let facts = run(text.as_bytes(), &plan_for(Format::Png)).input;
    (facts.width, facts.height)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn svg_shapes_are_drawn_at_their_positions() {
    let input = document(
        40,
        30,
        "<rect width='20' height='15' fill='red'/><rect x='20' y='15' width='20' height='15' fill='#0000ff80'/>",
    );
    let (width, height, pixels) = decoded_pixels(&input);
    assert_eq!((width, height), (40, 30));
    for (i, pixel) in pixels.iter().enumerate() {
        let expected = match (i % 40 < 20, i / 40 < 15) {
            (true, true) => [255, 0, 0, 255],
            (false, false) => [0, 0, 255, 128],
            _ => [0; 4],
        };
        assert_eq!(*pixel, expected, "{}, {}", i % 40, i / 40);
    }
}

#[test]
fn size_and_colour_space_of_an_svg_are_reported() {
    let done = run(&document(12, 7, ""), &Plan::default());
    assert_eq!(done.output.format, Format::Png);
    let facts = done.input;
    assert_eq!((facts.format, facts.width, facts.height, facts.frames), (Format::Svg, 12, 7, 1));
    assert_eq!((facts.colorspace, facts.depth, facts.alpha), (Colorspace::Rgb, 32, true));
    assert_eq!((facts.sampling, facts.quality), (None, None));
}

#[test]
fn size_of_an_svg_comes_from_its_attributes_width_and_height_or_view_box() {
    let cases = [
        ("width='50' height='40'", (50, 40)),
        ("width='50px' height='1in'", (50, 96)),
        ("width='25.4mm' height='2.54cm'", (96, 96)),
        ("width='3pt' height='1pc'", (4, 16)),
        ("width='10.4' height='0.2'", (10, 1)),
        ("viewBox='0 0 70 35'", (70, 35)),
        ("viewBox='0 0 70 35' width='140'", (140, 70)),
        ("viewBox='0 0 70 35' height='70'", (140, 70)),
        ("viewBox='0 0 70 35' width='100%' height='100%'", (70, 35)),
        // If no attribute gives a size, the size of the document is that of the drawn shapes.
        ("", (30, 20)),
    ];
    for (attributes, expected) in cases {
        assert_eq!(size(attributes), expected, "{attributes}");
    }
}

#[test]
fn svg_file_with_any_text_encoding_and_any_xml_prolog_is_recognised() {
    let text = String::from_utf8(document(9, 9, "<!-- é -->")).unwrap();
    let utf16 = |big: bool| -> Vec<u8> {
        let units = format!("\u{feff}{text}").encode_utf16().collect::<Vec<u16>>();
        units.into_iter().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    };
    let latin = format!("<?xml version='1.0' encoding='ISO-8859-1'?>{text}");
    let variants = [
        text.clone().into_bytes(),
        format!("\u{feff}{text}").into_bytes(),
        format!("<?xml version='1.0'?>\n<!-- a picture --> {text}").into_bytes(),
        format!("<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'http://x.org/svg11.dtd'>{text}")
            .into_bytes(),
        latin.chars().map(|c| c as u8).collect(),
        utf16(true),
        utf16(false),
        gzip(text.as_bytes()),
    ];
    for variant in variants {
        assert_eq!(sniff(&variant), Some(Format::Svg), "{}", String::from_utf8_lossy(&variant));
        assert_eq!(run(&variant, &Plan::default()).input.width, 9);
    }
    for other in ["<html><svg/></html>", "<!-- <svg> -->", "<svgx/>", "svg"] {
        assert_eq!(sniff(other.as_bytes()), None, "{other}");
    }
    assert_eq!(sniff(&gzip(b"hello")), None);
}

#[test]
fn raster_image_embedded_in_an_svg_is_drawn() {
    for format in [Format::Png, Format::Jpeg, Format::Gif, Format::Webp] {
        let picture = quarters(16, 16);
        let data = BASE64.encode(encoded(&picture, format));
        let image = format!("<image width='16' height='16' xlink:href='data:image/x;base64,{data}'/>");
        let input = document(16, 16, &image);
        assert_eq!(run(&input, &Plan::default()).warnings, Vec::<String>::new(), "{format:?}");
        let db = psnr_db(&decoded_pixels(&input).2, &rgba(&picture));
        assert!(db > 20.0, "{format:?}: {db:.1} dB");
    }
}

/// Processes a document that must be drawn and must give the warning `warning`. Returns the pixels of the
/// document.
fn pixels_with_warning(input: &[u8], warning: &str) -> Vec<[u8; 4]> {
    let done = try_process(input).unwrap();
    assert!(done.warnings.iter().any(|text| text.contains(warning)), "{:?}", done.warnings);
    decode_png(&done.bytes).2
}

#[test]
fn external_files_and_urls_in_an_svg_are_not_read() {
    let picture = std::env::temp_dir().join("pixaven-svg-outside.png");
    std::fs::write(&picture, encoded(&photo(8, 8), Format::Png)).unwrap();
    let path = picture.display();
    for href in [
        format!("{path}"),
        format!("file://{path}"),
        "http://127.0.0.1:9/a.png".to_owned(),
        "https://example.com/a.svg".to_owned(),
        "a.png".to_owned(),
        "//host/a.png".to_owned(),
    ] {
        for attribute in ["href", "xlink:href"] {
            let image = format!("<image width='8' height='8' {attribute}='{href}'/>");
            let pixels = pixels_with_warning(&document(8, 8, &image), "not part of the document");
            assert!(pixels.iter().all(|pixel| *pixel == [0; 4]), "{href}");
            let filter = format!(
                "<filter id='f'><feImage {attribute}='{href}'/></filter><rect width='8' height='8' filter='url(#f)'/>"
            );
            pixels_with_warning(&document(8, 8, &filter), "not part of the document");
        }
    }
    std::fs::remove_file(picture).unwrap();
}

#[test]
fn all_images_embedded_in_an_svg_share_one_limit_on_the_number_of_pixels() {
    let data = BASE64.encode(encoded(&photo(100, 100), Format::Jpeg));
    let image = format!("<image width='8' height='8' href='data:image/jpeg;base64,{data}'/>");
    let limits = Limits { pixels: 25_000, ..Limits::default() };
    let input = document(8, 8, &image.repeat(3));
    let done = process(&input, &plan_for(Format::Png), &limits, &mut Scratch::default()).unwrap();
    assert!(
        done.warnings[0].contains("the number of pixels over all frames is limited to 25000"),
        "{:?}",
        done.warnings
    );
}

#[test]
fn valid_svg_files_of_the_corpus_are_drawn() {
    let Some(corpus) = Corpus::open() else { return };
    let mut failures = String::new();
    for entry in corpus.entries.iter().filter(|entry| entry.format == "svg") {
        let result = try_process(&corpus.read(entry));
        match (entry.kind.starts_with("svg-ok"), result) {
            (true, Err(error)) => writeln!(failures, "{}: {error}", entry.file).unwrap(),
            (true, Ok(_)) | (false, Err(_)) => {}
            (false, Ok(_)) => eprintln!("drawn, but the corpus marks it as invalid: {}", entry.file),
        }
    }
    assert!(failures.is_empty(), "not drawn:\n{failures}");
}

#[test]
fn svg_without_shapes_is_drawn_as_a_transparent_image() {
    let clear: Image = Image::new(5, 4, pixaven_imaging::Channels::Rgba, vec![0; 80]);
    assert_eq!(decoded_pixels(&document(5, 4, "")).2, rgba(&clear));
}
