//! Draws the result of every operation into one image for visual review. The command is `cargo test -p
//! pixaven-imaging -- --ignored contact_sheet --nocapture`.

use std::fs::File;
use std::io::BufWriter;

use pixaven_imaging::plan::{
    Adjust, Blur, Border, Color, Crop, Filter, Flip, Gravity, Mask, Padding, Plan, Resize, ResizeMode, Shape,
};
use pixaven_imaging::{Channels, Image};

use super::helpers::{image_from_fn, pixel_at, run};
use super::properties::effects;
use crate::geometry::resize_to;

const CELL: (u32, u32) = (320, 240);
const GAP: u32 = 8;
const N_COLUMNS: u32 = 6;

/// Test cases that the function `effects` does not return: operations that change the shape of the image, and
/// other values of some attributes.
pub(crate) fn sheet_cases() -> Vec<(&'static str, Plan)> {
    let adjust = |adjust| Plan { adjust: Some(adjust), ..Plan::default() };
    let filter = |filter| Plan { filter: Some(filter), ..Plan::default() };
    let resize = |resize| Plan { resize: Some(resize), ..Plan::default() };
    let (a, f) = (Adjust::default(), Filter::default());
    let orange = Color { r: 255, g: 140, b: 0, a: 255 };
    vec![
        ("unchanged", Plan::default()),
        ("flip", Plan { flip: Some(Flip { horizontal: true, vertical: true }), ..Plan::default() }),
        (
            "crop 1:1",
            Plan { crop: Some(Crop::Ratio { ratio: 1.0, gravity: Gravity::Right }), ..Plan::default() },
        ),
        (
            "fill",
            resize(Resize { background: Some(orange), ..resize_to(ResizeMode::Fill, Some(240), Some(240)) }),
        ),
        ("ellipse", Plan { mask: Some(Mask { shape: Shape::Ellipse, background: None }), ..Plan::default() }),
        (
            "rounded",
            Plan {
                mask: Some(Mask { shape: Shape::Rounded { radius: 40 }, background: None }),
                ..Plan::default()
            },
        ),
        (
            "border",
            Plan {
                border: Some(Border { size: 12, color: orange, radius: 50, background: None }),
                ..Plan::default()
            },
        ),
        (
            "padding",
            Plan {
                padding: Some(Padding { top: 9, right: 9, bottom: 9, left: 9, background: Some(orange) }),
                resize: Some(resize_to(ResizeMode::Exact, Some(300), Some(220))),
                ..Plan::default()
            },
        ),
        ("unsharp 100", adjust(Adjust { unsharp: 100.0, ..a })),
        ("contrast -50", adjust(Adjust { contrast: -50.0, ..a })),
        ("saturation -100", adjust(Adjust { saturation: -100.0, ..a })),
        ("vibrance -60", adjust(Adjust { vibrance: -60.0, ..a })),
        ("temperature -50", adjust(Adjust { temperature: -50.0, ..a })),
        ("temperature 100", adjust(Adjust { temperature: 100.0, ..a })),
        ("tint -50", adjust(Adjust { tint: -50.0, ..a })),
        ("highlights 60", adjust(Adjust { highlights: 60.0, ..a })),
        ("shadows -60", adjust(Adjust { shadows: -60.0, ..a })),
        ("exposure -40", adjust(Adjust { exposure: -40.0, ..a })),
        ("gaussian 30", filter(Filter { blur: Some(Blur::Gaussian { radius: 30.0 }), ..f })),
        ("sepia 50", filter(Filter { sepia: Some(50.0), ..f })),
        ("edges 50", filter(Filter { edges: Some(50.0), ..f })),
        ("emboss 100", filter(Filter { emboss: Some(100.0), ..f })),
    ]
}

#[test]
#[ignore = "renders an image for visual review and checks nothing"]
fn contact_sheet_for_visual_review_shows_the_result_of_every_operation() {
    let photo = crate::helpers::photo(CELL.0 * 2, CELL.1 * 2);
    let small = run(
        &photo,
        &Plan { resize: Some(resize_to(ResizeMode::Exact, Some(CELL.0), Some(CELL.1))), ..Plan::default() },
    );
    let plans: Vec<_> = sheet_cases().into_iter().chain(effects()).collect();
    let images: Vec<Image> = plans.iter().map(|(_, plan)| over_checkerboard(&run(&small, plan))).collect();
    let n_rows = (images.len() as u32).div_ceil(N_COLUMNS);
    let (width, height) = (N_COLUMNS * (CELL.0 + GAP), n_rows * (CELL.1 + GAP));
    let sheet = image_from_fn(width, height, Channels::Rgb, |x, y, c| {
        let cell = y / (CELL.1 + GAP) * N_COLUMNS + x / (CELL.0 + GAP);
        let (x, y) = (x % (CELL.0 + GAP), y % (CELL.1 + GAP));
        match images.get(cell as usize) {
            Some(image) if x < image.width() && y < image.height() => pixel_at(image, x, y)[c],
            _ => 128,
        }
    });

    let path = std::env::temp_dir().join("pixaven-contact-sheet.png");
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(&path).unwrap()), width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(sheet.data()).unwrap();
    println!("{}, row by row:", path.display());
    for names in plans.chunks(N_COLUMNS as usize) {
        println!("  {}", names.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "));
    }
}

/// Converts an image to RGB. Behind transparent pixels, a checkerboard is visible.
fn over_checkerboard(image: &Image) -> Image {
    image_from_fn(image.width(), image.height(), Channels::Rgb, |x, y, c| match pixel_at(image, x, y) {
        [r, g, b, a] => {
            let background = if (x / 8 + y / 8) % 2 == 0 { 255 } else { 200 };
            let over = u32::from(*[r, g, b][c]) * u32::from(*a) + background * u32::from(255 - a);
            (over / 255) as u8
        }
        pixel => pixel[c % pixel.len()],
    })
}
