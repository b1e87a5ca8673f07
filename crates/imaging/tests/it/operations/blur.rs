//! `filter.blur`: against sums in `f64`, and by what it does to a point.

use pixaven_imaging::plan::{Blur, Filter, Plan};
use pixaven_imaging::{Channels, Image};

use super::pictures::{LAYOUTS, at, distance, mean, paint, rough, run};

fn blurred(image: &Image, blur: Blur) -> Image {
    run(image, &Plan { filter: Some(Filter { blur: Some(blur), ..Filter::default() }), ..Plan::default() })
}

const KINDS: [Blur; 6] = [
    Blur::Gaussian { radius: 1.0 },
    Blur::Gaussian { radius: 7.5 },
    Blur::Box { radius: 3.0 },
    Blur::Box { radius: 2.5 },
    Blur::Motion { radius: 9.0, angle: 20.0 },
    Blur::Motion { radius: 5.0, angle: 250.0 },
];

/// A separable sum with clamped edges, for images without alpha.
fn reference(image: &Image, reach: i64, tap: impl Fn(i64) -> f64) -> Image {
    let (width, height, n) = (image.width() as usize, image.height() as usize, image.channels().count());
    let total: f64 = (-reach..=reach).map(&tap).sum();
    let along = |values: &[f64], n_places: usize, step: usize, i: usize, start: usize| -> f64 {
        let place = |d: i64| (i as i64 + d).clamp(0, n_places as i64 - 1) as usize;
        (-reach..=reach).map(|d| tap(d) / total * values[start + place(d) * step]).sum()
    };
    let places = || (0..height).flat_map(|y| (0..width * n).map(move |x| (x, y)));
    let values: Vec<f64> = image.data().iter().map(|value| f64::from(*value)).collect();
    let rows: Vec<f64> =
        places().map(|(x, y)| along(&values, width, n, x / n, y * width * n + x % n)).collect();
    let both = places().map(|(x, y)| along(&rows, height, width * n, y, x).round() as u8);
    Image::new(image.width(), image.height(), image.channels(), both.collect())
}

#[test]
fn a_box_is_the_mean_of_its_pixels() {
    for channels in [Channels::Gray, Channels::Rgb] {
        for (width, height) in [(50, 40), (3, 60), (60, 2), (1, 1)] {
            let image = rough(width, height, channels);
            let whole = blurred(&image, Blur::Box { radius: 4.0 });
            assert!(distance(&whole, &reference(&image, 4, |_| 1.0)) <= 1, "{width}x{height}");
            let part = blurred(&image, Blur::Box { radius: 2.25 });
            let expected = reference(&image, 3, |d| if d.abs() == 3 { 0.25 } else { 1.0 });
            assert!(distance(&part, &expected) <= 1, "{width}x{height}");
        }
    }
}

#[test]
fn a_gaussian_is_close_to_the_true_one() {
    for sigma in [1.0f32, 2.0, 5.0, 12.0] {
        let image = rough(130, 120, Channels::Rgb);
        let s = f64::from(sigma);
        let expected =
            reference(&image, (s * 4.0).ceil() as i64, |d| (-(d * d) as f64 / (2.0 * s * s)).exp());
        let made = blurred(&image, Blur::Gaussian { radius: sigma });
        let off = distance(&made, &expected);
        assert!(off <= if sigma < 2.0 { 6 } else { 3 }, "sigma {sigma}: off by {off}");
    }
}

#[test]
fn a_gaussian_spreads_a_line_by_its_deviation() {
    for sigma in [2.0f32, 9.3, 40.0] {
        // A step is a sum of lines: its slope is the blurred line.
        let image = paint(601, 3, Channels::Gray, |x, _, _| if x <= 300 { 0 } else { 255 });
        let made = blurred(&image, Blur::Gaussian { radius: sigma });
        let slope: Vec<f64> =
            (1..601).map(|x| f64::from(at(&made, x, 1)[0]) - f64::from(at(&made, x - 1, 1)[0])).collect();
        let total: f64 = slope.iter().sum();
        let variance: f64 =
            slope.iter().enumerate().map(|(i, s)| (i as f64 + 0.5 - 300.5).powi(2) * s).sum::<f64>() / total;
        let deviation = variance.sqrt();
        assert!((deviation / f64::from(sigma) - 1.0).abs() < 0.03, "asked {sigma}, got {deviation}");
    }
}

#[test]
fn blur_keeps_the_mean() {
    // A frame of black keeps the clamped edges out of it.
    let image = paint(160, 160, Channels::Gray, |x, y, _| {
        if (60..100).contains(&x) && (60..100).contains(&y) {
            at(&rough(40, 40, Channels::Gray), x - 60, y - 60)[0]
        } else {
            0
        }
    });
    for kind in KINDS {
        let off = mean(&blurred(&image, kind)) - mean(&image);
        assert!(off.abs() <= 1.0, "{kind:?}: {off}");
    }
}

