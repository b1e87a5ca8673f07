//! SVG: what is drawn, how large, and that a document gets nothing but what it carries and no more than there is.

use std::fmt::Write as _;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use pixaven_imaging::plan::{Gravity, Kernel, Resize, ResizeMode};
use pixaven_imaging::{Colorspace, Error, Format, Image, Limits, Plan, Processed, Scratch, process, sniff};

use crate::corpus::Corpus;
use crate::pictures::{decode_png, file, photo, pixels, psnr_db, quarters, rgba, run, to};

/// A document of this size around some content.
fn document(width: u32, height: u32, content: &str) -> Vec<u8> {
    let links = "xmlns:xlink='http://www.w3.org/1999/xlink'";
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' {links} width='{width}' height='{height}'>{content}</svg>"
    )
    .into_bytes()
}

fn attempt(input: &[u8]) -> Result<Processed, Error> {
    process(input, &to(Format::Png), &Limits::default(), &mut Scratch::default())
}

/// The size of a document with these attributes.
fn size(attributes: &str) -> (u32, u32) {
    let text =
        format!("<svg xmlns='http://www.w3.org/2000/svg' {attributes}><rect width='30' height='20'/></svg>");
    let facts = run(text.as_bytes(), &to(Format::Png)).input;
    (facts.width, facts.height)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn shapes_are_drawn_where_they_are() {
    let input = document(
        40,
        30,
        "<rect width='20' height='15' fill='red'/><rect x='20' y='15' width='20' height='15' fill='#0000ff80'/>",
    );
    let (width, height, pixels) = pixels(&input);
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
fn facts_of_a_document() {
    let done = run(&document(12, 7, ""), &Plan::default());
    assert_eq!(done.output.format, Format::Png);
    let facts = done.input;
    assert_eq!((facts.format, facts.width, facts.height, facts.frames), (Format::Svg, 12, 7, 1));
    assert_eq!((facts.colorspace, facts.depth, facts.alpha), (Colorspace::Rgb, 32, true));
    assert_eq!((facts.sampling, facts.quality), (None, None));
}

#[test]
fn the_size_is_that_of_the_attributes_or_else_of_the_box() {
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
        // Nothing said: what is drawn.
        ("", (30, 20)),
    ];
    for (attributes, expected) in cases {
        assert_eq!(size(attributes), expected, "{attributes}");
    }
}

#[test]
fn a_smaller_picture_is_drawn_and_not_scaled() {
    // Lines one pixel apart, which any resampling of the full size would turn gray.
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
    let plan = Plan { resize: Some(resize), ..to(Format::Png) };
    let (width, height, pixels) = decode_png(&run(&document(800, 400, &lines), &plan).bytes);
    assert_eq!((width, height), (40, 20));
    for (i, pixel) in pixels.iter().enumerate() {
        assert_eq!(*pixel, if i % 2 == 0 { [0, 0, 0, 255] } else { [0; 4] }, "{i}");
    }
}

#[test]
fn every_form_of_a_file_is_recognised() {
    let text = String::from_utf8(document(9, 9, "<!-- é -->")).unwrap();
    let utf16 = |big: bool| -> Vec<u8> {
        let units = format!("\u{feff}{text}").encode_utf16().collect::<Vec<u16>>();
        units.into_iter().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    };
    let latin = format!("<?xml version='1.0' encoding='ISO-8859-1'?>{text}");
    let forms = [
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
    for form in forms {
        assert_eq!(sniff(&form), Some(Format::Svg), "{}", String::from_utf8_lossy(&form));
        assert_eq!(run(&form, &Plan::default()).input.width, 9);
    }
    for other in ["<html><svg/></html>", "<!-- <svg> -->", "<svgx/>", "svg"] {
        assert_eq!(sniff(other.as_bytes()), None, "{other}");
    }
    assert_eq!(sniff(&gzip(b"hello")), None);
}

#[test]
fn a_picture_in_the_document_is_drawn() {
    for format in [Format::Png, Format::Jpeg, Format::Gif, Format::Webp] {
        let picture = quarters(16, 16);
        let data = BASE64.encode(file(&picture, format));
        let image = format!("<image width='16' height='16' xlink:href='data:image/x;base64,{data}'/>");
        let input = document(16, 16, &image);
        assert_eq!(run(&input, &Plan::default()).warnings, Vec::<String>::new(), "{format:?}");
        let db = psnr_db(&pixels(&input).2, &rgba(&picture));
        assert!(db > 20.0, "{format:?}: {db:.1} dB");
    }
}

/// A document that is drawn, and what is said of it.
fn harmless(input: &[u8], warning: &str) -> Vec<[u8; 4]> {
    let done = attempt(input).unwrap();
    assert!(done.warnings.iter().any(|said| said.contains(warning)), "{:?}", done.warnings);
    decode_png(&done.bytes).2
}

#[test]
fn nothing_outside_of_the_document_is_read() {
    let picture = std::env::temp_dir().join("pixaven-svg-outside.png");
    std::fs::write(&picture, file(&photo(8, 8), Format::Png)).unwrap();
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
            let pixels = harmless(&document(8, 8, &image), "not part of the document");
            assert!(pixels.iter().all(|pixel| *pixel == [0; 4]), "{href}");
            let filter = format!(
                "<filter id='f'><feImage {attribute}='{href}'/></filter><rect width='8' height='8' filter='url(#f)'/>"
            );
            harmless(&document(8, 8, &filter), "not part of the document");
        }
    }
    std::fs::remove_file(picture).unwrap();
}

