//! Tests of `resize`: comparison with a reference implementation in `f64`, and tests of alpha, limits and
//! reduced decoding.

use pixaven_imaging::geometry::{Rect, Size, Window};
use pixaven_imaging::operations::{self, Context};
use pixaven_imaging::plan::{Color, Crop, CropAt, Kernel, Plan, Resize, ResizeMode};
use pixaven_imaging::{Channels, Error, Image, Limits, Scratch};

use super::helpers::{
    LAYOUTS, flat_image, image_from_fn, max_difference, noise_image, pixel_at, run, smooth_image, try_run,
};
use crate::geometry::resize_to;

fn plan(resize: Resize) -> Plan {
    Plan { resize: Some(resize), ..Plan::default() }
}

/// The weight of a kernel at the distance `x`, by its textbook formula. The weight is 0 for distances beyond
/// the support of the kernel.
fn kernel_weight(kernel: Kernel, x: f64) -> f64 {
    let x = x.abs();
    let sinc =
        |x: f64| if x == 0.0 { 1.0 } else { (std::f64::consts::PI * x).sin() / (std::f64::consts::PI * x) };
    let cubic = |b: f64, c: f64| match x {
        x if x < 1.0 => {
            ((12.0 - 9.0 * b - 6.0 * c) * x.powi(3) + (-18.0 + 12.0 * b + 6.0 * c) * x * x + 6.0 - 2.0 * b)
                / 6.0
        }
        x if x < 2.0 => {
            ((-b - 6.0 * c) * x.powi(3)
                + (6.0 * b + 30.0 * c) * x * x
                + (-12.0 * b - 48.0 * c) * x
                + 8.0 * b
                + 24.0 * c)
                / 6.0
        }
        _ => 0.0,
    };
    match kernel {
        Kernel::Lanczos3 if x < 3.0 => sinc(x) * sinc(x / 3.0),
        Kernel::CatmullRom => cubic(0.0, 0.5),
        Kernel::Mitchell => cubic(1.0 / 3.0, 1.0 / 3.0),
        Kernel::Bilinear => (1.0 - x).max(0.0),
        Kernel::Box => f64::from(u8::from(x <= 0.5)),
        Kernel::Lanczos3 | Kernel::Nearest => 0.0,
    }
}

/// For each pixel along a side of the resampled image, the weights of all pixels along the same side of the
/// source image.
fn weights(kernel: Kernel, n_old: u32, start: f64, length: f64, n_new: u32) -> Vec<Vec<f64>> {
    let ratio = length / f64::from(n_new);
    let stretch = ratio.max(1.0);
    (0..n_new)
        .map(|i| {
            let center = start + (f64::from(i) + 0.5) * ratio;
            let row: Vec<f64> =
                (0..n_old).map(|j| kernel_weight(kernel, (f64::from(j) + 0.5 - center) / stretch)).collect();
            let sum: f64 = row.iter().sum();
            row.into_iter().map(|weight| weight / sum).collect()
        })
        .collect()
}

/// The reference implementation of `resize`: resamples both axes in `f64`, with colours premultiplied by
/// alpha.
fn reference(image: &Image, window: Window, to: Size, kernel: Kernel) -> Image {
    let across = weights(kernel, image.width(), window.left, window.width, to.width);
    let down = weights(kernel, image.height(), window.top, window.height, to.height);
    let has_alpha = image.channels().has_alpha();
    let sum = |x: u32, y: u32, c: usize| -> f64 {
        let mut sum = 0.0;
        for (j, wy) in down[y as usize].iter().enumerate().filter(|(_, w)| **w != 0.0) {
            for (i, wx) in across[x as usize].iter().enumerate().filter(|(_, w)| **w != 0.0) {
                let pixel = pixel_at(image, i as u32, j as u32);
                let weight = if has_alpha && c < 3 { f64::from(pixel[3]) / 255.0 } else { 1.0 };
                sum += wx * wy * weight * f64::from(pixel[c]);
            }
        }
        sum
    };
    image_from_fn(to.width, to.height, image.channels(), |x, y, c| {
        if !has_alpha || c == 3 {
            return sum(x, y, c).round() as u8;
        }
        let alpha = sum(x, y, 3).clamp(0.0, 255.0);
        if alpha.round() == 0.0 { 0 } else { (sum(x, y, c) / alpha * 255.0).round() as u8 }
    })
}

