//! `mask` and `border`: coverage of pixels, colours, and what shows through.

use pixaven_imaging::plan::{Border, Color, Mask, Plan, Shape};
use pixaven_imaging::{Channels, Image};
use proptest::prelude::*;

use super::pictures::{LAYOUTS, at, flat, run, run_opaque};

const RED: Color = Color { r: 255, g: 0, b: 0, a: 255 };

fn masked(shape: Shape, background: Option<Color>) -> Plan {
    Plan { mask: Some(Mask { shape, background }), ..Plan::default() }
}

fn bordered(size: u32, color: Color, radius: u32) -> Plan {
    Plan { border: Some(Border { size, color, radius, background: None }), ..Plan::default() }
}

/// Sum of alpha, in pixels.
fn area(image: &Image) -> f64 {
    image.data().as_chunks::<4>().0.iter().map(|pixel| f64::from(pixel[3]) / 255.0).sum()
}

fn corners(image: &Image) -> [&[u8]; 4] {
    let (right, bottom) = (image.width() - 1, image.height() - 1);
    [at(image, 0, 0), at(image, right, 0), at(image, 0, bottom), at(image, right, bottom)]
}

#[test]
fn an_ellipse_touches_all_edges_and_leaves_the_corners() {
    for channels in LAYOUTS {
        let image = flat(120, 80, channels, [50, 50, 50, 255]);
        let made = run(&image, &masked(Shape::Ellipse, None));
        assert_eq!(made.channels(), Channels::Rgba);
        assert!(corners(&made).iter().all(|pixel| *pixel == [0; 4]));
        let expected = std::f64::consts::PI * 60.0 * 40.0;
        assert!((area(&made) / expected - 1.0).abs() < 0.001, "{} for {expected}", area(&made));
        for (x, y) in [(60, 0), (60, 79), (0, 40), (119, 40), (60, 40)] {
            assert!(at(&made, x, y)[3] > 240, "at {x}, {y}");
        }
        for y in 0..80 {
            for x in 0..120 {
                assert_eq!(at(&made, x, y), at(&made, 119 - x, 79 - y), "the same from all sides");
            }
        }
    }
}

#[test]
fn edges_of_a_mask_are_smooth() {
    let image = flat(100, 100, Channels::Rgb, [255; 4]);
    let made = run(&image, &masked(Shape::Ellipse, None));
    for y in 0..100 {
        let partial = (0..50).filter(|x| (1..255).contains(&at(&made, *x, y)[3])).count();
        assert!(partial >= 1 || y == 49 || y == 50, "row {y} has a hard edge");
    }
}

#[test]
fn rounded_corners_have_their_radius() {
    let image = flat(100, 60, Channels::Rgb, [9, 9, 9, 255]);
    let made = run(&image, &masked(Shape::Rounded { radius: 20 }, None));
    let expected = 100.0 * 60.0 - (4.0 - std::f64::consts::PI) * 400.0;
    assert!((area(&made) - expected).abs() < 2.0, "{} for {expected}", area(&made));
    assert_eq!((at(&made, 0, 0)[3], at(&made, 20, 0)[3], at(&made, 0, 20)[3]), (0, 255, 255));
    // A radius that does not fit becomes half the shorter side.
    let pill = run(&image, &masked(Shape::Rounded { radius: 4000 }, None));
    assert_eq!(pill, run(&image, &masked(Shape::Rounded { radius: 30 }, None)));
}

#[test]
fn outside_a_mask_lies_its_background() {
    let gray = flat(40, 40, Channels::Gray, [9; 4]);
    let made = run(&gray, &masked(Shape::Ellipse, Some(RED)));
    assert_eq!(made.channels(), Channels::Rgb);
    assert!(corners(&made).iter().all(|pixel| *pixel == [255, 0, 0]));
    assert_eq!(at(&made, 20, 20), [9, 9, 9]);
    let opaque = run_opaque(&gray, &masked(Shape::Ellipse, None));
    assert_eq!((opaque.channels(), at(&opaque, 0, 0)), (Channels::Gray, &[255][..]));
    let faint = run(&gray, &masked(Shape::Ellipse, Some(Color { a: 100, ..RED })));
    assert_eq!(at(&faint, 0, 0), [255, 0, 0, 100]);
}

