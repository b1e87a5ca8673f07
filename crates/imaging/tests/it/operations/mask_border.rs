//! Tests of `mask` and `border`: pixel coverage, background colours, and transparency.

use pixaven_imaging::plan::{Border, Color, Mask, Plan, Shape};
use pixaven_imaging::{Channels, Image};
use proptest::prelude::*;

use super::helpers::{LAYOUTS, flat_image, pixel_at, run, run_opaque};

const RED: Color = Color { r: 255, g: 0, b: 0, a: 255 };

fn masked(shape: Shape, background: Option<Color>) -> Plan {
    Plan { mask: Some(Mask { shape, background }), ..Plan::default() }
}

fn bordered(size: u32, color: Color, radius: u32) -> Plan {
    Plan { border: Some(Border { size, color, radius, background: None }), ..Plan::default() }
}

/// The visible area of an image, in pixels: the sum of the alpha of all pixels, where an opaque pixel counts
/// as 1.
fn area(image: &Image) -> f64 {
    image.data().as_chunks::<4>().0.iter().map(|pixel| f64::from(pixel[3]) / 255.0).sum()
}

fn corners(image: &Image) -> [&[u8]; 4] {
    let (right, bottom) = (image.width() - 1, image.height() - 1);
    [
        pixel_at(image, 0, 0),
        pixel_at(image, right, 0),
        pixel_at(image, 0, bottom),
        pixel_at(image, right, bottom),
    ]
}

#[test]
fn ellipse_mask_reaches_all_image_edges_and_makes_the_corners_transparent() {
    for channels in LAYOUTS {
        let image = flat_image(120, 80, channels, [50, 50, 50, 255]);
        let result = run(&image, &masked(Shape::Ellipse, None));
        assert_eq!(result.channels(), Channels::Rgba);
        assert!(corners(&result).iter().all(|pixel| *pixel == [0; 4]));
        let expected = std::f64::consts::PI * 60.0 * 40.0;
        assert!((area(&result) / expected - 1.0).abs() < 0.001, "{} for {expected}", area(&result));
        for (x, y) in [(60, 0), (60, 79), (0, 40), (119, 40), (60, 40)] {
            assert!(pixel_at(&result, x, y)[3] > 240, "at {x}, {y}");
        }
        for y in 0..80 {
            for x in 0..120 {
                assert_eq!(
                    pixel_at(&result, x, y),
                    pixel_at(&result, 119 - x, 79 - y),
                    "the mask must be symmetric"
                );
            }
        }
    }
}

#[test]
fn edge_of_an_ellipse_mask_is_antialiased() {
    let image = flat_image(100, 100, Channels::Rgb, [255; 4]);
    let result = run(&image, &masked(Shape::Ellipse, None));
    for y in 0..100 {
        let partial = (0..50).filter(|x| (1..255).contains(&pixel_at(&result, *x, y)[3])).count();
        assert!(partial >= 1 || y == 49 || y == 50, "row {y} has a hard edge");
    }
}

#[test]
fn rounded_mask_has_the_requested_radius() {
    let image = flat_image(100, 60, Channels::Rgb, [9, 9, 9, 255]);
    let result = run(&image, &masked(Shape::Rounded { radius: 20 }, None));
    let expected = 100.0 * 60.0 - (4.0 - std::f64::consts::PI) * 400.0;
    assert!((area(&result) - expected).abs() < 2.0, "{} for {expected}", area(&result));
    assert_eq!(
        (pixel_at(&result, 0, 0)[3], pixel_at(&result, 20, 0)[3], pixel_at(&result, 0, 20)[3]),
        (0, 255, 255)
    );
    // A radius above half the shorter side of the image is reduced to half the shorter side.
    let limited = run(&image, &masked(Shape::Rounded { radius: 4000 }, None));
    assert_eq!(limited, run(&image, &masked(Shape::Rounded { radius: 30 }, None)));
}

#[test]
fn area_outside_of_an_ellipse_mask_is_filled_with_the_background_colour_of_the_mask() {
    let gray = flat_image(40, 40, Channels::Gray, [9; 4]);
    let result = run(&gray, &masked(Shape::Ellipse, Some(RED)));
    assert_eq!(result.channels(), Channels::Rgb);
    assert!(corners(&result).iter().all(|pixel| *pixel == [255, 0, 0]));
    assert_eq!(pixel_at(&result, 20, 20), [9, 9, 9]);
    let opaque = run_opaque(&gray, &masked(Shape::Ellipse, None));
    assert_eq!((opaque.channels(), pixel_at(&opaque, 0, 0)), (Channels::Gray, &[255][..]));
    let faint = run(&gray, &masked(Shape::Ellipse, Some(Color { a: 100, ..RED })));
    assert_eq!(pixel_at(&faint, 0, 0), [255, 0, 0, 100]);
}

