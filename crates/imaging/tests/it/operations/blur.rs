//! Tests of `filter.blur`: comparisons with reference sums in `f64`, and the effect on a single point and on
//! an edge.

use pixaven_imaging::plan::{Blur, Filter, Plan};
use pixaven_imaging::{Channels, Image};

use super::helpers::{LAYOUTS, image_from_fn, max_difference, mean_value, noise_image, pixel_at, run};

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

/// The reference for blurs: a weighted sum with the weights `tap` along both axes, with repeated edge pixels.
/// The reference supports only images without alpha.
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
fn box_blur_gives_each_pixel_the_mean_of_the_pixels_in_the_box_around_it() {
    for channels in [Channels::Gray, Channels::Rgb] {
        for (width, height) in [(50, 40), (3, 60), (60, 2), (1, 1)] {
            let image = noise_image(width, height, channels);
            let whole = blurred(&image, Blur::Box { radius: 4.0 });
            assert!(max_difference(&whole, &reference(&image, 4, |_| 1.0)) <= 1, "{width}x{height}");
            let part = blurred(&image, Blur::Box { radius: 2.25 });
            let expected = reference(&image, 3, |d| if d.abs() == 3 { 0.25 } else { 1.0 });
            assert!(max_difference(&part, &expected) <= 1, "{width}x{height}");
        }
    }
}

#[test]
fn gaussian_blur_is_close_to_an_exact_convolution_with_the_gaussian_function() {
    for sigma in [1.0f32, 2.0, 5.0, 12.0] {
        let image = noise_image(130, 120, Channels::Rgb);
        let s = f64::from(sigma);
        let expected =
            reference(&image, (s * 4.0).ceil() as i64, |d| (-(d * d) as f64 / (2.0 * s * s)).exp());
        let result = blurred(&image, Blur::Gaussian { radius: sigma });
        let error = max_difference(&result, &expected);
        assert!(error <= if sigma < 2.0 { 6 } else { 3 }, "sigma {sigma}: off by {error}");
    }
}

#[test]
fn gaussian_blur_has_the_requested_standard_deviation() {
    for sigma in [2.0f32, 9.3, 40.0] {
        // The slope of a blurred edge is the kernel of the blur, so the test can measure the standard
        // deviation of the kernel.
        let image = image_from_fn(601, 3, Channels::Gray, |x, _, _| if x <= 300 { 0 } else { 255 });
        let result = blurred(&image, Blur::Gaussian { radius: sigma });
        let slope: Vec<f64> = (1..601)
            .map(|x| f64::from(pixel_at(&result, x, 1)[0]) - f64::from(pixel_at(&result, x - 1, 1)[0]))
            .collect();
        let total: f64 = slope.iter().sum();
        let variance: f64 =
            slope.iter().enumerate().map(|(i, s)| (i as f64 + 0.5 - 300.5).powi(2) * s).sum::<f64>() / total;
        let deviation = variance.sqrt();
        assert!((deviation / f64::from(sigma) - 1.0).abs() < 0.03, "requested {sigma}, got {deviation}");
    }
}

#[test]
fn blur_keeps_the_mean_value_of_the_image() {
    // The black frame of the image is wider than the blur, so that no edge of the image affects the mean
    // value.
    let image = image_from_fn(160, 160, Channels::Gray, |x, y, _| {
        if (60..100).contains(&x) && (60..100).contains(&y) {
            pixel_at(&noise_image(40, 40, Channels::Gray), x - 60, y - 60)[0]
        } else {
            0
        }
    });
    for kind in KINDS {
        let error = mean_value(&blurred(&image, kind)) - mean_value(&image);
        assert!(error.abs() <= 1.0, "{kind:?}: {error}");
    }
}

#[test]
fn colours_of_transparent_pixels_do_not_affect_a_blur() {
    let image =
        image_from_fn(
            40,
            40,
            Channels::Rgba,
            |x, _, c| if x < 20 { [255, 0, 0, 255][c] } else { [0, 255, 0, 0][c] },
        );
    for kind in KINDS {
        let result = blurred(&image, kind);
        let wrong = result.data().as_chunks::<4>().0.iter().find(|p| p[1] != 0 || (p[3] > 8 && p[0] < 230));
        assert_eq!(wrong, None, "{kind:?}");
    }
}

