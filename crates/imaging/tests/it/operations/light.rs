//! Tests of `resize.light`: the averages of light and of sRGB values of patterns whose result is known.

use pixaven_imaging::operations::{self, Context};
use pixaven_imaging::plan::{
    Color, Crop, CropAt, Gravity, Kernel, Length, Light, Output, Plan, Resize, ResizeMode, TargetFormat,
    Watermark,
};
use pixaven_imaging::{Channels, Format, Image, Limits, Scratch, encode_animation};
use pixaven_resample::srgb::{from_linear, to_linear};

use super::helpers::run as apply;
use super::helpers::{
    LAYOUTS, flat_image, image_from_fn, max_difference, noise_image, pixel_at, smooth_image,
};
use crate::animation::decoded_frames;
use crate::geometry::resize_to;
use crate::helpers::{decode_png, decoded_pixels, encoded, lossless_plan, plan_for, png_of, run};

/// The value that half the light of white has in sRGB (IEC 61966-2-1).
const HALF_LIGHT: u8 = 188;

fn checkerboard(width: u32, height: u32) -> Image {
    image_from_fn(width, height, Channels::Rgb, |x, y, _| if (x + y) % 2 == 0 { 255 } else { 0 })
}

fn plan(mode: ResizeMode, width: u32, height: u32, kernel: Kernel, light: Light) -> Plan {
    let resize = Resize { kernel, light, ..resize_to(mode, Some(width), Some(height)) };
    let output = Output { format: TargetFormat::Format(Format::Png), ..Output::default() };
    Plan { resize: Some(resize), output, ..Plan::default() }
}

#[test]
fn a_checkerboard_becomes_188_in_linear_light_and_128_in_srgb() {
    for (light, expected) in [(Light::Linear, HALF_LIGHT), (Light::Srgb, 128)] {
        let plan = plan(ResizeMode::Exact, 16, 12, Kernel::Box, light);
        let halved = apply(&checkerboard(32, 24), &plan);
        assert!(halved.data().iter().all(|&value| value == expected), "{light:?}: {:?}", halved.data());
        // The decoder of PNG delivers rows, which are resampled without the whole picture.
        let by_rows = decode_png(&run(&png_of(&checkerboard(32, 24)), &plan).bytes);
        assert!(by_rows.2.iter().all(|pixel| *pixel == [expected, expected, expected, 255]), "{light:?}");
    }
}

#[test]
fn linear_light_keeps_a_plain_colour_exactly_at_every_kernel_and_size() {
    for value in 0..=255_u8 {
        let pixel = [value, 255 - value, value / 2, 255];
        for kernel in [Kernel::Lanczos3, Kernel::Mitchell] {
            let image = flat_image(9, 7, Channels::Rgb, pixel);
            for (width, height) in [(4, 3), (20, 15), (3, 14)] {
                let result = apply(&image, &plan(ResizeMode::Exact, width, height, kernel, Light::Linear));
                assert!(
                    result.data().as_chunks::<3>().0.iter().all(|found| *found == pixel[..3]),
                    "{pixel:?}"
                );
            }
        }
    }
}

#[test]
fn linear_light_of_a_smooth_image_is_near_the_srgb_average_for_every_kernel_and_layout() {
    for kernel in Kernel::ALL {
        for channels in LAYOUTS {
            for (width, height) in [(17, 13), (90, 61), (48, 9)] {
                let image = smooth_image(48, 40, channels);
                let result = |light| apply(&image, &plan(ResizeMode::Exact, width, height, kernel, light));
                let error = max_difference(&result(Light::Linear), &result(Light::Srgb));
                assert!(error <= 12, "{kernel:?} {channels:?} to {width}x{height}: off by {error}");
            }
        }
    }
}

#[test]
fn linear_light_averages_colours_by_alpha_and_alpha_without_a_curve() {
    // White and invisible red in turns: the average is white at half of the alpha.
    let image = image_from_fn(8, 8, Channels::Rgba, |x, y, c| match ((x + y) % 2, c) {
        (0, _) | (1, 0) => 255,
        _ => 0,
    });
    let result = apply(&image, &plan(ResizeMode::Exact, 4, 4, Kernel::Box, Light::Linear));
    assert_eq!(pixel_at(&result, 2, 1), [255, 255, 255, 128]);
    let invisible = flat_image(8, 8, Channels::Rgba, [9, 9, 9, 0]);
    let result = apply(&invisible, &plan(ResizeMode::Exact, 4, 4, Kernel::Lanczos3, Light::Linear));
    assert_eq!(pixel_at(&result, 0, 0)[3], 0);
}

#[test]
fn linear_light_gives_the_same_pixels_row_by_row_as_for_the_whole_image() {
    for image in [smooth_image(97, 210, Channels::Gray), noise_image(97, 210, Channels::Rgb)] {
        for (width, height) in [(40, 90), (7, 3), (1, 1)] {
            for mode in [ResizeMode::Exact, ResizeMode::Fit, ResizeMode::Fill] {
                let crop = Crop::Rect { width: 80, height: 150, at: CropAt::Point { x: 5, y: 41 } };
                let plan = plan(mode, width, height, Kernel::Lanczos3, Light::Linear);
                let plan = Plan { crop: Some(crop), ..plan };
                let whole = apply(&image, &plan);
                let by_rows = decode_png(&run(&png_of(&image), &plan).bytes);
                let expected = decode_png(&png_of(&whole));
                assert_eq!(by_rows, expected, "{mode:?} {width}x{height}");
            }
        }
    }
}

