//! Tests with golden images: files in `tests/golden` with the approved result of each operation and
//! attribute. The ignored test `golden_images_are_regenerated_from_the_current_results` overwrites these
//! files with the current results. Before you run this test, review the image that the test
//! `contact_sheet_for_visual_review_shows_the_result_of_every_operation` writes. The command for the test is
//! `cargo test -p pixaven-imaging --test it -- --ignored golden_images_are_regenerated`.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use pixaven_imaging::plan::{
    Adjust, Blur, Border, Color, Crop, CropAt, Filter, Flip, Gravity, Kernel, Mask, Padding, Plan, Resize,
    ResizeMode, Scale, Shape,
};
use pixaven_imaging::{Channels, Image};

use super::contact_sheet::sheet_cases;
use super::helpers::{image_from_fn, run};
use super::properties::effects;
use crate::geometry::resize_to;
use crate::helpers::{decode_png, rgba};

/// The largest allowed difference from a golden image, in levels: `MAX_MEAN_DIFFERENCE` for the mean of all
/// values, and `MAX_DIFFERENCE` for any single value. A difference is allowed because processors differ in
/// rounding.
const MAX_MEAN_DIFFERENCE: f64 = 0.25;
const MAX_DIFFERENCE: u8 = 6;

const ORANGE: Color = Color { r: 255, g: 140, b: 0, a: 255 };

/// A synthetic landscape, the input of the cases without alpha.
fn source() -> Image {
    let photo = crate::helpers::photo(192, 128);
    let resize = Plan { resize: Some(resize_to(ResizeMode::Exact, Some(96), Some(64))), ..Plan::default() };
    run(&photo, &resize)
}

/// The landscape with alpha: the left half is opaque, and the right half becomes more transparent towards the
/// right edge.
fn translucent() -> Image {
    let opaque = source();
    image_from_fn(96, 64, Channels::Rgba, |x, y, c| match c {
        3 => (255 - x.saturating_sub(48) * 5) as u8,
        c => opaque.data()[((y * 96 + x) * 3) as usize + c],
    })
}

fn resizes() -> Vec<(&'static str, Plan)> {
    let plan = |resize| Plan { resize: Some(resize), ..Plan::default() };
    let with = |kernel, side| plan(Resize { kernel, ..resize_to(ResizeMode::Auto, Some(side), None) });
    let fit = |gravity| Resize { gravity, ..resize_to(ResizeMode::Fit, Some(30), Some(64)) };
    vec![
        ("resize auto", plan(resize_to(ResizeMode::Auto, Some(50), Some(50)))),
        ("resize auto height", plan(resize_to(ResizeMode::Auto, None, Some(20)))),
        ("resize exact", plan(resize_to(ResizeMode::Exact, Some(40), Some(60)))),
        ("resize fit", plan(fit(Gravity::Center))),
        ("resize fit left", plan(fit(Gravity::Left))),
        ("resize fit bottom-right", plan(fit(Gravity::BottomRight))),
        (
            "resize fit small",
            plan(Resize { upscale: false, ..resize_to(ResizeMode::Fit, Some(200), Some(200)) }),
        ),
        ("resize fill", plan(resize_to(ResizeMode::Fill, Some(50), Some(60)))),
        (
            "resize fill orange",
            plan(Resize { background: Some(ORANGE), ..resize_to(ResizeMode::Fill, Some(50), Some(60)) }),
        ),
        ("resize portrait", plan(resize_to(ResizeMode::Portrait, Some(10), Some(40)))),
        ("resize landscape", plan(resize_to(ResizeMode::Landscape, Some(40), Some(10)))),
        ("shrink lanczos3", with(Kernel::Lanczos3, 37)),
        ("shrink catmull-rom", with(Kernel::CatmullRom, 37)),
        ("shrink mitchell", with(Kernel::Mitchell, 37)),
        ("shrink bilinear", with(Kernel::Bilinear, 37)),
        ("shrink box", with(Kernel::Box, 37)),
        ("shrink nearest", with(Kernel::Nearest, 37)),
    ]
}

fn crops_and_shapes() -> Vec<(&'static str, Plan)> {
    let crop = |crop| Plan { crop: Some(crop), ..Plan::default() };
    let rect = |at| crop(Crop::Rect { width: 40, height: 30, at });
    let ratio = |gravity| crop(Crop::Ratio { ratio: 0.75, gravity });
    let flip = |horizontal, vertical| Plan { flip: Some(Flip { horizontal, vertical }), ..Plan::default() };
    let scale = |size, ratio| Plan { scale: Some(Scale { size, ratio }), ..Plan::default() };
    let mask = |shape| Plan { mask: Some(Mask { shape, background: Some(ORANGE) }), ..Plan::default() };
    let border = |size, radius, background| Plan {
        border: Some(Border { size, color: Color::BLACK, radius, background }),
        ..Plan::default()
    };
    let padding = |[top, right, bottom, left]: [u32; 4]| Plan {
        padding: Some(Padding { top, right, bottom, left, background: None }),
        ..Plan::default()
    };
    vec![
        ("flip horizontal", flip(true, false)),
        ("flip vertical", flip(false, true)),
        ("crop center", rect(CropAt::Gravity(Gravity::Center))),
        ("crop top-left", rect(CropAt::Gravity(Gravity::TopLeft))),
        ("crop bottom", rect(CropAt::Gravity(Gravity::Bottom))),
        ("crop at 50 20", rect(CropAt::Point { x: 50, y: 20 })),
        ("crop ratio", ratio(Gravity::Center)),
        ("crop ratio right", ratio(Gravity::Right)),
        ("scale half", scale(0.5, 1.0)),
        ("scale wide", scale(0.4, 2.0)),
        ("ellipse orange", mask(Shape::Ellipse)),
        ("rounded orange", mask(Shape::Rounded { radius: 20 })),
        ("border plain", border(5, 0, None)),
        ("border round", border(5, 20, None)),
        ("border background", border(5, 20, Some(ORANGE))),
        ("border no size", border(0, 20, None)),
        ("padding sides", padding([1, 5, 10, 0])),
    ]
}

