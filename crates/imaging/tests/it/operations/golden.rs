//! Golden pictures: what each operation and attribute made when somebody looked at it and found it right. The pictures
//! lie in `tests/golden`; `cargo test -p pixaven-imaging --test it -- --ignored bless` writes them anew. Look at
//! `contact_sheet` before you do.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use pixaven_imaging::plan::{
    Adjust, Blur, Border, Color, Crop, CropAt, Filter, Flip, Gravity, Kernel, Mask, Padding, Plan, Resize,
    ResizeMode, Scale, Shape,
};
use pixaven_imaging::{Channels, Image};

use super::contact_sheet::more;
use super::laws::effects;
use super::pictures::{paint, run};
use crate::geometry::asked;
use crate::pictures::{decode_png, rgba};

/// How far from its golden picture a picture may be, in levels: rounding differs between processors.
const MAX_MEAN: f64 = 0.25;
const MAX_ANYWHERE: u8 = 6;

const ORANGE: Color = Color { r: 255, g: 140, b: 0, a: 255 };

/// A landscape.
fn source() -> Image {
    let photo = crate::pictures::photo(192, 128);
    let resize = Plan { resize: Some(asked(ResizeMode::Exact, Some(96), Some(64))), ..Plan::default() };
    run(&photo, &resize)
}

/// One that is opaque on the left and fades out to the right.
fn translucent() -> Image {
    let opaque = source();
    paint(96, 64, Channels::Rgba, |x, y, c| match c {
        3 => (255 - x.saturating_sub(48) * 5) as u8,
        c => opaque.data()[((y * 96 + x) * 3) as usize + c],
    })
}

fn resizes() -> Vec<(&'static str, Plan)> {
    let plan = |resize| Plan { resize: Some(resize), ..Plan::default() };
    let with = |kernel, side| plan(Resize { kernel, ..asked(ResizeMode::Auto, Some(side), None) });
    let fit = |gravity| Resize { gravity, ..asked(ResizeMode::Fit, Some(30), Some(64)) };
    vec![
        ("resize auto", plan(asked(ResizeMode::Auto, Some(50), Some(50)))),
        ("resize auto height", plan(asked(ResizeMode::Auto, None, Some(20)))),
        ("resize exact", plan(asked(ResizeMode::Exact, Some(40), Some(60)))),
        ("resize fit", plan(fit(Gravity::Center))),
        ("resize fit left", plan(fit(Gravity::Left))),
        ("resize fit bottom-right", plan(fit(Gravity::BottomRight))),
        ("resize fit small", plan(Resize { upscale: false, ..asked(ResizeMode::Fit, Some(200), Some(200)) })),
        ("resize fill", plan(asked(ResizeMode::Fill, Some(50), Some(60)))),
        (
            "resize fill orange",
            plan(Resize { background: Some(ORANGE), ..asked(ResizeMode::Fill, Some(50), Some(60)) }),
        ),
        ("resize portrait", plan(asked(ResizeMode::Portrait, Some(10), Some(40)))),
        ("resize landscape", plan(asked(ResizeMode::Landscape, Some(40), Some(10)))),
        ("shrink lanczos3", with(Kernel::Lanczos3, 37)),
        ("shrink catmull-rom", with(Kernel::CatmullRom, 37)),
        ("shrink mitchell", with(Kernel::Mitchell, 37)),
        ("shrink bilinear", with(Kernel::Bilinear, 37)),
        ("shrink box", with(Kernel::Box, 37)),
        ("shrink nearest", with(Kernel::Nearest, 37)),
    ]
}

fn cuts() -> Vec<(&'static str, Plan)> {
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

fn other_ends() -> Vec<(&'static str, Plan)> {
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

/// The names and plans, each with the picture it is done to; some once more to one with alpha.
fn cases() -> Vec<(String, Plan, Image)> {
    let opaque: Vec<_> = [resizes(), cuts(), other_ends(), more(), effects()].concat();
    let with_alpha = ["shrink lanczos3", "resize fill orange", "padding sides", "ellipse", "border round"];
    let with_alpha =
        ["unsharp", "gaussian", "motion", "pixelate", "edges", "vignette"].into_iter().chain(with_alpha);
    let of_alpha = with_alpha.map(|name| {
        let (_, plan) = opaque.iter().find(|(known, _)| *known == name).expect("it is among the others");
        (format!("alpha {name}"), plan.clone(), translucent())
    });
    let of_alpha: Vec<_> = of_alpha.collect();
    opaque.into_iter().map(|(name, plan)| (name.to_owned(), plan, source())).chain(of_alpha).collect()
}

fn path(name: &str) -> PathBuf {
    let file = format!("{}.png", name.replace([' ', ':'], "_"));
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")).join(file)
}

/// The colours as far as they are seen: those of what is almost transparent are left to chance.
fn premultiplied(mut pixels: Vec<[u8; 4]>) -> Vec<[u8; 4]> {
    for [color @ .., alpha] in &mut pixels {
        color.iter_mut().for_each(|value| *value = (u16::from(*value) * u16::from(*alpha) / 255) as u8);
    }
    pixels
}

#[test]
fn every_operation_makes_its_golden_picture() {
    let mut wrong = Vec::new();
    for (name, plan, image) in cases() {
        let made = run(&image, &plan);
        let golden = fs::read(path(&name)).unwrap_or_else(|error| panic!("{name}: {error}; see `bless`"));
        let (width, height, golden) = decode_png(&golden);
        if (width, height) != (made.width(), made.height()) {
            wrong.push(format!("{name}: {}x{} became {}x{}", width, height, made.width(), made.height()));
            continue;
        }
        let (golden, made) = (premultiplied(golden), premultiplied(rgba(&made)));
        let differences = golden.as_flattened().iter().zip(made.as_flattened()).map(|(a, b)| a.abs_diff(*b));
        let (sum, most) = differences.fold((0u64, 0), |(sum, most), d| (sum + u64::from(d), most.max(d)));
        let mean = sum as f64 / golden.as_flattened().len() as f64;
        if mean > MAX_MEAN || most > MAX_ANYWHERE {
            wrong.push(format!("{name}: off by {mean:.2} in the mean and {most} somewhere"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn golden_pictures_are_those_of_the_cases_and_differ() {
    let names: BTreeSet<PathBuf> = cases().iter().map(|(name, ..)| path(name)).collect();
    assert_eq!(names.len(), cases().len(), "no two cases have one name");
    let directory = path("x").parent().unwrap().to_owned();
    let there: BTreeSet<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(there, names);
    // Without its saturation a picture is what `mono` makes of it.
    let there = || there.iter().filter(|picture| **picture != path("saturation -100"));
    let pictures: BTreeSet<Vec<u8>> = there().map(|path| fs::read(path).unwrap()).collect();
    assert_eq!(pictures.len(), there().count(), "an attribute that changes nothing has no golden picture");
}

#[test]
#[ignore = "writes to tests/golden"]
fn bless() {
    fs::create_dir_all(path("x").parent().unwrap()).unwrap();
    for (name, plan, image) in cases() {
        let made = run(&image, &plan);
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, made.width(), made.height());
        encoder.set_color(match made.channels() {
            Channels::Gray => png::ColorType::Grayscale,
            Channels::Rgb => png::ColorType::Rgb,
            Channels::Rgba => png::ColorType::Rgba,
        });
        encoder.set_compression(png::Compression::High);
        encoder.write_header().unwrap().write_image_data(made.data()).unwrap();
        fs::write(path(&name), bytes).unwrap();
    }
}