#[test]
fn every_format_of_input_is_averaged_in_linear_light() {
    let board = image_from_fn(64, 64, Channels::Rgb, |_, y, _| if y % 2 == 0 { 255 } else { 0 });
    let lossless = [Format::Webp, Format::Jxl, Format::Jp2];
    let others = [Format::Png, Format::Tiff, Format::Bmp, Format::Gif, Format::Jpeg];
    for format in lossless.into_iter().chain(others) {
        let file = if lossless.contains(&format) {
            run(&png_of(&board), &lossless_plan(format)).bytes
        } else {
            encoded(&board, format)
        };
        let plan = plan(ResizeMode::Exact, 16, 16, Kernel::Box, Light::Linear);
        let (_, _, pixels) = decode_png(&run(&file, &plan).bytes);
        let [value, ..] = pixels[5 * 16 + 5];
        assert!(value.abs_diff(HALF_LIGHT) <= 2, "{format:?}: {value}");
    }
}

#[test]
fn lossy_formats_of_input_are_averaged_in_linear_light_of_their_decoded_pixels() {
    // Stripes of two rows, which are as wide as a pixel of the chroma.
    let stripes = image_from_fn(96, 64, Channels::Rgb, |x, y, c| match (y / 2 % 2, c) {
        (0, _) => 230,
        (_, 0) => 20 + x as u8,
        _ => 40,
    });
    for format in [Format::Avif, Format::Heic, Format::Jxl, Format::Jp2, Format::Webp, Format::Jpeg] {
        if !Format::written().any(|written| written == format) {
            continue;
        }
        let file = run(&png_of(&stripes), &plan_for(format)).bytes;
        let decoded = decoded_pixels(&file).2;
        let plan = plan(ResizeMode::Exact, 24, 16, Kernel::Box, Light::Linear);
        let (_, _, pixels) = decode_png(&run(&file, &plan).bytes);
        for (i, pixel) in pixels.iter().enumerate() {
            let (left, top) = (i % 24 * 4, i / 24 * 4);
            for c in 0..3 {
                let of_block = (0..16).map(|k| decoded[(top + k / 4) * 96 + left + k % 4][c]);
                let light = of_block.map(|value| to_linear(f32::from(value) / 255.0)).sum::<f32>() / 16.0;
                let ideal = from_linear(light) * 255.0;
                let error = (f32::from(pixel[c]) - ideal).abs();
                assert!(error <= 1.0, "{format:?} {i} {c}: {} for {ideal}", pixel[c]);
            }
        }
    }
}

#[test]
fn every_frame_of_an_animation_is_averaged_in_linear_light() {
    let frame = |shift: u32| {
        image_from_fn(
            32,
            24,
            Channels::Rgb,
            move |x, y, _| if (x + y + shift).is_multiple_of(2) { 255 } else { 0 },
        )
    };
    for format in [Format::Gif, Format::Apng, Format::Webp] {
        let frames = [0, 1, 0].map(|shift| (frame(shift), 100));
        let output = Output { lossless: true, ..Output::default() };
        let file = encode_animation(frames, 3, format, &output).unwrap();
        let plan = plan(ResizeMode::Exact, 16, 12, Kernel::Box, Light::Linear);
        let as_animation = TargetFormat::Format(Format::Apng);
        let plan = Plan { output: Output { format: as_animation, ..plan.output }, ..plan };
        let halved = decoded_frames(&run(&file, &plan).bytes);
        assert_eq!(halved.len(), 3, "{format:?}");
        for (pixels, _) in halved {
            let [r, g, b] = [HALF_LIGHT; 3];
            assert!(pixels.iter().all(|pixel| *pixel == [r, g, b, 255]), "{format:?}: {:?}", pixels[0]);
        }
    }
}

#[test]
fn a_watermark_and_the_background_of_fill_keep_their_colours_in_linear_light() {
    let plan = plan(ResizeMode::Fill, 40, 20, Kernel::Box, Light::Linear);
    let background = Some(Color { r: 10, g: 20, b: 30, a: 255 });
    let resize = plan.resize.map(|resize| Resize { background, ..resize });
    let watermark = Watermark {
        gravity: Gravity::Center,
        padding: 0,
        at: None,
        width: Some(Length::Px(4)),
        height: None,
        opacity: 100.0,
        tile: false,
    };
    let plan = Plan { resize, watermark: Some(watermark), ..plan };
    let limits = Limits::default();
    let mark = checkerboard(4, 4);
    let context = Context { output_alpha: true, limits: &limits, full_size: None, watermark: Some(&mark) };
    let result = operations::apply(checkerboard(40, 40), &plan, &context, &mut Scratch::default()).unwrap();
    assert_eq!(pixel_at(&result, 1, 1)[..3], [10, 20, 30]);
    assert_eq!(pixel_at(&result, 12, 1)[..3], [HALF_LIGHT; 3]);
    let marked = (18..22).flat_map(|x| (8..12).map(move |y| (x, y)));
    assert!(marked.into_iter().all(|(x, y)| matches!(pixel_at(&result, x, y)[0], 0 | 255)));
}
