//! New pixels from old ones: separable convolution with SIMD, one axis after the other, in buffers of our own.
//!
//! Resampling is done on the sRGB values, as libvips and sharp do by default: linear light would need 16 bits per
//! channel and about three times the time, and makes text and thin lines thinner. Alpha is premultiplied.

use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x3, U8x4};
use fast_image_resize::{FilterType, MulDiv, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

use super::channels::is_opaque;
use crate::geometry::{Rect, Size, Window};
use crate::plan::Kernel;
use crate::{Channels, Image, Scratch};

const CHECKED: &str = "buffers are made for their size, and windows lie inside their image";

/// Makes `window` of the image a new image of the size `to`. Nothing outside the window has an influence on it, except
/// for the rest of the pixels which its edges cut.
pub(super) fn resample(
    image: &Image,
    window: Window,
    to: Size,
    kernel: Kernel,
    scratch: &mut Scratch,
) -> Image {
    let n_bytes = image.channels().count();
    let mut made = scratch.take(to.width as usize * to.height as usize * n_bytes);
    match image.channels() {
        Channels::Gray => run::<U8>(image, window, to, kernel, &mut made, scratch),
        Channels::Rgb => run::<U8x3>(image, window, to, kernel, &mut made, scratch),
        Channels::Rgba if kernel == Kernel::Nearest || is_opaque(image) => {
            run::<U8x4>(image, window, to, kernel, &mut made, scratch);
        }
        Channels::Rgba => {
            let (premultiplied, window) = premultiply(image, window, scratch);
            run::<U8x4>(&premultiplied, window, to, kernel, &mut made, scratch);
            scratch.give(premultiplied.into_data());
            let mut view = TypedImage::<U8x4>::from_buffer(to.width, to.height, &mut made).expect(CHECKED);
            MulDiv::new().divide_alpha_inplace_typed(&mut view).expect("8-bit RGBA is supported");
        }
    }
    Image::new(to.width, to.height, image.channels(), made)
}

/// The pixels around the window with their colours multiplied by alpha, and where the window lies in them.
fn premultiply(image: &Image, window: Window, scratch: &mut Scratch) -> (Image, Window) {
    let Rect { x, y, width, height } = window.outer();
    let mut data = scratch.take(width as usize * height as usize * 4);
    let source = TypedImageRef::<U8x4>::from_buffer(image.width(), image.height(), image.data());
    let source = TypedCroppedImage::new(source.expect(CHECKED), x, y, width, height).expect(CHECKED);
    let mut target = TypedImage::<U8x4>::from_buffer(width, height, &mut data).expect(CHECKED);
    MulDiv::new().multiply_alpha_typed(&source, &mut target).expect("8-bit RGBA is supported");
    let window = Window { left: window.left - f64::from(x), top: window.top - f64::from(y), ..window };
    (Image::new(width, height, Channels::Rgba, data), window)
}

/// Both axes. The vertical one comes first, being the faster one for bytes, unless its result would be larger than both
/// ends: a wide, low picture made narrow and high must not pass through a wide and high one.
fn run<P: PixelTrait>(
    image: &Image,
    window: Window,
    to: Size,
    kernel: Kernel,
    made: &mut [u8],
    scratch: &mut Scratch,
) {
    let Rect { x, y, width, height } = window.outer();
    let source = TypedImageRef::<P>::from_buffer(image.width(), image.height(), image.data());
    let source = TypedCroppedImage::new(source.expect(CHECKED), x, y, width, height).expect(CHECKED);
    let mut target = TypedImage::<P>::from_buffer(to.width, to.height, made).expect(CHECKED);
    let (left, top) = (window.left - f64::from(x), window.top - f64::from(y));

    let mut resizer = Resizer::new();
    let mut options = ResizeOptions::new().resize_alg(algorithm(kernel)).use_alpha(false);
    let one_axis = window.width == f64::from(to.width) || window.height == f64::from(to.height);
    if kernel == Kernel::Nearest || one_axis {
        options = options.crop(left, top, window.width, window.height);
        resizer.resize_typed(&source, &mut target, &options).expect(CHECKED);
        return;
    }

    let area = |width: u32, height: u32| u64::from(width) * u64::from(height);
    let vertical_first = area(width, to.height) <= area(width, height).max(area(to.width, to.height));
    let between = if vertical_first { Size::new(width, to.height) } else { Size::new(to.width, height) };
    let mut buffer = scratch.take(between.width as usize * between.height as usize * P::size());
    let mut half = TypedImage::<P>::from_buffer(between.width, between.height, &mut buffer).expect(CHECKED);
    let (whole_width, whole_height) = (f64::from(between.width), f64::from(between.height));
    let (first, second) = if vertical_first {
        (
            options.crop(0.0, top, whole_width, window.height),
            options.crop(left, 0.0, window.width, whole_height),
        )
    } else {
        (
            options.crop(left, 0.0, window.width, whole_height),
            options.crop(0.0, top, whole_width, window.height),
        )
    };
    resizer.resize_typed(&source, &mut half, &first).expect(CHECKED);
    resizer.resize_typed(&half, &mut target, &second).expect(CHECKED);
    scratch.give(buffer);
}

fn algorithm(kernel: Kernel) -> ResizeAlg {
    ResizeAlg::Convolution(match kernel {
        Kernel::Lanczos3 => FilterType::Lanczos3,
        Kernel::CatmullRom => FilterType::CatmullRom,
        Kernel::Mitchell => FilterType::Mitchell,
        Kernel::Bilinear => FilterType::Bilinear,
        Kernel::Box => FilterType::Box,
        Kernel::Nearest => return ResizeAlg::Nearest,
    })
}

/// Multiplies the colours of an RGBA image by alpha.
pub(super) fn premultiply_in_place(image: &mut Image) {
    let (width, height) = (image.width(), image.height());
    let mut view = TypedImage::<U8x4>::from_buffer(width, height, image.data_mut()).expect(CHECKED);
    MulDiv::new().multiply_alpha_inplace_typed(&mut view).expect("8-bit RGBA is supported");
}

/// Divides the colours of an RGBA image by alpha.
pub(super) fn unpremultiply_in_place(image: &mut Image) {
    let (width, height) = (image.width(), image.height());
    let mut view = TypedImage::<U8x4>::from_buffer(width, height, image.data_mut()).expect(CHECKED);
    MulDiv::new().divide_alpha_inplace_typed(&mut view).expect("8-bit RGBA is supported");
}
