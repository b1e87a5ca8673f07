//! Tests of SVG documents inside of SVG documents, as `data:` URLs of images.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use pixaven_imaging::{Error, Format, Limits, Scratch, process};

use super::{document, gzip, pixels_with_warning, try_process};
use crate::helpers::{decode_png, decoded_pixels, plan_for};

/// An `image` element of 8 × 8 units that contains the given document.
fn image_of(inner: &[u8]) -> String {
    let data = BASE64.encode(inner);
    format!("<image width='8' height='8' href='data:image/svg+xml;base64,{data}'/>")
}

#[test]
fn svg_embedded_in_an_svg_is_drawn() {
    let inner = document(4, 4, "<rect width='2' height='4'/>");
    for inner in [inner.clone(), gzip(&inner)] {
        let (_, _, pixels) = decoded_pixels(&document(8, 8, &image_of(&inner)));
        for (i, pixel) in pixels.iter().enumerate() {
            assert_eq!(*pixel, if i % 8 < 4 { [0, 0, 0, 255] } else { [0; 4] }, "{i}");
        }
    }
}

#[test]
fn svg_embedded_more_than_four_levels_deep_is_left_out_with_a_warning() {
    let levels = |n| {
        (1..n).fold(document(8, 8, "<rect width='8' height='8'/>"), |inner, _| {
            document(8, 8, &image_of(&inner))
        })
    };
    assert!(decoded_pixels(&levels(4)).2.iter().all(|pixel| *pixel == [0, 0, 0, 255]));
    let pixels = pixels_with_warning(&levels(5), "more than 4 documents inside of each other");
    assert!(pixels.iter().all(|pixel| *pixel == [0; 4]));
}

#[test]
fn embedded_svg_documents_share_the_limits_of_the_document_around_them() {
    let inner = document(8, 8, &"<rect width='8' height='8'/>".repeat(60));
    let limits = Limits { parts: 200, ..Limits::default() };
    let outer = document(8, 8, &image_of(&inner).repeat(4));
    let done = process(&outer, &plan_for(Format::Png), &limits, &mut Scratch::default()).unwrap();
    assert!(done.warnings.iter().any(|warning| warning.contains("limited to 200")), "{:?}", done.warnings);
    assert!(decode_png(&done.bytes).2.iter().all(|pixel| *pixel == [0, 0, 0, 255]));
    // An element can be nested 200 levels deep, in all documents together.
    let deep = |n: usize, content: &str| {
        document(8, 8, &format!("{}{content}{}", "<g>".repeat(n), "</g>".repeat(n)))
    };
    let inner = deep(120, "<rect width='8' height='8'/>");
    let pixels = pixels_with_warning(&deep(120, &image_of(&inner)), "elements nested more than");
    assert!(pixels.iter().all(|pixel| *pixel == [0; 4]));
}

#[test]
fn layers_of_embedded_svg_documents_count_against_the_limit_on_pixels() {
    let inner = document(8, 8, "<rect width='8' height='8' opacity='0.5'/>");
    let image = image_of(&inner).replace("'8' height='8'", "'4000' height='4000'");
    let error = try_process(&document(4000, 4000, &image.repeat(100))).unwrap_err();
    assert!(matches!(error, Error::Limit { .. }), "{error}");
    let warning = "not part of the document";
    let outside = document(8, 8, "<image width='8' height='8' href='file:///etc/passwd'/>");
    pixels_with_warning(&document(8, 8, &image_of(&outside)), warning);
}