#[test]
fn every_resampling_kernel_matches_its_textbook_formula() {
    let kernels = [Kernel::Lanczos3, Kernel::CatmullRom, Kernel::Mitchell, Kernel::Bilinear];
    let smooth =
        kernels.into_iter().flat_map(|kernel| [(kernel, (17, 13)), (kernel, (90, 61)), (kernel, (48, 9))]);
    // The weight of the box kernel falls to 0 abruptly. If it falls to 0 exactly at the middle of a pixel,
    // rounding decides whether the pixel is included. When the image is resampled to 17 × 13 pixels, this
    // never happens.
    for (kernel, (width, height)) in smooth.chain([(Kernel::Box, (17, 13))]) {
        for channels in LAYOUTS {
            let image = smooth_image(48, 40, channels);
            let result = run(
                &image,
                &plan(Resize { kernel, ..resize_to(ResizeMode::Exact, Some(width), Some(height)) }),
            );
            let expected =
                reference(&image, Window::whole(Size::new(48, 40)), Size::new(width, height), kernel);
            let error = max_difference(&result, &expected);
            assert!(error <= 2, "{kernel:?} {channels:?} to {width}x{height}: off by {error}");
        }
    }
}

#[test]
fn resize_with_the_nearest_kernel_copies_the_nearest_input_pixels() {
    let image = noise_image(40, 30, Channels::Rgba);
    let kernel = Kernel::Nearest;
    let result = run(&image, &plan(Resize { kernel, ..resize_to(ResizeMode::Exact, Some(20), Some(90)) }));
    for (x, y) in (0..20).flat_map(|x| (0..90).map(move |y| (x, y))) {
        assert_eq!(pixel_at(&result, x, y), pixel_at(&image, 2 * x + 1, y / 3));
    }
}

#[test]
fn resize_mode_fit_reads_only_the_pixels_inside_the_computed_crop_window() {
    let image = smooth_image(61, 40, Channels::Rgb);
    let options = resize_to(ResizeMode::Fit, Some(20), Some(20));
    let window = pixaven_imaging::geometry::resize(Size::new(61, 40), options).window;
    // Pixels outside of the window must not affect the result, so the reference implementation reads only the
    // pixels of the window.
    let Rect { x, y, width, height } = window.outer();
    let kept = image_from_fn(width, height, Channels::Rgb, |i, j, c| pixel_at(&image, x + i, y + j)[c]);
    let window = Window { left: window.left - f64::from(x), top: window.top - f64::from(y), ..window };
    let expected = reference(&kept, window, Size::new(20, 20), Kernel::Lanczos3);
    assert!(max_difference(&run(&image, &plan(options)), &expected) <= 2);
}

#[test]
fn resize_mode_fill_surrounds_the_image_with_the_background_colour() {
    let image = flat_image(50, 30, Channels::Rgb, [10, 20, 30, 255]);
    let red = Color { r: 255, g: 0, b: 0, a: 255 };
    let fill = resize_to(ResizeMode::Fill, Some(20), Some(20));
    let result = run(&image, &plan(Resize { background: Some(red), ..fill }));
    assert_eq!(result.channels(), Channels::Rgb);
    let column: Vec<_> = (0..20).map(|y| pixel_at(&result, 10, y)[0]).collect();
    assert_eq!(column, [[255; 4].as_slice(), &[10; 12], &[255; 4]].concat());
    let clear = run(&image, &plan(fill));
    assert_eq!(
        (pixel_at(&clear, 0, 0), pixel_at(&clear, 10, 10)),
        (&[0, 0, 0, 0][..], &[10, 20, 30, 255][..])
    );
}

