//! Tests of text in SVG documents: the embedded font family, fonts of a source, and missing fonts.

use std::sync::Mutex;

use pixaven_imaging::fonts::{FontFile, FontQuery, FontSource, Slant};
use pixaven_imaging::{Format, Input, Limits, Processed, Scratch, process};

use super::{document, try_process};
use crate::helpers::{decode_png, plan_for};

/// A document of 400 × 60 units with a text at a font size of 40 units.
fn with_text(attributes: &str, text: &str) -> Vec<u8> {
    document(400, 60, &format!("<text x='5' y='45' font-size='40' {attributes}>{text}</text>"))
}

/// The number of pixels that are at least half covered.
fn n_dark(processed: &Processed) -> usize {
    decode_png(&processed.bytes).2.iter().filter(|[.., alpha]| *alpha > 127).count()
}

/// A source of fonts that knows a single font, which it calls by any of the given families.
#[derive(Debug)]
struct OneFont {
    family: &'static str,
    has_all_characters: bool,
    queries: Mutex<Vec<FontQuery>>,
}

impl OneFont {
    fn new(family: &'static str, has_all_characters: bool) -> Self {
        Self { family, has_all_characters, queries: Mutex::default() }
    }

    fn process(&self, image: &[u8]) -> Processed {
        let input = Input { image, watermark: None, fonts: Some(self) };
        process(input, &plan_for(Format::Png), &Limits::default(), &mut Scratch::default()).unwrap()
    }
}

impl FontSource for OneFont {
    fn find(&self, query: &FontQuery) -> Option<FontFile> {
        self.queries.lock().unwrap().push(query.clone());
        let is_found = query.families.iter().any(|family| family == self.family)
            || (query.character.is_some() && self.has_all_characters);
        is_found.then(|| FontFile { bytes: notosans::BOLD_TTF.to_vec(), index: 0 })
    }
}

#[test]
fn svg_text_is_drawn_without_any_installed_font() {
    let cases =
        ["", "font-family='sans-serif'", "font-family='serif'", "font-family='monospace, sans-serif'"];
    for attributes in cases {
        for text in ["Hello wörld", "Ελληνικά", "Кириллица"] {
            let done = try_process(&with_text(attributes, text)).unwrap();
            assert!(n_dark(&done) > 500, "{attributes} {text}");
            assert_eq!(done.warnings, [] as [&str; 0], "{attributes} {text}");
        }
    }
}

#[test]
fn bold_and_italic_svg_text_is_drawn_with_fonts_of_their_own() {
    let dark = |attributes: &str| n_dark(&try_process(&with_text(attributes, "Hello")).unwrap());
    let (regular, bold, italic) = (dark(""), dark("font-weight='bold'"), dark("font-style='italic'"));
    assert!(bold > regular * 5 / 4, "{bold} {regular}");
    assert!(italic != regular, "{italic}");
}

#[test]
fn missing_font_family_of_an_svg_is_replaced_with_a_warning_that_names_it() {
    let done = try_process(&with_text("font-family='Futura, Arial, sans-serif'", "Hello")).unwrap();
    assert!(n_dark(&done) > 500);
    let expected = "the font family \"Futura\" is missing: its text was drawn with Noto Sans";
    assert_eq!(done.warnings, [expected]);
}

#[test]
fn font_family_of_the_source_is_used_for_svg_text() {
    // The source knows a bold font by the name Futura, so the text becomes bold although it is not.
    let text = with_text("font-family='Futura' font-style='italic'", "Hello");
    let source = OneFont::new("Futura", false);
    let (with, without) = (source.process(&text), try_process(&text).unwrap());
    assert!(n_dark(&with) > n_dark(&without) * 5 / 4);
    let queries = source.queries.into_inner().unwrap();
    assert_eq!(queries.len(), 1, "{queries:?}");
    let FontQuery { families, character, weight, width, slant } = &queries[0];
    assert_eq!((families.as_slice(), *character), (["Futura".to_owned()].as_slice(), None));
    assert_eq!((*weight, *width, *slant), (400, 5, Slant::Italic));
}

#[test]
fn family_with_letters_of_equal_widths_replaces_a_missing_family_of_an_svg() {
    let source = OneFont::new("Liberation Sans", false);
    let done = source.process(&with_text("font-family='Arial'", "Hello"));
    assert!(done.warnings[0].contains("\"Arial\" is missing"), "{:?}", done.warnings);
    assert_eq!(source.queries.into_inner().unwrap().len(), 1);
}

#[test]
fn character_that_no_font_has_is_named_in_a_warning() {
    for (source, n_queries) in [(None, 0), (Some(OneFont::new("", false)), 2)] {
        let text = with_text("font-family='sans-serif'", "a漢字a漢");
        let fonts = source.as_ref().map(|source| source as &dyn FontSource);
        let input = Input { image: &text, watermark: None, fonts };
        let done =
            process(input, &plan_for(Format::Png), &Limits::default(), &mut Scratch::default()).unwrap();
        assert!(done.warnings[0].contains("no font has the character '漢' (U+6F22)"), "{:?}", done.warnings);
        let queries = source.map_or(Vec::new(), |source| source.queries.into_inner().unwrap());
        assert!(queries.len() <= n_queries, "{queries:?}");
        assert!(queries.iter().all(|query| query.character.is_some()));
    }
}

#[test]
fn malformed_font_of_the_source_is_not_used() {
    #[derive(Debug)]
    struct Malformed;
    impl FontSource for Malformed {
        fn find(&self, _: &FontQuery) -> Option<FontFile> {
            Some(FontFile { bytes: b"OTTO no font".to_vec(), index: 3 })
        }
    }
    let text = with_text("font-family='Futura'", "Hello 漢");
    let input = Input { image: &text, watermark: None, fonts: Some(&Malformed) };
    let done = process(input, &plan_for(Format::Png), &Limits::default(), &mut Scratch::default()).unwrap();
    assert!(n_dark(&done) > 500);
}
