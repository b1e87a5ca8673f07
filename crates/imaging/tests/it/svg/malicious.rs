//! Tests with malicious and malformed SVG documents: entities, references that multiply exponentially,
//! reference cycles, and excessive sizes.

use pixaven_imaging::{Error, Format, Limits, Scratch, process};

use super::{document, gzip, try_process};
use crate::helpers::{decoded_pixels, plan_for};

/// Creates a document with a document type that contains `declarations`, and with a rectangle of the width
/// `&w;`.
fn with_entities(declarations: &str) -> Vec<u8> {
    let drawing = document(9, 9, "<rect width='&w;' height='9'/>");
    [format!("<!DOCTYPE svg [{declarations}]>").into_bytes(), drawing].concat()
}

#[test]
fn internal_entities_of_an_svg_are_expanded() {
    let declarations = "<!ENTITY five '5'><!ENTITY w '&five;'><!-- it's a comment -->";
    let (_, _, pixels) = decoded_pixels(&with_entities(declarations));
    for (i, pixel) in pixels.iter().enumerate() {
        assert_eq!(*pixel, if i % 9 < 5 { [0, 0, 0, 255] } else { [0; 4] }, "{i}");
    }
    let namespace = "<!DOCTYPE svg [<!ENTITY ns \"http://www.w3.org/2000/svg\">]>\
                     <svg xmlns='&ns;' width='3' height='2'><rect width='3' height='2'/></svg>";
    assert!(decoded_pixels(namespace.as_bytes()).2.iter().all(|pixel| *pixel == [0, 0, 0, 255]));
}

#[test]
fn svg_with_entities_beyond_a_limit_is_refused() {
    let level = |i: usize, n: usize| format!("<!ENTITY e{i} '{}'>", format!("&e{};", i - 1).repeat(n));
    let levels = |n_levels: usize, n: usize| {
        let all: String = (1..=n_levels).map(|i| level(i, n)).collect();
        format!("<!ENTITY e0 '9'>{all}<!ENTITY w '&e{n_levels};'>")
    };
    let long = format!("<!ENTITY long '{}'>", " ".repeat(100_000));
    let cases = [
        (levels(20, 1), "nested more than 8 deep"),
        (levels(6, 400), "bytes of text"),
        (format!("{long}<!ENTITY w '{}'>", "&long;".repeat(200)), "bytes of text"),
        ("<!ENTITY w '&v;'><!ENTITY v '&w;'>".to_owned(), "nested more than 8 deep"),
        ((0..501).map(|i| format!("<!ENTITY n{i} ''>")).collect(), "limited to 500"),
    ];
    for (declarations, message) in cases {
        let error = try_process(&with_entities(&declarations)).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. } | Error::Limit { .. }), "{error}");
        assert!(error.to_string().contains(message), "{message}: {error}");
    }
}

#[test]
fn external_entities_of_an_svg_are_not_read() {
    let file = std::env::temp_dir().join("pixaven-svg-entity");
    std::fs::write(&file, "9").unwrap();
    for declaration in [
        format!("<!ENTITY w SYSTEM 'file://{}'>", file.display()),
        format!("<!ENTITY w SYSTEM '{}'>", file.display()),
        "<!ENTITY w PUBLIC 'a' 'http://127.0.0.1:9/w'>".to_owned(),
        "<!ENTITY % all SYSTEM 'http://127.0.0.1:9/all'> %all;".to_owned(),
    ] {
        let error = try_process(&with_entities(&declaration)).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{declaration}: {error}");
    }
    std::fs::remove_file(file).unwrap();
    let error = try_process(&document(9, 9, "<text>&unknown;</text>")).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
}

#[test]
fn svg_text_that_would_be_laid_out_for_minutes_is_refused() {
    let styles = "<tspan font-weight='700'>aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa</tspan>".repeat(3_000);
    let positions = "1 ".repeat(100_000);
    let path: String = "L1 1".repeat(20_000);
    let documents = [
        format!("<text>{styles}</text>"),
        format!("<text x='{positions}'>{}</text>", "a".repeat(100_000)),
        format!(
            "<path id='p' d='M0 0{path}'/><text><textPath href='#p'>{}</textPath></text>",
            "a".repeat(9_000)
        ),
        format!("<g id='t'><text>{}</text></g>{}", "a".repeat(30_000), "<use href='#t'/>".repeat(100)),
    ];
    for content in documents {
        let error = try_process(&document(9, 9, &content)).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. } | Error::Limit { .. }), "{error}");
    }
}

#[test]
fn svg_whose_references_expand_to_exponentially_many_elements_is_refused() {
    // Each level of the document refers to the previous level ten times, so level 9 would draw 10⁹ shapes.
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
fn processing_an_svg_whose_references_form_a_cycle_terminates() {
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
fn svg_with_elements_nested_more_than_200_levels_deep_is_refused() {
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
fn svg_whose_layers_or_filters_need_more_pixels_than_the_limit_is_refused_before_drawing() {
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
fn svg_that_declares_a_size_beyond_the_limits_is_refused() {
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
fn svg_with_more_than_16_mib_of_text_is_refused_even_if_the_gzip_file_is_small() {
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
fn processing_a_truncated_or_altered_svg_never_panics() {
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
            // The random generator xorshift64*, which gives the same sequence on every machine.
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
fn svg_path_with_huge_coordinates_never_causes_a_panic() {
    // Fuzzing found this path. One edge of the path ends before it begins, which the rasteriser cannot
    // process.
    let path = "<path d='M30,76q6-14,13-26q6-12,14-231e9q8-12,13-17q3-4,6-6q1-1,5-2q8-1,12-1q1,0,1,1q0,1-1,2qm13,11-27,\
                33q-54,21-24,44q-4,9-5,11q-1,2-9,2q-5,0-6-1q-1-1-5-6q-5-8-12-15q1e9-3-4-3-6q0-2,4-5q3-2,6-2q3,0,8,\
                3q5,4,10,14z'/>";
    match try_process(&document(100, 100, path)) {
        Ok(_) | Err(Error::Corrupt { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}