#[test]
fn resize_mode_fit_copies_the_pixels_of_a_small_image_if_upscale_is_false() {
    let image = noise_image(30, 20, Channels::Rgb);
    let result =
        run(&image, &plan(Resize { upscale: false, ..resize_to(ResizeMode::Fit, Some(500), Some(500)) }));
    assert_eq!((result.width(), result.height()), (20, 20));
    assert!((0..20).all(|x| (0..20).all(|y| pixel_at(&result, x, y) == pixel_at(&image, x + 5, y))));
}

#[test]
fn colours_of_transparent_pixels_do_not_affect_a_resize() {
    // The left half of the image is opaque red, and the right half is transparent green.
    let image =
        image_from_fn(
            40,
            40,
            Channels::Rgba,
            |x, _, c| if x < 20 { [255, 0, 0, 255][c] } else { [0, 255, 0, 0][c] },
        );
    for (width, height) in [(13, 13), (90, 90), (13, 40)] {
        let result = run(&image, &plan(resize_to(ResizeMode::Exact, Some(width), Some(height))));
        assert!(result.data().as_chunks::<4>().0.iter().all(|pixel| pixel[1] == 0), "to {width}x{height}");
    }
}

#[test]
fn resize_of_a_single_colour_image_keeps_the_colour() {
    for channels in LAYOUTS {
        let image = flat_image(37, 23, channels, [200, 100, 50, 255]);
        for (width, height) in [(5, 5), (100, 70), (37, 7), (9, 23)] {
            let result = run(&image, &plan(resize_to(ResizeMode::Exact, Some(width), Some(height))));
            assert_eq!(result, flat_image(width, height, channels, [200, 100, 50, 255]));
        }
    }
}

#[test]
fn resizing_a_wide_flat_image_to_a_narrow_tall_image_needs_no_large_buffer() {
    let mut scratch = Scratch::default();
    let limits = Limits::default();
    let context = Context { output_alpha: true, limits: &limits, full_size: None, watermark: None };
    let image = smooth_image(12_000, 4, Channels::Gray);
    let result = operations::apply(
        image,
        &plan(resize_to(ResizeMode::Exact, Some(4), Some(12_000))),
        &context,
        &mut scratch,
    );
    assert_eq!(result.map(|image| image.height()), Ok(12_000));
    assert!(scratch.spare_bytes() < 1 << 20, "{} bytes of buffers", scratch.spare_bytes());
}

#[test]
fn resize_to_an_output_size_beyond_the_limits_is_refused() {
    let image = noise_image(2, 2, Channels::Rgb);
    for size in [(20_001, 1), (20_000, 20_000)] {
        let error =
            try_run(&image, &plan(resize_to(ResizeMode::Exact, Some(size.0), Some(size.1)))).unwrap_err();
        assert!(matches!(error, Error::Limit { .. }), "{error}");
    }
}

#[test]
fn resizing_an_image_decoded_at_reduced_size_gives_nearly_the_same_pixels_as_at_full_size() {
    let full = smooth_image(401, 301, Channels::Rgb);
    let half = run(&full, &plan(resize_to(ResizeMode::Exact, Some(201), Some(151))));
    let crop = Crop::Rect { width: 203, height: 150, at: CropAt::Point { x: 51, y: 33 } };
    let plans = [
        plan(resize_to(ResizeMode::Auto, Some(100), None)),
        plan(resize_to(ResizeMode::Fit, Some(60), Some(90))),
        Plan { crop: Some(crop), ..plan(resize_to(ResizeMode::Auto, Some(77), None)) },
        Plan { crop: Some(crop), ..Plan::default() },
    ];
    for plan in plans {
        let limits = Limits::default();
        let context = Context {
            output_alpha: true,
            limits: &limits,
            full_size: Some(Size::new(401, 301)),
            watermark: None,
        };
        let result = operations::apply(half.clone(), &plan, &context, &mut Scratch::default()).unwrap();
        let expected = run(&full, &plan);
        assert!(
            max_difference(&result, &expected) <= 4,
            "{plan:?}: off by {}",
            max_difference(&result, &expected)
        );
    }
}
