//! Tests of `resize` while the image is decoded row by row. The result must match the result of decoding the
//! whole image first.

use pixaven_imaging::operations::{self, Context};
use pixaven_imaging::plan::{
    Adjust, Color, Crop, CropAt, Gravity, Kernel, Output, Padding, Plan, Resize, ResizeMode, TargetFormat,
};
use pixaven_imaging::{Channels, Error, Format, Image, Limits, Scratch, process};

use crate::geometry::resize_to;
use crate::helpers::{decode_png, fading_photo, nearly_equal, photo, png_of, rgba, run};

fn to_png(plan: &Plan) -> Plan {
    Plan { output: Output { format: TargetFormat::Format(Format::Png), ..Output::default() }, ..plan.clone() }
}

/// Asserts that the plan gives the same result for a PNG, which is decoded row by row, as for the whole image
/// in memory.
fn assert_matches_whole_image(image: &Image, plan: &Plan) {
    let plan = to_png(plan);
    let limits = Limits::default();
    let context = Context { output_alpha: true, limits: &limits, full_size: None, watermark: None };
    let whole = operations::apply(image.clone(), &plan, &context, &mut Scratch::default()).unwrap();
    let (width, height, by_rows) = decode_png(&run(&png_of(image), &plan).bytes);
    assert_eq!((width, height), (whole.width(), whole.height()), "{plan:?}");
    // Premultiplied colours are compared, because a difference in the colour of a nearly transparent pixel is
    // hardly visible.
    let premultiplied = |pixels: &[[u8; 4]]| -> Vec<[u8; 4]> {
        let multiply = |v: u8, a: u8| (u32::from(v) * u32::from(a) / 255) as u8;
        pixels.iter().map(|&[r, g, b, a]| [multiply(r, a), multiply(g, a), multiply(b, a), a]).collect()
    };
    assert!(
        nearly_equal(&premultiplied(&by_rows), &premultiplied(&rgba(&whole)), 2),
        "{:?}, {plan:?}",
        image.channels()
    );
}

fn resize(mode: ResizeMode, width: u32, height: u32, kernel: Kernel) -> Option<Resize> {
    Some(Resize { kernel, ..resize_to(mode, Some(width), Some(height)) })
}

#[test]
fn resize_during_row_by_row_decoding_gives_nearly_the_same_pixels_as_resizing_the_whole_image() {
    let gray = Image::new(97, 310, Channels::Gray, (0..97 * 310).map(|i| (i * i % 251) as u8).collect());
    for image in [photo(210, 330), fading_photo(210, 330), gray] {
        for kernel in Kernel::ALL {
            for (width, height) in [(90, 200), (33, 41), (7, 3), (1, 1), (96, 309)] {
                let resize = resize(ResizeMode::Exact, width, height, kernel);
                assert_matches_whole_image(&image, &Plan { resize, ..Plan::default() });
            }
        }
    }
}

#[test]
fn crop_resize_adjust_and_padding_give_nearly_equal_pixels_in_row_by_row_and_in_full_decoding() {
    for image in [photo(210, 330), fading_photo(210, 330)] {
        for at in
            [CropAt::Point { x: 0, y: 0 }, CropAt::Point { x: 61, y: 130 }, CropAt::Gravity(Gravity::Center)]
        {
            let plan = Plan {
                crop: Some(Crop::Rect { width: 149, height: 200, at }),
                resize: resize(ResizeMode::Fill, 60, 60, Kernel::Lanczos3),
                adjust: Some(Adjust { brightness: 20.0, ..Adjust::default() }),
                padding: Some(Padding {
                    top: 1,
                    right: 2,
                    bottom: 3,
                    left: 4,
                    background: Some(Color::BLACK),
                }),
                ..Plan::default()
            };
            assert_matches_whole_image(&image, &plan);
            assert_matches_whole_image(
                &image,
                &Plan { resize: resize(ResizeMode::Fit, 31, 77, Kernel::Mitchell), ..plan },
            );
        }
    }
}

#[test]
fn row_by_row_decoding_of_a_png_that_is_truncated_or_has_an_invalid_compression_method_fails() {
    let file = png_of(&photo(300, 300));
    let plan =
        to_png(&Plan { resize: resize(ResizeMode::Exact, 30, 30, Kernel::Lanczos3), ..Plan::default() });
    let try_run = |file: &[u8]| process(file, &plan, &Limits::default(), &mut Scratch::default());
    let truncated = try_run(&file[..file.len() / 2]);
    assert!(matches!(truncated, Err(Error::Truncated { format: "PNG", .. })), "{truncated:?}");
    // The first byte of the data in the first IDAT chunk contains the compression method.
    let at = file.windows(4).position(|window| window == b"IDAT").unwrap() + 4;
    let mut invalid_method = file.clone();
    invalid_method[at] = 0x77;
    let invalid_method = try_run(&invalid_method);
    assert!(matches!(invalid_method, Err(Error::Corrupt { format: "PNG", .. })), "{invalid_method:?}");
}

#[test]
fn wrong_checksum_in_a_png_gives_a_warning() {
    let image = photo(120, 90);
    let mut file = png_of(&image);
    let end = file.len() - 12;
    file[end - 1] ^= 1;
    let plan =
        to_png(&Plan { resize: resize(ResizeMode::Exact, 30, 30, Kernel::Lanczos3), ..Plan::default() });
    let done = run(&file, &plan);
    assert_eq!(done.warnings, ["a checksum of the PNG is wrong"]);
    assert_eq!(done.bytes, run(&png_of(&image), &plan).bytes);
}