#[test]
fn motion_blur_spreads_a_point_at_the_requested_angle() {
    let point = image_from_fn(41, 41, Channels::Gray, |x, y, _| if (x, y) == (20, 20) { 255 } else { 0 });
    let is_lit = |angle| {
        let result = blurred(&point, Blur::Motion { radius: 6.0, angle });
        move |dx: i32, dy: i32| pixel_at(&result, (20 + dx) as u32, (20 + dy) as u32)[0] > 8
    };
    // Angles are counter-clockwise from the right, while rows are counted downwards. The blur spreads the
    // point to both sides.
    for (angle, (dx, dy)) in
        [(0.0, (5, 0)), (45.0, (3, -3)), (90.0, (0, -5)), (135.0, (-3, -3)), (315.0, (3, 3))]
    {
        let is_lit = is_lit(angle);
        assert!(is_lit(dx, dy) && is_lit(-dx, -dy), "{angle}");
        assert!(!is_lit(-dy, dx), "{angle}");
    }
    let flat = is_lit(0.0);
    assert!(flat(6, 0) && !flat(7, 0) && !flat(0, 1), "exactly six pixels to each side");
}

#[test]
fn horizontal_motion_blur_gives_each_pixel_the_mean_of_its_neighbours_in_the_row() {
    for channels in [Channels::Gray, Channels::Rgb] {
        let image = noise_image(50, 3, channels);
        let result = blurred(&image, Blur::Motion { radius: 4.0, angle: 180.0 });
        let expected = image_from_fn(50, 3, channels, |x, y, c| {
            let sum: u32 =
                (-4..=4).map(|d| u32::from(pixel_at(&image, (x as i32 + d).clamp(0, 49) as u32, y)[c])).sum();
            ((sum as f64) / 9.0).round() as u8
        });
        assert!(max_difference(&result, &expected) <= 1);
    }
}

/// The reference implementation of motion blur, in `f64`: the mean of samples along a line.
fn mean_along_line(image: &Image, radius: f64, angle: f64) -> Image {
    let (sin, cos) = angle.to_radians().sin_cos();
    let longer = cos.abs().max(sin.abs());
    let (dx, dy, reach) = (cos / longer, -sin / longer, radius * longer);
    let pixel = |x: f64, y: f64, c: usize| {
        let value = |x: f64, y: f64| {
            let side = |v: f64, n: u32| v.clamp(0.0, f64::from(n - 1)) as u32;
            f64::from(pixel_at(image, side(x, image.width()), side(y, image.height()))[c])
        };
        let (left, top) = (x.floor(), y.floor());
        let (right, below) = (x - left, y - top);
        let upper = value(left, top) * (1.0 - right) + value(left + 1.0, top) * right;
        let lower = value(left, top + 1.0) * (1.0 - right) + value(left + 1.0, top + 1.0) * right;
        upper * (1.0 - below) + lower * below
    };
    image_from_fn(image.width(), image.height(), image.channels(), |x, y, c| {
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
fn motion_blur_gives_each_pixel_the_mean_along_a_line_at_the_requested_angle() {
    for (width, height) in [(61, 40), (7, 90), (80, 5), (1, 1)] {
        let (smooth, rough) = (
            super::helpers::smooth_image(width, height, Channels::Rgb),
            noise_image(width, height, Channels::Rgb),
        );
        for angle in [0.0, 17.0, 45.0, 62.5, 90.0, 133.0, 180.0, 200.0, 300.0, 359.0] {
            for radius in [1.0, 6.5, 30.0, 100.0] {
                let motion_blurred =
                    |image| blurred(image, Blur::Motion { radius: radius as f32, angle: angle as f32 });
                let case = format!("{width}x{height}, {radius} pixels at {angle}");
                // The code under test interpolates twice, the reference once. Therefore the result of the
                // code under test may be slightly softer across the line than the reference.
                let error =
                    max_difference(&motion_blurred(&smooth), &mean_along_line(&smooth, radius, angle));
                assert!(error <= 2, "{case}: off by {error}");
                let (motion_blurred, expected) =
                    (motion_blurred(&rough), mean_along_line(&rough, radius, angle));
                if angle % 45.0 == 0.0 {
                    assert!(max_difference(&motion_blurred, &expected) <= 1, "{case}");
                }
                assert!((mean_value(&motion_blurred) - mean_value(&expected)).abs() < 2.0, "{case}");
            }
        }
    }
}

#[test]
fn blur_with_the_largest_radius_works_on_a_tiny_image() {
    for channels in LAYOUTS {
        let image = noise_image(3, 2, channels);
        for kind in [
            Blur::Gaussian { radius: 100.0 },
            Blur::Box { radius: 100.0 },
            Blur::Motion { radius: 100.0, angle: 33.0 },
        ] {
            assert_eq!((blurred(&image, kind).width(), blurred(&image, kind).height()), (3, 2));
        }
    }
}
