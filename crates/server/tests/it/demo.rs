//! `pixaven demo`: what a newcomer runs first. It checks each of its statements itself and ends with an error at the
//! first that is wrong, so what is left to test is that it says yes to the right and no to the wrong.

use std::process::{Command, Output};

fn demo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pixaven")).arg("demo").args(arguments).output().expect("the binary runs")
}

#[test]
fn the_demo_shows_all_it_promises() {
    let output = demo(&[]);
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{shown}{}", String::from_utf8_lossy(&output.stderr));
    for promised in [
        "curl -u pxv_",
        "202 Accepted",
        "webhook-signature: v1,",
        "attempt 3",
        "\"error\": \"image_corrupt\"",
    ] {
        assert!(shown.contains(promised), "{promised:?} is missing from:\n{shown}");
    }
    let pictures = shown.lines().rev().find_map(|line| line.trim().strip_prefix("pictures "));
    let pictures = std::path::Path::new(pictures.expect("the demo says where the pictures lie").trim());
    assert!(pictures.join("original.jpg").exists() && pictures.join("resized.jpg").exists());
    std::fs::remove_dir_all(pictures).expect("the pictures are this test's to remove");
}

#[test]
fn a_demo_that_goes_wrong_says_what_and_fails() {
    let output = demo(&["--image", env!("CARGO_MANIFEST_PATH")]);
    let reason = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && reason.contains("1. an image in, a webhook out"), "{reason}");
}