#[test]
fn alpha_of_translucent_image_pixels_inside_a_mask_is_kept() {
    let image = flat_image(40, 40, Channels::Rgba, [10, 20, 30, 100]);
    let result = run(&image, &masked(Shape::Ellipse, None));
    assert_eq!(pixel_at(&result, 20, 20), [10, 20, 30, 100]);
    let visible = result.data().as_chunks::<4>().0.iter().filter(|p| p[3] > 0);
    assert!(visible.clone().all(|p| p[..3] == [10, 20, 30]), "colours must not change towards the edge");
    assert!(visible.clone().any(|p| p[3] < 100));
}

#[test]
fn border_is_drawn_over_the_outermost_pixels_and_does_not_enlarge_the_image() {
    for channels in LAYOUTS {
        let image = flat_image(30, 20, channels, [100, 100, 100, 255]);
        let result = run(&image, &bordered(3, RED, 0));
        assert_eq!((result.width(), result.height()), (30, 20));
        for (x, y) in (0..30).flat_map(|x| (0..20).map(move |y| (x, y))) {
            let inside = (3..27).contains(&x) && (3..17).contains(&y);
            let expected = if inside { [100, 100, 100] } else { [255, 0, 0] };
            assert_eq!(pixel_at(&result, x, y)[..3], expected, "at {x}, {y}");
        }
    }
    let black = run(&flat_image(30, 20, Channels::Gray, [100; 4]), &bordered(3, Color::BLACK, 0));
    assert_eq!(black.channels(), Channels::Gray);
    let full = run(&flat_image(30, 20, Channels::Rgb, [100; 4]), &bordered(1000, RED, 0));
    assert_eq!(full, flat_image(30, 20, Channels::Rgb, [255, 0, 0, 0]));
}

#[test]
fn image_is_visible_through_a_translucent_border() {
    let result = run(&flat_image(9, 9, Channels::Rgb, [0; 4]), &bordered(2, Color { a: 51, ..RED }, 0));
    assert_eq!((pixel_at(&result, 0, 0), pixel_at(&result, 4, 4)), (&[51, 0, 0][..], &[0, 0, 0][..]));
}

#[test]
fn rounded_border_follows_the_rounded_corners_of_the_image() {
    let image = flat_image(100, 80, Channels::Rgb, [100, 100, 100, 255]);
    let result = run(&image, &bordered(6, RED, 30));
    assert!(corners(&result).iter().all(|pixel| pixel[3] == 0));
    assert_eq!(
        (pixel_at(&result, 50, 3), pixel_at(&result, 50, 8)),
        (&[255, 0, 0, 255][..], &[100, 100, 100, 255][..])
    );
    // Returns a pixel on the diagonal through a corner. `pixels` is the distance of this pixel from the
    // rounded outer edge of the frame: negative values are outside of the frame, small values are in the
    // frame, and larger values are inside of the frame.
    let diagonal = |pixels: f64| {
        let place = (30.0 - (30.0 - pixels) / 2f64.sqrt()) as u32;
        pixel_at(&result, place, place)
    };
    assert_eq!(
        (diagonal(-1.5)[3], diagonal(3.0), diagonal(8.0)),
        (0, &[255, 0, 0, 255][..], &[100, 100, 100, 255][..])
    );
    let opaque = run_opaque(&image, &bordered(6, RED, 30));
    assert_eq!((opaque.channels(), pixel_at(&opaque, 0, 0)), (Channels::Rgb, &[255; 3][..]));
}

proptest! {
    #[test]
    fn masks_and_borders_keep_the_size_of_every_image(
        (width, height) in (1..=60u32, 1..=60u32),
        radius in 0..=80u32,
        size in 0..=80u32,
        channels in prop::sample::select(&LAYOUTS[..]),
    ) {
        let image = flat_image(width, height, channels, [80, 80, 80, 255]);
        for shape in [Shape::Ellipse, Shape::Rounded { radius }] {
            let result = run(&image, &masked(shape, None));
            prop_assert_eq!((result.width(), result.height()), (width, height));
        }
        let result = run(&image, &bordered(size, RED, radius));
        prop_assert_eq!((result.width(), result.height()), (width, height));
        let round = run(&image, &masked(Shape::Rounded { radius }, None));
        if radius > 0 {
            let expected = {
                let r = f64::from(radius).min(f64::from(width.min(height)) / 2.0);
                f64::from(width) * f64::from(height) - (4.0 - std::f64::consts::PI) * r * r
            };
            let error = (area(&round) - expected).abs();
            prop_assert!(error <= 0.02 * expected + 0.5, "{} pixels off", error);
        }
    }
}
