//! Tests that an SVG document is drawn at the size at which the plan needs it, and never enlarged as pixels. The
//! drawing is a black and white checkerboard whose squares are one pixel of the output: resampled pixels would be
//! gray.

use std::fmt::Write as _;

use pixaven_imaging::plan::{
    Color, Crop, CropAt, Flip, Gravity, Kernel, Length, Light, Resize, ResizeMode, Scale, Watermark,
};
use pixaven_imaging::{Format, Input, Limits, Plan, Scratch, process};

use super::document;
use crate::helpers::{decode_png, encoded, photo, plan_for, run};

/// Creates a document of `width` × `height` units with a checkerboard of `columns` × `rows` squares.
fn checkerboard(width: u32, height: u32, columns: u32, rows: u32) -> Vec<u8> {
    let (x, y) = (f64::from(width) / f64::from(columns), f64::from(height) / f64::from(rows));
    let mut squares = format!("<rect width='{width}' height='{height}' fill='#fff'/>");
    for row in 0..rows {
        for column in (row % 2..columns).step_by(2) {
            let (left, top) = (f64::from(column) * x, f64::from(row) * y);
            write!(squares, "<rect x='{left}' y='{top}' width='{x}' height='{y}'/>").unwrap();
        }
    }
    document(width, height, &squares)
}

fn resize(mode: ResizeMode, width: u32, height: u32) -> Plan {
    let resize = Resize {
        mode,
        width: Some(width),
        height: Some(height),
        gravity: Gravity::Center,
        upscale: true,
        background: Some(Color { r: 255, g: 0, b: 0, a: 255 }),
        kernel: Kernel::Lanczos3,
        light: Light::Srgb,
    };
    Plan { resize: Some(resize), ..plan_for(Format::Png) }
}

/// Checks that the squares of the output are sharp, apart from pixels in the background colour, and that the
/// output has the given size.
fn assert_sharp(input: &[u8], plan: &Plan, size: (u32, u32)) {
    let (width, height, pixels) = decode_png(&run(input, plan).bytes);
    assert_eq!((width, height), size);
    let is_sharp = |[r, g, b, a]: [u8; 4]| {
        let is_gray = r == g && g == b;
        a == 255 && ((is_gray && !(3..=252).contains(&r)) || (r == 255 && g == 0 && b == 0))
    };
    let blurred = pixels.iter().filter(|&&pixel| !is_sharp(pixel)).count();
    assert_eq!(blurred, 0, "{blurred} blurred pixels of {}", pixels.len());
    assert!(pixels.contains(&[0, 0, 0, 255]) && pixels.contains(&[255; 4]));
}

#[test]
fn svg_is_drawn_at_the_size_of_every_resize_mode() {
    let icon = checkerboard(10, 10, 60, 60);
    for mode in
        [ResizeMode::Auto, ResizeMode::Exact, ResizeMode::Fit, ResizeMode::Portrait, ResizeMode::Landscape]
    {
        assert_sharp(&icon, &resize(mode, 60, 60), (60, 60));
    }
    assert_sharp(&icon, &resize(ResizeMode::Fit, 60, 30), (60, 30));
    assert_sharp(&icon, &resize(ResizeMode::Fill, 100, 60), (100, 60));
    assert_sharp(&checkerboard(10, 10, 80, 40), &resize(ResizeMode::Exact, 80, 40), (80, 40));
    assert_sharp(&checkerboard(800, 400, 40, 20), &resize(ResizeMode::Exact, 40, 20), (40, 20));
}

#[test]
fn svg_is_drawn_at_its_size_after_the_operation_scale() {
    let scale = Some(Scale { size: 3.0, ratio: 1.0 });
    let plan = Plan { scale, ..plan_for(Format::Png) };
    assert_sharp(&checkerboard(20, 10, 60, 30), &plan, (60, 30));
    let both = Plan { scale, ..resize(ResizeMode::Exact, 20, 20) };
    assert_sharp(&checkerboard(10, 10, 60, 60), &both, (60, 60));
    let filled = Plan { scale, ..resize(ResizeMode::Fill, 40, 20) };
    assert_sharp(&checkerboard(10, 10, 60, 60), &filled, (120, 60));
}

#[test]
fn cropped_and_mirrored_part_of_an_svg_is_drawn_at_the_size_of_the_output() {
    let crop = Some(Crop::Rect { width: 5, height: 5, at: CropAt::Point { x: 5, y: 0 } });
    let flip = Some(Flip { horizontal: true, vertical: false });
    let plan = Plan { crop, flip, ..resize(ResizeMode::Exact, 60, 60) };
    assert_sharp(&checkerboard(10, 10, 120, 120), &plan, (60, 60));
    // The left half of the drawing is blue, so the right half of the mirrored drawing is blue.
    let halves =
        document(10, 10, "<rect width='5' height='10' fill='#00f'/><rect x='5' width='5' height='10'/>");
    let (_, _, pixels) = decode_png(&run(&halves, &plan).bytes);
    assert!(pixels.iter().all(|pixel| *pixel == [0, 0, 255, 255]));
}

#[test]
fn part_of_an_svg_is_drawn_even_if_the_whole_drawing_would_exceed_the_limits() {
    let crop = Some(Crop::Rect { width: 1, height: 1, at: CropAt::Point { x: 0, y: 0 } });
    let plan = Plan { crop, ..resize(ResizeMode::Exact, 40, 40) };
    let limits = Limits { pixels: 100_000, ..Limits::default() };
    let input = document(
        300,
        300,
        "<rect width='0.5' height='1'/><rect x='0.5' width='299' height='300' fill='#fff'/>",
    );
    let done = process(&input, &plan, &limits, &mut Scratch::default()).unwrap();
    let (_, _, pixels) = decode_png(&done.bytes);
    for (i, [r, ..]) in pixels.iter().enumerate() {
        assert_eq!(*r, if i % 40 < 20 { 0 } else { 255 }, "{i}");
    }
}

#[test]
fn svg_watermark_is_drawn_at_its_size_in_the_output() {
    let watermark = Watermark {
        gravity: Gravity::TopLeft,
        padding: 0,
        at: None,
        width: Some(Length::Px(60)),
        height: None,
        opacity: 100.0,
        tile: false,
    };
    let plan = Plan { watermark: Some(watermark), ..plan_for(Format::Png) };
    let (image, mark) = (encoded(&photo(60, 60), Format::Png), checkerboard(10, 10, 60, 60));
    let input = Input { image: &image, watermark: Some(&mark), fonts: None };
    let done = process(input, &plan, &Limits::default(), &mut Scratch::default()).unwrap();
    let (_, _, pixels) = decode_png(&done.bytes);
    for (i, [r, g, b, _]) in pixels.into_iter().enumerate() {
        assert!(r == g && g == b && !(3..=252).contains(&r), "{i}: {r} {g} {b}");
    }
}
