//! Tests `pixaven demo`, the first command of a new user. The demo itself checks each of the statements that
//! it prints, and exits with an error at the first wrong statement.

use std::process::{Command, Output};

fn demo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pixaven"))
        .arg("demo")
        .args(arguments)
        .output()
        .expect("the binary can be started")
}

#[test]
fn the_command_pixaven_demo_prints_the_expected_texts_and_keeps_its_pictures_on_disk() {
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
        assert!(shown.contains(promised), "{promised:?} is missing in:\n{shown}");
    }
    let directory = shown.lines().rev().find_map(|line| line.trim().strip_prefix("pictures "));
    let directory =
        std::path::Path::new(directory.expect("the demo prints the directory of its images").trim());
    assert!(directory.join("original.jpg").exists() && directory.join("resized.jpg").exists());
    std::fs::remove_dir_all(directory).expect("the directory of the images can be removed");
}

#[test]
fn the_command_pixaven_demo_names_a_failed_step_and_exits_with_an_error() {
    let output = demo(&["--image", env!("CARGO_MANIFEST_PATH")]);
    let reason = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && reason.contains("1. an image in, a webhook out"), "{reason}");
}