#[test]
fn what_cannot_be_seen_has_no_colour_to_give() {
    let image =
        paint(40, 40, Channels::Rgba, |x, _, c| if x < 20 { [255, 0, 0, 255][c] } else { [0, 255, 0, 0][c] });
    for kind in KINDS {
        let made = blurred(&image, kind);
        let wrong = made.data().as_chunks::<4>().0.iter().find(|p| p[1] != 0 || (p[3] > 8 && p[0] < 230));
        assert_eq!(wrong, None, "{kind:?}");
    }
}

#[test]
fn motion_runs_along_its_angle() {
    let point = paint(41, 41, Channels::Gray, |x, y, _| if (x, y) == (20, 20) { 255 } else { 0 });
    let lit = |angle| {
        let made = blurred(&point, Blur::Motion { radius: 6.0, angle });
        move |dx: i32, dy: i32| at(&made, (20 + dx) as u32, (20 + dy) as u32)[0] > 8
    };
    // Counter-clockwise from the right, rows counted downwards; both ways from the point.
    for (angle, (dx, dy)) in
        [(0.0, (5, 0)), (45.0, (3, -3)), (90.0, (0, -5)), (135.0, (-3, -3)), (315.0, (3, 3))]
    {
        let lit = lit(angle);
        assert!(lit(dx, dy) && lit(-dx, -dy), "{angle}");
        assert!(!lit(-dy, dx), "{angle}");
    }
    let flat = lit(0.0);
    assert!(flat(6, 0) && !flat(7, 0) && !flat(0, 1), "exactly six pixels to each side");
}

#[test]
fn motion_along_a_row_is_a_box() {
    for channels in [Channels::Gray, Channels::Rgb] {
        let image = rough(50, 3, channels);
        let made = blurred(&image, Blur::Motion { radius: 4.0, angle: 180.0 });
        let expected = paint(50, 3, channels, |x, y, c| {
            let sum: u32 =
                (-4..=4).map(|d| u32::from(at(&image, (x as i32 + d).clamp(0, 49) as u32, y)[c])).sum();
            ((sum as f64) / 9.0).round() as u8
        });
        assert!(distance(&made, &expected) <= 1);
    }
}

/// The mean along a line, sample by sample in `f64`.
fn along_line(image: &Image, radius: f64, angle: f64) -> Image {
    let (sin, cos) = angle.to_radians().sin_cos();
    let longer = cos.abs().max(sin.abs());
    let (dx, dy, reach) = (cos / longer, -sin / longer, radius * longer);
    let pixel = |x: f64, y: f64, c: usize| {
        let value = |x: f64, y: f64| {
            let side = |v: f64, n: u32| v.clamp(0.0, f64::from(n - 1)) as u32;
            f64::from(at(image, side(x, image.width()), side(y, image.height()))[c])
        };
        let (left, top) = (x.floor(), y.floor());
        let (right, below) = (x - left, y - top);
        let upper = value(left, top) * (1.0 - right) + value(left + 1.0, top) * right;
        let lower = value(left, top + 1.0) * (1.0 - right) + value(left + 1.0, top + 1.0) * right;
        upper * (1.0 - below) + lower * below
    };
    paint(image.width(), image.height(), image.channels(), |x, y, c| {
        let (mut sum, mut total) = (0.0, 0.0);
        for step in -(reach.ceil() as i32)..=reach.ceil() as i32 {
            let step = f64::from(step);
            let weight = (reach + 1.0 - step.abs()).clamp(0.0, 1.0);
            sum += weight * pixel(f64::from(x) + step * dx, f64::from(y) + step * dy, c);
            total += weight;
        }
        (sum / total).round() as u8
    })
}

#[test]
fn motion_is_the_mean_along_a_line() {
    for (width, height) in [(61, 40), (7, 90), (80, 5), (1, 1)] {
        let (smooth, rough) =
            (super::pictures::soft(width, height, Channels::Rgb), rough(width, height, Channels::Rgb));
        for angle in [0.0, 17.0, 45.0, 62.5, 90.0, 133.0, 180.0, 200.0, 300.0, 359.0] {
            for radius in [1.0, 6.5, 30.0, 100.0] {
                let made =
                    |image| blurred(image, Blur::Motion { radius: radius as f32, angle: angle as f32 });
                let what = format!("{width}x{height}, {radius} pixels at {angle}");
                // Two interpolations instead of one: a little softer across the line.
                let off = distance(&made(&smooth), &along_line(&smooth, radius, angle));
                assert!(off <= 2, "{what}: off by {off}");
                let (made, expected) = (made(&rough), along_line(&rough, radius, angle));
                if angle % 45.0 == 0.0 {
                    assert!(distance(&made, &expected) <= 1, "{what}");
                }
                assert!((mean(&made) - mean(&expected)).abs() < 2.0, "{what}");
            }
        }
    }
}

#[test]
fn the_largest_radius_fits_the_smallest_picture() {
    for channels in LAYOUTS {
        let image = rough(3, 2, channels);
        for kind in [
            Blur::Gaussian { radius: 100.0 },
            Blur::Box { radius: 100.0 },
            Blur::Motion { radius: 100.0, angle: 33.0 },
        ] {
            assert_eq!((blurred(&image, kind).width(), blurred(&image, kind).height()), (3, 2));
        }
    }
}