#[test]
fn a_mask_keeps_what_is_transparent() {
    let image = flat(40, 40, Channels::Rgba, [10, 20, 30, 100]);
    let made = run(&image, &masked(Shape::Ellipse, None));
    assert_eq!(at(&made, 20, 20), [10, 20, 30, 100]);
    let partly = made.data().as_chunks::<4>().0.iter().filter(|p| p[3] > 0);
    assert!(partly.clone().all(|p| p[..3] == [10, 20, 30]), "colours do not change towards the edge");
    assert!(partly.clone().any(|p| p[3] < 100));
}

#[test]
fn a_border_lies_inside_the_bounds() {
    for channels in LAYOUTS {
        let image = flat(30, 20, channels, [100, 100, 100, 255]);
        let made = run(&image, &bordered(3, RED, 0));
        assert_eq!((made.width(), made.height()), (30, 20));
        for (x, y) in (0..30).flat_map(|x| (0..20).map(move |y| (x, y))) {
            let inside = (3..27).contains(&x) && (3..17).contains(&y);
            let expected = if inside { [100, 100, 100] } else { [255, 0, 0] };
            assert_eq!(at(&made, x, y)[..3], expected, "at {x}, {y}");
        }
    }
    let black = run(&flat(30, 20, Channels::Gray, [100; 4]), &bordered(3, Color::BLACK, 0));
    assert_eq!(black.channels(), Channels::Gray);
    let full = run(&flat(30, 20, Channels::Rgb, [100; 4]), &bordered(1000, RED, 0));
    assert_eq!(full, flat(30, 20, Channels::Rgb, [255, 0, 0, 0]));
}

#[test]
fn a_translucent_border_shows_the_picture() {
    let made = run(&flat(9, 9, Channels::Rgb, [0; 4]), &bordered(2, Color { a: 51, ..RED }, 0));
    assert_eq!((at(&made, 0, 0), at(&made, 4, 4)), (&[51, 0, 0][..], &[0, 0, 0][..]));
}

#[test]
fn a_rounded_border_follows_its_corners() {
    let image = flat(100, 80, Channels::Rgb, [100, 100, 100, 255]);
    let made = run(&image, &bordered(6, RED, 30));
    assert!(corners(&made).iter().all(|pixel| pixel[3] == 0));
    assert_eq!((at(&made, 50, 3), at(&made, 50, 8)), (&[255, 0, 0, 255][..], &[100, 100, 100, 255][..]));
    // Along the diagonal of a corner: outside, frame, picture, each at its distance.
    let diagonal = |pixels: f64| {
        let place = (30.0 - (30.0 - pixels) / 2f64.sqrt()) as u32;
        at(&made, place, place)
    };
    assert_eq!(
        (diagonal(-1.5)[3], diagonal(3.0), diagonal(8.0)),
        (0, &[255, 0, 0, 255][..], &[100, 100, 100, 255][..])
    );
    let opaque = run_opaque(&image, &bordered(6, RED, 30));
    assert_eq!((opaque.channels(), at(&opaque, 0, 0)), (Channels::Rgb, &[255; 3][..]));
}

proptest! {
    #[test]
    fn any_shape_fits_any_picture(
        (width, height) in (1..=60u32, 1..=60u32),
        radius in 0..=80u32,
        size in 0..=80u32,
        channels in prop::sample::select(&LAYOUTS[..]),
    ) {
        let image = flat(width, height, channels, [80, 80, 80, 255]);
        for shape in [Shape::Ellipse, Shape::Rounded { radius }] {
            let made = run(&image, &masked(shape, None));
            prop_assert_eq!((made.width(), made.height()), (width, height));
        }
        let made = run(&image, &bordered(size, RED, radius));
        prop_assert_eq!((made.width(), made.height()), (width, height));
        let round = run(&image, &masked(Shape::Rounded { radius }, None));
        if radius > 0 {
            let expected = {
                let r = f64::from(radius).min(f64::from(width.min(height)) / 2.0);
                f64::from(width) * f64::from(height) - (4.0 - std::f64::consts::PI) * r * r
            };
            let off = (area(&round) - expected).abs();
            prop_assert!(off <= 0.02 * expected + 0.5, "{} pixels off", off);
        }
    }
}
