//! New pixels from old ones: separable convolution with SIMD, one axis after the other, in buffers of our own.
//!
//! Resampling is done on the sRGB values, as libvips and sharp do by default: linear light would need 16 bits per
//! channel and about three times the time, and makes text and thin lines thinner. Alpha is premultiplied.

mod bands;

use pixaven_resample::{Cut, FilterType, Part, View};

pub(super) use self::bands::{pays, resample_rows};

use super::channels::is_opaque;
use crate::geometry::{Rect, Size, Window};
use crate::plan::Kernel;
use crate::{Channels, Image, Scratch};

/// Makes `window` of the image a new image of the size `to`. Nothing outside the window has an influence on it, except
/// for the rest of the pixels which its edges cut.
pub(super) fn resample(
    image: &Image,
    window: Window,
    to: Size,
    kernel: Kernel,
    scratch: &mut Scratch,
) -> Image {
    let mut made = scratch.take(to.width as usize * to.height as usize * image.channels().count());
    if image.channels().has_alpha() && kernel != Kernel::Nearest && !is_opaque(image) {
        let (premultiplied, window) = premultiply(image, window, scratch);
        run(&premultiplied, window, to, kernel, &mut made, scratch);
        scratch.give(premultiplied.into_data());
        pixaven_resample::unpremultiply_in_place(to.width, to.height, &mut made);
    } else {
        run(image, window, to, kernel, &mut made, scratch);
    }
    Image::new(to.width, to.height, image.channels(), made)
}

/// The pixels around the window with their colours multiplied by alpha, and where the window lies in them.
fn premultiply(image: &Image, window: Window, scratch: &mut Scratch) -> (Image, Window) {
    let Rect { x, y, width, height } = window.outer();
    let mut data = scratch.take(width as usize * height as usize * 4);
    pixaven_resample::premultiply(view(image), Cut { x, y, width, height }, &mut data);
    let window = Window { left: window.left - f64::from(x), top: window.top - f64::from(y), ..window };
    (Image::new(width, height, Channels::Rgba, data), window)
}

/// Both axes. The vertical one comes first, being the faster one for bytes, unless its result would be larger than both
/// ends: a wide, low picture made narrow and high must not pass through a wide and high one.
fn run(image: &Image, window: Window, to: Size, kernel: Kernel, made: &mut [u8], scratch: &mut Scratch) {
    let Rect { x, y, width, height } = window.outer();
    let cut = Cut { x, y, width, height };
    let (left, top) = (window.left - f64::from(x), window.top - f64::from(y));
    let part = Part { left, top, width: window.width, height: window.height };
    let filter = filter(kernel);
    let one_axis = window.width == f64::from(to.width) || window.height == f64::from(to.height);
    if filter.is_none() || one_axis {
        return pixaven_resample::resample(view(image), cut, part, filter, (to.width, to.height), made);
    }

    let area = |width: u32, height: u32| u64::from(width) * u64::from(height);
    let vertical_first = area(width, to.height) <= area(width, height).max(area(to.width, to.height));
    let between = if vertical_first { Size::new(width, to.height) } else { Size::new(to.width, height) };
    let n_channels = image.channels().count();
    let mut buffer = scratch.take(between.width as usize * between.height as usize * n_channels);
    let (whole_width, whole_height) = (f64::from(between.width), f64::from(between.height));
    let (first, second) = if vertical_first {
        (Part { left: 0.0, width: whole_width, ..part }, Part { top: 0.0, height: whole_height, ..part })
    } else {
        (Part { top: 0.0, height: whole_height, ..part }, Part { left: 0.0, width: whole_width, ..part })
    };
    pixaven_resample::resample(view(image), cut, first, filter, (between.width, between.height), &mut buffer);
    let half = View { data: &buffer, width: between.width, height: between.height, n_channels };
    let all = Cut { x: 0, y: 0, width: between.width, height: between.height };
    pixaven_resample::resample(half, all, second, filter, (to.width, to.height), made);
    scratch.give(buffer);
}

fn view(image: &Image) -> View<'_> {
    View {
        data: image.data(),
        width: image.width(),
        height: image.height(),
        n_channels: image.channels().count(),
    }
}

/// The kernel's filter; none for the nearest pixel.
fn filter(kernel: Kernel) -> Option<FilterType> {
    Some(match kernel {
        Kernel::Lanczos3 => FilterType::Lanczos3,
        Kernel::CatmullRom => FilterType::CatmullRom,
        Kernel::Mitchell => FilterType::Mitchell,
        Kernel::Bilinear => FilterType::Bilinear,
        Kernel::Box => FilterType::Box,
        Kernel::Nearest => return None,
    })
}

/// Multiplies the colours of an RGBA image by alpha.
pub(super) fn premultiply_in_place(image: &mut Image) {
    pixaven_resample::premultiply_in_place(image.width(), image.height(), image.data_mut());
}

/// Divides the colours of an RGBA image by alpha.
pub(super) fn unpremultiply_in_place(image: &mut Image) {
    pixaven_resample::unpremultiply_in_place(image.width(), image.height(), image.data_mut());
}