fn further_values() -> Vec<(&'static str, Plan)> {
    let adjust = |adjust| Plan { adjust: Some(adjust), ..Plan::default() };
    let filter = |filter| Plan { filter: Some(filter), ..Plan::default() };
    let (a, f) = (Adjust::default(), Filter::default());
    vec![
        ("brightness -30", adjust(Adjust { brightness: -30.0, ..a })),
        ("saturation 100", adjust(Adjust { saturation: 100.0, ..a })),
        ("gamma -30", adjust(Adjust { gamma: -30.0, ..a })),
        ("hue -120", adjust(Adjust { hue: -120.0, ..a })),
        ("motion 90", filter(Filter { blur: Some(Blur::Motion { radius: 8.0, angle: 90.0 }), ..f })),
        ("mono 50", filter(Filter { mono: Some(50.0), ..f })),
        ("invert 30", filter(Filter { invert: Some(30.0), ..f })),
        ("vignette 30", filter(Filter { vignette: Some(30.0), ..f })),
        ("posterize 20", filter(Filter { posterize: Some(20.0), ..f })),
        ("noise 10", filter(Filter { noise: Some(10.0), ..f })),
    ]
}

/// Returns all cases: the name, the plan and the input of each case. Some plans occur a second time, with an
/// input that has alpha.
fn cases() -> Vec<(String, Plan, Image)> {
    let opaque: Vec<_> = [resizes(), crops_and_shapes(), further_values(), sheet_cases(), effects()].concat();
    let with_alpha = ["shrink lanczos3", "resize fill orange", "padding sides", "ellipse", "border round"];
    let with_alpha =
        ["unsharp", "gaussian", "motion", "pixelate", "edges", "vignette"].into_iter().chain(with_alpha);
    let alpha_cases = with_alpha.map(|name| {
        let (_, plan) =
            opaque.iter().find(|(known, _)| *known == name).expect("the case exists without alpha");
        (format!("alpha {name}"), plan.clone(), translucent())
    });
    let alpha_cases: Vec<_> = alpha_cases.collect();
    opaque.into_iter().map(|(name, plan)| (name.to_owned(), plan, source())).chain(alpha_cases).collect()
}

fn path(name: &str) -> PathBuf {
    let file = format!("{}.png", name.replace([' ', ':'], "_"));
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")).join(file)
}

/// Multiplies colours by alpha, because the colours of almost transparent pixels may differ from processor to
/// processor.
fn premultiplied(mut pixels: Vec<[u8; 4]>) -> Vec<[u8; 4]> {
    for [color @ .., alpha] in &mut pixels {
        color.iter_mut().for_each(|value| *value = (u16::from(*value) * u16::from(*alpha) / 255) as u8);
    }
    pixels
}

#[test]
fn result_of_every_image_operation_matches_its_golden_image() {
    let mut failures = Vec::new();
    for (name, plan, image) in cases() {
        let result = run(&image, &plan);
        let golden = fs::read(path(&name)).unwrap_or_else(|error| {
            panic!("{name}: {error}; see `golden_images_are_regenerated_from_the_current_results`")
        });
        let (width, height, golden) = decode_png(&golden);
        if (width, height) != (result.width(), result.height()) {
            failures.push(format!(
                "{name}: {}x{} became {}x{}",
                width,
                height,
                result.width(),
                result.height()
            ));
            continue;
        }
        let (golden, result) = (premultiplied(golden), premultiplied(rgba(&result)));
        let differences =
            golden.as_flattened().iter().zip(result.as_flattened()).map(|(a, b)| a.abs_diff(*b));
        let (sum, largest) =
            differences.fold((0u64, 0), |(sum, largest), d| (sum + u64::from(d), largest.max(d)));
        let mean = sum as f64 / golden.as_flattened().len() as f64;
        if mean > MAX_MEAN_DIFFERENCE || largest > MAX_DIFFERENCE {
            failures.push(format!("{name}: off by {mean:.2} in the mean and {largest} somewhere"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_golden_image_belongs_to_a_test_case_and_differs_from_the_other_golden_images() {
    let names: BTreeSet<PathBuf> = cases().iter().map(|(name, ..)| path(name)).collect();
    assert_eq!(names.len(), cases().len(), "all cases must have different names");
    let directory = path("x").parent().unwrap().to_owned();
    let golden_files: BTreeSet<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(golden_files, names);
    // The images of `saturation -100` and `mono` are equal, because both remove all saturation.
    let golden_files = || golden_files.iter().filter(|picture| **picture != path("saturation -100"));
    let pictures: BTreeSet<Vec<u8>> = golden_files().map(|path| fs::read(path).unwrap()).collect();
    assert_eq!(pictures.len(), golden_files().count(), "all golden images must differ");
}

#[test]
#[ignore = "writes to tests/golden"]
fn golden_images_are_regenerated_from_the_current_results() {
    fs::create_dir_all(path("x").parent().unwrap()).unwrap();
    for (name, plan, image) in cases() {
        let result = run(&image, &plan);
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, result.width(), result.height());
        encoder.set_color(match result.channels() {
            Channels::Gray => png::ColorType::Grayscale,
            Channels::Rgb => png::ColorType::Rgb,
            Channels::Rgba => png::ColorType::Rgba,
        });
        encoder.set_compression(png::Compression::High);
        encoder.write_header().unwrap().write_image_data(result.data()).unwrap();
        fs::write(path(&name), bytes).unwrap();
    }
}
