//! Tests of the prediction of memory: an image that would need more than [`Limits::memory_bytes`] is refused
//! before a pixel is decoded, and the prediction is close to the memory that is really used.
//!
//! The memory is measured in a process of its own, because the tests run in parallel in one process. The process
//! is this test binary, which then runs only the test `process_one_file`.

use std::path::Path;
use std::process::Command;

use pixaven_imaging::plan::{Gravity, Kernel, Light, Output, Resize, ResizeMode, TargetFormat};
use pixaven_imaging::{Error, Format, Image, Limits, Plan, Scratch, process};

use crate::helpers::{encoded, fading_photo, photo};

/// The environment variables that the process of `process_one_file` gets: the file, the width of the result (0:
/// the size of the picture) and the format of the result.
const FILE: &str = "PIXAVEN_MEMORY_FILE";
const WIDTH: &str = "PIXAVEN_MEMORY_WIDTH";
const FORMAT: &str = "PIXAVEN_MEMORY_FORMAT";

/// The size of the pictures. The memory of their pixels is a multiple of the memory of the program.
const SIZE: (u32, u32) = (2_400, 1_600);

fn plan(width: u32, format: Format) -> Plan {
    let resize = (width > 0).then_some(Resize {
        mode: ResizeMode::Auto,
        width: Some(width),
        height: None,
        gravity: Gravity::Center,
        upscale: false,
        background: None,
        kernel: Kernel::default(),
        light: Light::default(),
    });
    Plan {
        resize,
        output: Output { format: TargetFormat::Format(format), ..Output::default() },
        ..Plan::default()
    }
}

/// The largest resident memory that this process has had, in bytes.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

fn format_of(name: &str) -> Format {
    Format::written().find(|format| format.name() == name).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a test binary gets no other arguments than its own")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[test]
#[ignore = "a part of other tests, which run it in a process of its own"]
fn process_one_file() {
    let Some(file) = variable(FILE) else { return };
    let width = variable(WIDTH).unwrap().parse().unwrap();
    let plan = plan(width, format_of(&variable(FORMAT).unwrap()));
    let input = std::fs::read(file).unwrap();
    let limits = Limits { memory_bytes: u64::MAX, ..Limits::default() };
    let result = process(&input, &plan, &limits, &mut Scratch::default());
    println!("peak {}", peak_bytes());
    match result {
        Ok(done) => println!("done {}x{} {}", done.output.width, done.output.height, done.bytes.len()),
        Err(error) => println!("error {error}"),
    }
    println!("predicted {}", predicted(&input, &plan));
}

/// The memory of the program that a prediction contains, and the need beyond it that is never refused, in bytes.
const PROGRAM_BYTES: u64 = 16 << 20;
const NEGLIGIBLE_BYTES: u64 = 4 << 20;

/// The memory that is predicted for an image, in bytes. For an image whose need is negligible, the largest need
/// that counts as negligible.
#[track_caller]
fn predicted(input: &[u8], plan: &Plan) -> u64 {
    let limits = Limits { memory_bytes: 0, ..Limits::default() };
    let mut scratch = Scratch::default();
    match process(input, plan, &limits, &mut scratch) {
        Ok(_) => PROGRAM_BYTES + input.len() as u64 + NEGLIGIBLE_BYTES,
        Err(Error::Memory { needed_bytes, max_bytes: 0 }) => {
            assert_eq!(scratch.spare_bytes(), 0, "no buffer may be allocated");
            needed_bytes
        }
        Err(error) => panic!("{error}"),
    }
}

/// Measures the memory of a process that processes one file, in bytes. The process has the settings of the
/// allocator that an image worker has.
fn measured(file: &Path, width: u32, format: Format) -> u64 {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "memory::process_one_file", "--ignored", "--nocapture"])
        .envs([(FILE, file.to_str().unwrap()), (WIDTH, &width.to_string()), (FORMAT, format.name())])
        .envs([("MALLOC_ARENA_MAX", "1"), ("MALLOC_MMAP_THRESHOLD_", "1073741824")])
        .env("MALLOC_TRIM_THRESHOLD_", "134217728")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("\ndone "), "{file:?}: {text}");
    let (_, rest) = text.split_once("peak ").unwrap();
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

