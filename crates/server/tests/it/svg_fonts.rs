//! Tests that text in SVG images is drawn with the fonts of the directory `images.fonts`, which the server sends
//! to its image workers, and that `pixaven process` prints the warnings about missing fonts.

use std::path::Path;

use tempfile::TempDir;

use crate::binary::run;

/// Returns the font Noto Sans Bold with the family name Moto Sans. The names in the font are in UTF-16 and in
/// ASCII.
fn renamed_font() -> Vec<u8> {
    let mut font = notosans::BOLD_TTF.to_vec();
    let name = "Noto Sans";
    for pattern in [name.as_bytes().to_vec(), name.encode_utf16().flat_map(u16::to_be_bytes).collect()] {
        let starts: Vec<usize> =
            (0..font.len()).filter(|&start| font[start..].starts_with(&pattern)).collect();
        for start in starts {
            let letter = pattern.iter().position(|&byte| byte == b'N').expect("the name begins with N");
            font[start + letter] = b'M';
        }
    }
    font
}

fn write_text(directory: &Path, family: &str) {
    let text = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='300' height='60'>\
         <text x='5' y='45' font-size='40' font-family='{family}'>Hello</text></svg>"
    );
    std::fs::write(directory.join("text.svg"), text).expect("the directory is writable");
}

/// Processes the file `text.svg` with the fonts in the folder `fonts`. Returns the result and the standard
/// error.
async fn process(directory: &Path) -> (Vec<u8>, String) {
    let arguments = ["process", "text.svg", "--out", "out", "--force", "--set", "images.fonts=fonts"];
    let (succeeded, _, error) = run(directory, &arguments, &[]).await;
    assert!(succeeded, "{error}");
    (std::fs::read(directory.join("out/text.png")).expect("the result exists"), error)
}

#[tokio::test]
async fn svg_text_is_drawn_with_a_font_of_the_configured_directory() {
    let directory = TempDir::new().expect("a temporary directory can be created");
    let below = directory.path().join("fonts/below");
    std::fs::create_dir_all(&below).expect("the directory is writable");
    std::fs::write(below.join("moto.ttf"), renamed_font()).expect("the directory is writable");
    std::fs::write(below.join("broken.ttf"), "no font").expect("the directory is writable");
    write_text(directory.path(), "moto sans");
    let (found, error) = process(directory.path()).await;
    assert_eq!(error, "");
    write_text(directory.path(), "Other Sans");
    let (replaced, error) = process(directory.path()).await;
    let expected = "the font family \"Other Sans\" is missing: its text was drawn with Noto Sans";
    assert!(error.contains("note: text.svg: ") && error.contains(expected), "{error}");
    assert_ne!(found, replaced, "the font in the directory is bold");
}

#[tokio::test]
async fn font_directory_that_does_not_exist_is_refused_with_the_name_of_the_setting() {
    let directory = TempDir::new().expect("a temporary directory can be created");
    write_text(directory.path(), "serif");
    let arguments = ["process", "text.svg", "--out", "out", "--set", "images.fonts=nowhere"];
    let (succeeded, _, error) = run(directory.path(), &arguments, &[]).await;
    assert!(!succeeded && error.contains("images.fonts") && error.contains("nowhere"), "{error}");
}
