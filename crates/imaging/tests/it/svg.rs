//! SVG: rendering, size, embedded images, and limits for malicious documents. A document must not read
//! anything outside of itself.

use std::fmt::Write as _;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use pixaven_imaging::plan::{Gravity, Kernel, Resize, ResizeMode};
use pixaven_imaging::{Colorspace, Error, Format, Image, Limits, Plan, Processed, Scratch, process, sniff};

use crate::corpus::Corpus;
use crate::helpers::{decode_png, decoded_pixels, encoded, photo, plan_for, psnr_db, quarters, rgba, run};

/// A document of this size with this content.
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

/// The size of a document with these attributes.
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
fn shapes_are_drawn_at_their_positions() {
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
fn svg_size_and_colours_are_reported() {
    let done = run(&document(12, 7, ""), &Plan::default());
    assert_eq!(done.output.format, Format::Png);
    let facts = done.input;
    assert_eq!((facts.format, facts.width, facts.height, facts.frames), (Format::Svg, 12, 7, 1));
    assert_eq!((facts.colorspace, facts.depth, facts.alpha), (Colorspace::Rgb, 32, true));
    assert_eq!((facts.sampling, facts.quality), (None, None));
}

#[test]
fn svg_size_comes_from_width_height_or_view_box() {
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
        // Without any size, the size is that of the drawn shapes.
        ("", (30, 20)),
    ];
    for (attributes, expected) in cases {
        assert_eq!(size(attributes), expected, "{attributes}");
    }
}

#[test]
fn svg_is_rendered_at_the_output_size() {
    // Lines one pixel apart: resampling from the full size would turn them gray.
    let mut lines = String::new();
    (0..20).for_each(|i| write!(lines, "<rect x='{}' width='20' height='400'/>", i * 40).unwrap());
    let resize = Resize {
        mode: ResizeMode::Exact,
        width: Some(40),
        height: Some(20),
        gravity: Gravity::Center,
        upscale: true,
        background: None,
        kernel: Kernel::Lanczos3,
    };
    let plan = Plan { resize: Some(resize), ..plan_for(Format::Png) };
    let (width, height, pixels) = decode_png(&run(&document(800, 400, &lines), &plan).bytes);
    assert_eq!((width, height), (40, 20));
    for (i, pixel) in pixels.iter().enumerate() {
        assert_eq!(*pixel, if i % 2 == 0 { [0, 0, 0, 255] } else { [0; 4] }, "{i}");
    }
}