/// Checks that the prediction for each file and result is at least the measured memory, and at most half more.
fn check(cases: &[(&str, Vec<u8>, u32, Format)]) {
    let directory = tempfile::tempdir().unwrap();
    let mut failures = Vec::new();
    for (i, (name, input, width, format)) in cases.iter().enumerate() {
        let file = directory.path().join(i.to_string());
        std::fs::write(&file, input).unwrap();
        let [predicted, measured] =
            [predicted(input, &plan(*width, *format)), measured(&file, *width, *format)].map(|n| n as f64);
        let mib = |bytes: f64| bytes / f64::from(1 << 20);
        let case = format!(
            "{name} to {width} {}: measured {:.1} MiB, predicted {:.1} MiB",
            format.name(),
            mib(measured),
            mib(predicted)
        );
        println!("{case}");
        if predicted < measured || predicted > measured * 1.5 + f64::from(6 << 20) {
            failures.push(case);
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Creates the file of a picture in each format that can be read.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let image = photo(SIZE.0, SIZE.1);
    let translucent = fading_photo(SIZE.0, SIZE.1);
    let with = |image: &Image, format: Format, output: Output| {
        pixaven_imaging::encode(image.clone(), format, &output).unwrap()
    };
    let lossless = Output { lossless: true, ..Output::default() };
    vec![
        ("baseline JPEG", with(&image, Format::Jpeg, Output { baseline: true, ..Output::default() })),
        ("progressive JPEG", encoded(&image, Format::Jpeg)),
        ("4:4:4 JPEG", with(&image, Format::Jpeg, Output { quality: Some(95), ..Output::default() })),
        ("PNG", with(&image, Format::Png, Output { effort: Some(0), ..Output::default() })),
        ("translucent PNG", with(&translucent, Format::Png, Output { effort: Some(0), ..Output::default() })),
        ("palette PNG", with(&image, Format::Png, Output { quality: Some(50), ..Output::default() })),
        ("GIF", encoded(&image, Format::Gif)),
        ("WebP", encoded(&image, Format::Webp)),
        (
            "translucent WebP",
            with(&translucent, Format::Webp, Output { effort: Some(0), ..Output::default() }),
        ),
        ("lossless WebP", with(&image, Format::Webp, Output { effort: Some(0), ..lossless })),
        ("AVIF", with(&image, Format::Avif, Output { effort: Some(0), ..Output::default() })),
        ("HEIC", with(&image, Format::Heic, Output { effort: Some(0), ..Output::default() })),
        ("JXL", with(&image, Format::Jxl, Output { effort: Some(0), ..Output::default() })),
        ("JP2", encoded(&image, Format::Jp2)),
        ("TIFF", encoded(&image, Format::Tiff)),
        ("BMP", encoded(&image, Format::Bmp)),
    ]
}

#[cfg(target_os = "linux")]
#[test]
fn the_predicted_memory_of_each_input_format_is_an_upper_bound_and_at_most_half_too_large() {
    let files = files();
    let cases = files.iter().flat_map(|(name, file)| {
        [(*name, file.clone(), 64, Format::Jpeg), (*name, file.clone(), 0, Format::Bmp)]
    });
    check(&cases.collect::<Vec<_>>());
}

#[cfg(target_os = "linux")]
#[test]
fn the_predicted_memory_of_each_output_format_is_an_upper_bound_and_at_most_half_too_large() {
    let fast = Output { effort: Some(0), ..Output::default() };
    let [opaque, translucent] = [photo(SIZE.0, SIZE.1), fading_photo(SIZE.0, SIZE.1)]
        .map(|image| pixaven_imaging::encode(image, Format::Png, &fast).unwrap());
    let formats = [
        Format::Jpeg,
        Format::Png,
        Format::Gif,
        Format::Webp,
        Format::Avif,
        Format::Heic,
        Format::Jxl,
        Format::Jp2,
        Format::Tiff,
        Format::Bmp,
    ];
    let cases = formats.iter().flat_map(|&format| {
        [("opaque", opaque.clone(), 0, format), ("translucent", translucent.clone(), 0, format)]
    });
    check(&cases.collect::<Vec<_>>());
}

#[test]
fn an_image_that_needs_more_memory_than_the_limit_is_refused_by_a_message_with_the_need_and_the_limit() {
    let input = encoded(&photo(1_600, 1_200), Format::Png);
    let plan = plan(0, Format::Jpeg);
    let needed_bytes = predicted(&input, &plan);
    let run = |memory_bytes| {
        let limits = Limits { memory_bytes, ..Limits::default() };
        process(&input, &plan, &limits, &mut Scratch::default())
    };
    assert!(run(needed_bytes).is_ok());
    let error = run(needed_bytes - 1).unwrap_err();
    let (needed_mib, max_mib) = (needed_bytes.div_ceil(1 << 20), (needed_bytes - 1) >> 20);
    assert_eq!(
        error.to_string(),
        format!(
            "processing this image needs about {needed_mib} MiB of memory, and an image may use {max_mib} MiB"
        )
    );
}

#[test]
fn a_small_image_is_processed_whatever_the_memory_limit_is() {
    let limits = Limits { memory_bytes: 0, ..Limits::default() };
    let input = encoded(&photo(300, 200), Format::Png);
    assert!(process(&input, &plan(0, Format::Jpeg), &limits, &mut Scratch::default()).is_ok());
}

#[test]
fn a_reduced_image_needs_less_memory_if_its_format_is_decoded_in_parts() {
    let image = photo(1_600, 1_200);
    for format in [Format::Jpeg, Format::Png, Format::Gif] {
        let output = Output { effort: Some(0), ..Output::default() };
        let input = pixaven_imaging::encode(image.clone(), format, &output).unwrap();
        let [reduced, full] = [64, 0].map(|width| predicted(&input, &plan(width, Format::Bmp)));
        assert!(reduced + (2 << 20) < full, "{format:?}: {reduced} {full}");
    }
}

#[test]
fn spare_buffers_are_freed_if_they_and_the_next_image_together_exceed_the_memory_limit() {
    let input = encoded(&photo(1_600, 1_200), Format::Png);
    let plan = plan(0, Format::Bmp);
    let needed_bytes = predicted(&input, &plan);
    let mut scratch = Scratch::default();
    scratch.give(vec![0; 64 << 20]);
    let run = |memory_bytes, scratch: &mut Scratch| {
        let limits = Limits { memory_bytes, ..Limits::default() };
        process(&input, &plan, &limits, scratch).unwrap();
        scratch.spare_bytes()
    };
    assert!(run(needed_bytes + (100 << 20), &mut scratch) >= 64 << 20, "there is room for the buffers");
    assert!(run(needed_bytes + (10 << 20), &mut scratch) < 64 << 20);
}
