//! Opens files of every output format with independent decoders, which the script `tests/second_decoders.py`
//! runs. Size, number of frames and delays must match the values that the code under test reports, and
//! colours must match the input.

#![expect(clippy::disallowed_methods, reason = "the environment names the Python with the decoders")]

use std::path::Path;
use std::process::Command;

use pixaven_imaging::{Channels, Format, Image};
use serde_json::{Value, json};

use crate::animation::apng;
use crate::helpers::{photo, plan_for, png_of, run};

/// Returns the Python interpreter that the environment variable `PIXAVEN_SECOND_DECODERS` names. The
/// interpreter must have Pillow and its plugins, and `PATH` must contain ffprobe and ffmpeg. If the variable
/// is not set, the function prints that the test is skipped.
fn python() -> Option<String> {
    let python = std::env::var("PIXAVEN_SECOND_DECODERS").ok();
    if python.is_none() {
        let required = std::env::var_os("PIXAVEN_REQUIRE_SECOND_DECODERS").is_some();
        assert!(!required, "PIXAVEN_SECOND_DECODERS names no Python");
        eprintln!("SKIPPED: no second decoders (set PIXAVEN_SECOND_DECODERS to a Python with Pillow)");
    }
    python
}

/// Writes a file of the given format. Returns the properties that the Python script must find in the file.
fn write(folder: &Path, kind: &str, format: Format, input: &[u8], times: &[u16]) -> Value {
    let done = run(input, &plan_for(format));
    let file = format!("{kind}.{}", format.extension());
    std::fs::write(folder.join(&file), &done.bytes).unwrap();
    json!({
        "file": file,
        "reference": format!("{kind}.reference.png"),
        "size": [done.output.width, done.output.height],
        "frames": done.output.frames,
        "times": times,
    })
}

#[test]
fn decoder_of_another_project_decodes_the_file_that_is_written_in_each_output_format() {
    let Some(python) = python() else { return };
    let folder = std::env::temp_dir().join(format!("pixaven-second-decoders-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    // The sides are odd numbers, which some video formats cannot store, and the delays are not multiples of a
    // common frame duration.
    let still = png_of(&photo(97, 61));
    let times = [40u16, 70, 200, 30, 110];
    let frames: Vec<(Image, u16)> = (0..).zip(times).map(|(i, time)| (shifted(i), time)).collect();
    let animation = apng(&frames, 0);
    std::fs::write(folder.join("still.reference.png"), &still).unwrap();
    std::fs::write(folder.join("animation.reference.png"), png_of(&frames[0].0)).unwrap();
    let mut manifest = Vec::new();
    // AVIF has planes of its own for a gray picture and for transparency.
    for (kind, picture) in [("gray", gray(&photo(97, 61))), ("transparent", transparent(&photo(97, 61)))] {
        let input = png_of(&picture);
        std::fs::write(folder.join(format!("{kind}.reference.png")), &input).unwrap();
        manifest.push(write(&folder, kind, Format::Avif, &input, &[]));
    }
    for format in Format::written() {
        manifest.push(write(&folder, "still", format, &still, &[]));
        if format.is_animated() {
            manifest.push(write(&folder, "animation", format, &animation, &times));
        }
    }
    std::fs::write(folder.join("manifest.json"), serde_json::to_vec(&manifest).unwrap()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/second_decoders.py");
    let output = Command::new(python).arg(script).arg(&folder).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    eprintln!("{stdout}");
    assert!(output.status.success(), "{stdout}{stderr}");
    assert_eq!(stdout.lines().count(), manifest.len(), "{stderr}");
    std::fs::remove_dir_all(folder).unwrap();
}

/// Returns the green channel of a picture as a gray picture.
fn gray(picture: &Image) -> Image {
    let data = picture.data().chunks_exact(3).map(|pixel| pixel[1]).collect();
    Image::new(picture.width(), picture.height(), Channels::Gray, data)
}

/// Returns a picture whose alpha grows from left to right.
fn transparent(picture: &Image) -> Image {
    let width = picture.width() as usize;
    let pixels = picture.data().chunks_exact(3).enumerate();
    let data = pixels.flat_map(|(i, pixel)| [pixel[0], pixel[1], pixel[2], (i % width * 255 / width) as u8]);
    Image::new(picture.width(), picture.height(), Channels::Rgba, data.collect())
}

/// Returns a part of a photograph. With each step, the content moves to the left by 3 pixels.
fn shifted(step: u32) -> Image {
    let wide = photo(120, 66);
    let row = |row: &[u8]| row[step as usize * 9..][..80 * 3].to_vec();
    Image::new(80, 66, Channels::Rgb, wide.data().chunks_exact(120 * 3).flat_map(row).collect())
}