#[test]
fn every_svg_encoding_and_prolog_is_recognised() {
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
fn embedded_raster_image_is_drawn() {
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

/// Processes a document that must be drawn with a warning. Returns its pixels.
fn pixels_with_warning(input: &[u8], warning: &str) -> Vec<[u8; 4]> {
    let done = try_process(input).unwrap();
    assert!(done.warnings.iter().any(|text| text.contains(warning)), "{:?}", done.warnings);
    decode_png(&done.bytes).2
}

#[test]
fn external_references_are_not_read() {
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
fn embedded_svg_is_skipped_with_a_warning() {
    let inner = document(8, 8, "<rect width='8' height='8'/>");
    for inner in [inner.clone(), gzip(&inner)] {
        let data = BASE64.encode(&inner);
        let image = format!("<image width='8' height='8' href='data:image/svg+xml;base64,{data}'/>");
        let pixels = pixels_with_warning(&document(8, 8, &image), "a document in a document");
        assert!(pixels.iter().all(|pixel| *pixel == [0; 4]));
    }
}

#[test]
fn embedded_images_share_one_pixel_budget() {
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
fn text_is_skipped_with_a_warning() {
    pixels_with_warning(&document(20, 20, "<text y='10'>Hello</text>"), "1 texts were left out");
}

#[test]
fn xml_entities_are_refused() {
    let bomb = "<!DOCTYPE svg [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;'>]>";
    let outside = "<!DOCTYPE svg [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>";
    for doctype in [bomb, outside] {
        let input = [doctype.as_bytes(), &document(9, 9, "<text>&a;</text>")].concat();
        let error = try_process(&input).unwrap_err();
        assert!(error.to_string().contains("a document type with declarations of its own"), "{error}");
    }
    let error = try_process(&document(9, 9, "<text>&a;</text>")).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
}

#[test]
fn exponential_reference_bombs_are_refused() {
    // Each level references the previous level ten times.
    let levels = |element: fn(u32) -> String| {
        let mut content = "<g id='l0'><rect id='r' width='1' height='1'/></g>".to_owned();
        (1..10).for_each(|i| content += &element(i));
        document(
            9,
            9,
            &format!(
                "<defs>{content}</defs><use href='#l9'/><rect width='9' height='9' fill='url(#l9)' mask='url(#l9)' clip-path='url(#l9)' filter='url(#l9)' marker-mid='url(#l9)'/>"
            ),
        )
    };
    let ten = |inner: String| inner.repeat(10);
    let bombs = [
        levels(|i| format!("<g id='l{i}'>{}</g>", format!("<use xlink:href='#l{}'/>", i - 1).repeat(10))),
        levels(|i| {
            let rect = format!("<rect width='1' height='1' fill='url(#l{})'/>", i - 1);
            format!("<pattern id='l{i}' width='1' height='1'>{}</pattern>", rect.repeat(10))
        }),
        levels(|i| {
            let rect = format!("<rect width='1' height='1' style='mask:url(#l{})'/>", i - 1);
            format!("<mask id='l{i}'>{}</mask>", rect.repeat(10))
        }),
        levels(|i| {
            let rect = format!("<rect width='1' height='1' class='c{}'/>", i - 1);
            let style = format!("<style>.c{} {{ clip-path: url( '#l{0}' ) }}</style>", i - 1);
            format!("{style}<clipPath id='l{i}'>{}</clipPath>", rect.repeat(10))
        }),
        levels(|i| {
            let line = format!("<path d='m0 0 1 1 1 1 1 1 1 1' marker='url(#l{})'/>", i - 1);
            format!("<marker id='l{i}'>{line}</marker>")
        }),
        document(9, 9, &ten("<g/>".repeat(20_001))),
    ];
    for (i, bomb) in bombs.iter().enumerate() {
        let error = try_process(bomb).unwrap_err();
        let Error::Limit { .. } = error else { panic!("bomb {i}: {error}") };
        assert!(error.to_string().starts_with("the number of parts"), "bomb {i}: {error}");
    }
}

#[test]
fn circular_references_terminate() {
    let documents = [
        "<g id='a'><use href='#a'/></g>",
        "<g id='a'><use href='#b'/></g><g id='b'><use href='#a'/></g><use href='#a'/>",
        "<mask id='a'><rect width='9' height='9' mask='url(#a)'/></mask><rect width='9' height='9' mask='url(#a)'/>",
        "<pattern id='a' width='9' height='9'><rect width='9' height='9' fill='url(#b)'/></pattern>\
         <pattern id='b' width='9' height='9'><rect width='9' height='9' fill='url(#a)'/></pattern>\
         <rect width='9' height='9' fill='url(#a)'/>",
        "<mask id='a'><rect width='9' height='9' fill='url(#b)'/></mask>\
         <pattern id='b' width='9' height='9'><rect width='9' height='9' mask='url(#a)'/></pattern>\
         <rect width='9' height='9' fill='url(#b)'/>",
        "<filter id='a'><feImage href='#r'/></filter><rect id='r' width='9' height='9' filter='url(#a)'/>",
        "<pattern id='a' href='#b'/><pattern id='b' href='#a'/><rect width='9' height='9' fill='url(#a)'/>",
        "<linearGradient id='a' href='#a'/><rect width='9' height='9' fill='url(#a)'/>",
        "<marker id='a'><path d='M0 0 9 9' marker-end='url(#a)'/></marker><path d='M0 0 9 9' marker-end='url(#a)'/>",
        "<clipPath id='a' clip-path='url(#a)'><rect width='9' height='9'/></clipPath>\
         <rect width='9' height='9' clip-path='url(#a)'/>",
    ];
    for content in documents {
        match try_process(&document(9, 9, content)) {
            Ok(_) | Err(Error::Unsupported { .. }) => {}
            Err(error) => panic!("{content}: {error}"),
        }
    }
}

#[test]
fn nesting_above_200_levels_is_refused() {
    for n in [150, 100_000] {
        let input = document(9, 9, &format!("{}{}", "<g opacity='0.9'>".repeat(n), "</g>".repeat(n)));
        match try_process(&input) {
            Ok(_) => assert_eq!(n, 150),
            Err(error) => {
                assert!(n > 150 && error.to_string().contains("nested more than 200 deep"), "{error}");
            }
        }
    }
    let chain: String = (1..300).map(|i| format!("<g id='l{i}'><use href='#l{}'/></g>", i - 1)).collect();
    let error = try_process(&document(9, 9, &format!("<g id='l0'/>{chain}"))).unwrap_err();
    assert!(error.to_string().contains("nested more than 200 deep"), "{error}");
}

#[test]
fn layer_and_filter_buffers_are_limited_before_drawing() {
    let layers = |n: usize| {
        let rect = "<rect width='4000' height='4000'/><rect width='1' height='1'/>";
        document(4_000, 4_000, &format!("{}{rect}{}", "<g opacity='.9'>".repeat(n), "</g>".repeat(n)))
    };
    let blur =
        "<filter id='f' x='-9' y='-9' width='20' height='20'><feGaussianBlur stdDeviation='900'/></filter>";
    let large = [
        layers(30),
        document(4_000, 4_000, &format!("{blur}<rect width='4000' height='4000' filter='url(#f)'/>")),
        document(
            50,
            50,
            "<pattern id='p' width='90000' height='90000' patternUnits='userSpaceOnUse'><rect width='1' height='1'/>\
             </pattern><rect width='50' height='50' fill='url(#p)'/>",
        ),
        document(
            2_000,
            2_000,
            "<filter id='f'><feMorphology operator='dilate' radius='800'/></filter>\
             <rect width='1000' height='1000' filter='url(#f)'/>",
        ),
    ];
    for (i, input) in large.iter().enumerate() {
        let error = try_process(input).unwrap_err();
        assert!(error.to_string().starts_with("the number of pixels"), "{i}: {error}");
    }
    try_process(&layers(3)).unwrap();
}

#[test]
fn svg_sizes_beyond_the_limits_are_refused() {
    for (width, height) in [(40_000, 5), (20_000, 20_000)] {
        let error = try_process(&document(width, height, "")).unwrap_err();
        assert!(matches!(error, Error::Limit { .. }), "{error}");
    }
    for attributes in ["width='1e30' height='1e30'", "width='-5' height='5'", "width='0' height='9'"] {
        let text = format!("<svg xmlns='http://www.w3.org/2000/svg' {attributes}/>");
        assert!(try_process(text.as_bytes()).is_err(), "{attributes}");
    }
}

#[test]
fn gzip_bomb_is_not_decompressed() {
    let text = document(9, 9, &" ".repeat(40 << 20));
    let bomb = gzip(&text);
    assert!(bomb.len() < 1 << 17, "the compressed document must be small");
    for input in [bomb, text] {
        let error = try_process(&input).unwrap_err();
        assert!(error.to_string().contains("more than 16777216 bytes of text"), "{error}");
    }
    let error = try_process(&gzip(&gzip(&document(9, 9, "")))).unwrap_err();
    assert_eq!(error, Error::UnknownFormat { sniffed: Some("gzip data") });
}

#[test]
fn truncated_and_altered_svg_never_panics() {
    let mut scratch = Scratch::default();
    let input = document(
        24,
        17,
        "<defs><linearGradient id='g'><stop offset='.2' stop-color='red'/><stop offset='1'/></linearGradient>\
         <filter id='f'><feGaussianBlur stdDeviation='2'/><feOffset dx='3'/></filter>\
         <clipPath id='c'><circle r='9' cx='9' cy='9'/></clipPath></defs><style>.a{stroke:#0a0}</style>\
         <g transform='rotate(9 2)' clip-path='url(#c)'><path class='a' d='M1 2c3 4 5 6 7 8z' fill='url(#g)'/></g>\
         <rect x='3' rx='4' width='50%' height='9' filter='url(#f)' opacity='.4'/>",
    );
    let plan = plan_for(Format::Png);
    for n in 0..input.len() {
        let _result = process(&input[..n], &plan, &Limits::default(), &mut scratch);
    }
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for _ in 0..3_000 {
        let mut altered = input.clone();
        for _ in 0..3 {
            // The xorshift64* generator, which gives the same sequence on every machine.
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            let random = state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16;
            let at = 90 + random as usize % (altered.len() - 96);
            altered[at] = b"0123456789e-.%# '<>/urlMmcz"[random as usize / 7_919 % 27];
        }
        let _result = process(&altered, &plan, &Limits::default(), &mut scratch);
    }
}

#[test]
fn path_with_huge_coordinates_never_panics() {
    // Found by fuzzing: the rasteriser fails on an edge that ends before it begins.
    let path = "<path d='M30,76q6-14,13-26q6-12,14-231e9q8-12,13-17q3-4,6-6q1-1,5-2q8-1,12-1q1,0,1,1q0,1-1,2qm13,11-27,\
                33q-54,21-24,44q-4,9-5,11q-1,2-9,2q-5,0-6-1q-1-1-5-6q-5-8-12-15q1e9-3-4-3-6q0-2,4-5q3-2,6-2q3,0,8,\
                3q5,4,10,14z'/>";
    match try_process(&document(100, 100, path)) {
        Ok(_) | Err(Error::Corrupt { .. }) => {}
        Err(error) => panic!("{error}"),
    }
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
fn empty_svg_is_transparent() {
    let clear: Image = Image::new(5, 4, pixaven_imaging::Channels::Rgba, vec![0; 80]);
    assert_eq!(decoded_pixels(&document(5, 4, "")).2, rgba(&clear));
}