#[test]
fn a_document_in_a_document_is_left_out() {
    let inner = document(8, 8, "<rect width='8' height='8'/>");
    for inner in [inner.clone(), gzip(&inner)] {
        let data = BASE64.encode(&inner);
        let image = format!("<image width='8' height='8' href='data:image/svg+xml;base64,{data}'/>");
        let pixels = harmless(&document(8, 8, &image), "a document in a document");
        assert!(pixels.iter().all(|pixel| *pixel == [0; 4]));
    }
}

#[test]
fn pictures_in_the_document_share_one_budget() {
    let data = BASE64.encode(file(&photo(100, 100), Format::Jpeg));
    let image = format!("<image width='8' height='8' href='data:image/jpeg;base64,{data}'/>");
    let limits = Limits { pixels: 25_000, ..Limits::default() };
    let input = document(8, 8, &image.repeat(3));
    let done = process(&input, &to(Format::Png), &limits, &mut Scratch::default()).unwrap();
    assert!(
        done.warnings[0].contains("the number of pixels over all frames is limited to 25000"),
        "{:?}",
        done.warnings
    );
}

#[test]
fn texts_are_left_out_with_a_word() {
    harmless(&document(20, 20, "<text y='10'>Hello</text>"), "1 texts were left out");
}

#[test]
fn entities_do_not_exist() {
    let bomb = "<!DOCTYPE svg [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;'>]>";
    let outside = "<!DOCTYPE svg [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>";
    for doctype in [bomb, outside] {
        let input = [doctype.as_bytes(), &document(9, 9, "<text>&a;</text>")].concat();
        let error = attempt(&input).unwrap_err();
        assert!(error.to_string().contains("a document type with declarations of its own"), "{error}");
    }
    let error = attempt(&document(9, 9, "<text>&a;</text>")).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
}

#[test]
fn more_than_the_limits_is_refused_before_it_is_there() {
    // Each level has the one before ten times.
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
        let error = attempt(bomb).unwrap_err();
        let Error::Limit { .. } = error else { panic!("bomb {i}: {error}") };
        assert!(error.to_string().starts_with("the number of parts"), "bomb {i}: {error}");
    }
}

#[test]
fn circles_end() {
    let circles = [
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
    for circle in circles {
        match attempt(&document(9, 9, circle)) {
            Ok(_) | Err(Error::Unsupported { .. }) => {}
            Err(error) => panic!("{circle}: {error}"),
        }
    }
}

#[test]
fn nesting_has_an_end() {
    for n in [150, 100_000] {
        let input = document(9, 9, &format!("{}{}", "<g opacity='0.9'>".repeat(n), "</g>".repeat(n)));
        match attempt(&input) {
            Ok(_) => assert_eq!(n, 150),
            Err(error) => {
                assert!(n > 150 && error.to_string().contains("nested more than 200 deep"), "{error}");
            }
        }
    }
    let chain: String = (1..300).map(|i| format!("<g id='l{i}'><use href='#l{}'/></g>", i - 1)).collect();
    let error = attempt(&document(9, 9, &format!("<g id='l0'/>{chain}"))).unwrap_err();
    assert!(error.to_string().contains("nested more than 200 deep"), "{error}");
}

#[test]
fn layers_are_counted_before_they_are_drawn() {
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
        let error = attempt(input).unwrap_err();
        assert!(error.to_string().starts_with("the number of pixels"), "{i}: {error}");
    }
    attempt(&layers(3)).unwrap();
}

