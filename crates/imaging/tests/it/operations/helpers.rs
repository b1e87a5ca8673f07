//! Helpers of the tests of operations: test images, functions that run a plan, and comparisons of images.

use pixaven_imaging::operations::{self, Context};
use pixaven_imaging::{Channels, Error, Image, Limits, Plan, Scratch};
use proptest::prelude::*;

pub(crate) const LAYOUTS: [Channels; 3] = [Channels::Gray, Channels::Rgb, Channels::Rgba];

/// Runs the plan for an output format with alpha. Panics if the plan returns an error.
pub(crate) fn run(image: &Image, plan: &Plan) -> Image {
    try_run(image, plan).expect("the plan fits the image")
}

/// Runs the plan for an output format with alpha, with the default limits.
pub(crate) fn try_run(image: &Image, plan: &Plan) -> Result<Image, Error> {
    let limits = Limits::default();
    let context = Context { output_alpha: true, limits: &limits, full_size: None, watermark: None };
    operations::apply(image.clone(), plan, &context, &mut Scratch::default())
}

/// Runs the plan for an output format without alpha. Panics if the plan returns an error.
pub(crate) fn run_opaque(image: &Image, plan: &Plan) -> Image {
    let limits = Limits::default();
    let context = Context { output_alpha: false, limits: &limits, full_size: None, watermark: None };
    operations::apply(image.clone(), plan, &context, &mut Scratch::default())
        .expect("the plan fits the image")
}

/// Creates an image in which the value of each byte is a function of column, row and channel.
pub(crate) fn image_from_fn(
    width: u32,
    height: u32,
    channels: Channels,
    value: impl Fn(u32, u32, usize) -> u8,
) -> Image {
    let n = channels.count();
    let bytes = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let bytes = bytes.flat_map(|(x, y)| (0..n).map(move |c| (x, y, c)));
    Image::new(width, height, channels, bytes.map(|(x, y, c)| value(x, y, c)).collect())
}

/// Creates an image of a single colour.
pub(crate) fn flat_image(width: u32, height: u32, channels: Channels, pixel: [u8; 4]) -> Image {
    image_from_fn(width, height, channels, |_, _, c| pixel[c])
}

/// Creates an image of random pixels. The pixels are the same in every run.
pub(crate) fn noise_image(width: u32, height: u32, channels: Channels) -> Image {
    image_from_fn(width, height, channels, |x, y, c| {
        let mut h = x.wrapping_mul(0x9E37_79B1)
            ^ y.wrapping_mul(0x85EB_CA77)
            ^ (c as u32 + 1).wrapping_mul(0xC2B2_AE3D);
        h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
        h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
        (h ^ (h >> 15)) as u8
    })
}

/// Creates an opaque image of slow waves, which resembles the large areas of a photograph.
pub(crate) fn smooth_image(width: u32, height: u32, channels: Channels) -> Image {
    image_from_fn(width, height, channels, |x, y, c| {
        let (x, y) = (f64::from(x), f64::from(y));
        let wave = (x / 9.0 + c as f64).sin() * 60.0 + (y / 7.0 - c as f64).cos() * 50.0;
        if c == 3 { 255 } else { (128.0 + wave) as u8 }
    })
}

/// The bytes of the pixel in column `x` and row `y`.
pub(crate) fn pixel_at(image: &Image, x: u32, y: u32) -> &[u8] {
    let n = image.channels().count();
    let start = (y as usize * image.width() as usize + x as usize) * n;
    &image.data()[start..start + n]
}

/// The largest difference between two values at the same position of both images, in levels. The images must
/// have the same size and channels.
#[track_caller]
pub(crate) fn max_difference(a: &Image, b: &Image) -> u8 {
    let shape = |image: &Image| (image.width(), image.height(), image.channels());
    assert_eq!(shape(a), shape(b));
    a.data().iter().zip(b.data()).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}

/// The mean of all bytes of the image.
pub(crate) fn mean_value(image: &Image) -> f64 {
    image.data().iter().map(|&value| f64::from(value)).sum::<f64>() / image.data().len() as f64
}

/// Random images of up to 40 × 40 pixels in every channel layout.
pub(crate) fn any_image() -> impl Strategy<Value = Image> {
    (1..=40u32, 1..=40u32, prop::sample::select(&LAYOUTS[..])).prop_flat_map(|(width, height, channels)| {
        let len = width as usize * height as usize * channels.count();
        prop::collection::vec(any::<u8>(), len)
            .prop_map(move |data| Image::new(width, height, channels, data))
    })
}