#[test]
fn sizes_beyond_the_limits_are_refused() {
    for (width, height) in [(40_000, 5), (20_000, 20_000)] {
        let error = attempt(&document(width, height, "")).unwrap_err();
        assert!(matches!(error, Error::Limit { .. }), "{error}");
    }
    for attributes in ["width='1e30' height='1e30'", "width='-5' height='5'", "width='0' height='9'"] {
        let text = format!("<svg xmlns='http://www.w3.org/2000/svg' {attributes}/>");
        assert!(attempt(text.as_bytes()).is_err(), "{attributes}");
    }
}

#[test]
fn a_packed_bomb_is_not_unpacked() {
    let text = document(9, 9, &" ".repeat(40 << 20));
    let bomb = gzip(&text);
    assert!(bomb.len() < 1 << 17, "it is a bomb");
    for input in [bomb, text] {
        let error = attempt(&input).unwrap_err();
        assert!(error.to_string().contains("more than 16777216 bytes of text"), "{error}");
    }
    let error = attempt(&gzip(&gzip(&document(9, 9, "")))).unwrap_err();
    assert_eq!(error, Error::UnknownFormat { sniffed: Some("gzip data") });
}

#[test]
fn every_prefix_and_many_alterations_of_a_document_are_answered() {
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
    let plan = to(Format::Png);
    for n in 0..input.len() {
        let _answer = process(&input[..n], &plan, &Limits::default(), &mut scratch);
    }
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for _ in 0..3_000 {
        let mut altered = input.clone();
        for _ in 0..3 {
            // xorshift64*: the same sequence on every machine.
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            let random = state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16;
            let at = 90 + random as usize % (altered.len() - 96);
            altered[at] = b"0123456789e-.%# '<>/urlMmcz"[random as usize / 7_919 % 27];
        }
        let _answer = process(&altered, &plan, &Limits::default(), &mut scratch);
    }
}

#[test]
fn a_curve_that_goes_beyond_all_numbers_is_answered() {
    // Found by fuzzing: the rasteriser stops at an edge that ends before it begins.
    let path = "<path d='M30,76q6-14,13-26q6-12,14-231e9q8-12,13-17q3-4,6-6q1-1,5-2q8-1,12-1q1,0,1,1q0,1-1,2qm13,11-27,\
                33q-54,21-24,44q-4,9-5,11q-1,2-9,2q-5,0-6-1q-1-1-5-6q-5-8-12-15q1e9-3-4-3-6q0-2,4-5q3-2,6-2q3,0,8,\
                3q5,4,10,14z'/>";
    match attempt(&document(100, 100, path)) {
        Ok(_) | Err(Error::Corrupt { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn documents_of_test_suites_are_drawn() {
    let Some(corpus) = Corpus::open() else { return };
    let mut misses = String::new();
    for entry in corpus.entries.iter().filter(|entry| entry.format == "svg") {
        let result = attempt(&corpus.read(entry));
        match (entry.kind.starts_with("svg-ok"), result) {
            (true, Err(error)) => writeln!(misses, "{}: {error}", entry.file).unwrap(),
            (true, Ok(_)) | (false, Err(_)) => {}
            (false, Ok(_)) => eprintln!("drawn, though others refuse it: {}", entry.file),
        }
    }
    assert!(misses.is_empty(), "not drawn:\n{misses}");
}

#[test]
fn an_image_that_nothing_is_drawn_on_is_clear() {
    let clear: Image = Image::new(5, 4, pixaven_imaging::Channels::Rgba, vec![0; 80]);
    assert_eq!(pixels(&document(5, 4, "")).2, rgba(&clear));
}
