//! Resampling by separable SIMD convolution, one axis after the other, in reused buffers.
//!
//! The averages are computed from sRGB values, as libvips and sharp do by default. The module `light` averages
//! light instead. Colours are premultiplied by alpha.

mod bands;
mod light;

use pixaven_resample::{FilterType, Region, SourceWindow, View};

pub(super) use self::bands::{can_resample_rows, resample_rows};
pub(super) use self::light::{resample_light, resample_light_rows};

use super::channels::is_opaque;
use crate::geometry::{Rect, Size, Window};
use crate::plan::Kernel;
use crate::{Channels, Image, Scratch};

/// Resamples `window` of the image to the size `to`. A pixel affects the result only if at least a part of
/// the pixel is inside of the window.
pub(super) fn resample(
    image: &Image,
    window: Window,
    to: Size,
    kernel: Kernel,
    scratch: &mut Scratch,
) -> Image {
    let mut resampled = scratch.take(to.width as usize * to.height as usize * image.channels().count());
    if image.channels().has_alpha() && kernel != Kernel::Nearest && !is_opaque(image) {
        let (premultiplied, window) = premultiply(image, window, scratch);
        resample_axes(&premultiplied, window, to, kernel, &mut resampled, scratch);
        scratch.give(premultiplied.into_data());
        pixaven_resample::unpremultiply_in_place(to.width, to.height, &mut resampled);
    } else {
        resample_axes(image, window, to, kernel, &mut resampled, scratch);
    }
    Image::new(to.width, to.height, image.channels(), resampled)
}

/// Returns a copy of all pixels that are at least partly inside of the window, with colours multiplied by
/// alpha. The second returned value is the window in coordinates of the copy.
fn premultiply(image: &Image, window: Window, scratch: &mut Scratch) -> (Image, Window) {
    let Rect { x, y, width, height } = window.outer();
    let mut data = scratch.take(width as usize * height as usize * 4);
    pixaven_resample::premultiply(view(image), Region { x, y, width, height }, &mut data);
    let window = Window { left: window.left - f64::from(x), top: window.top - f64::from(y), ..window };
    (Image::new(width, height, Channels::Rgba, data), window)
}

/// Resamples both axes. The vertical pass runs first, because it is faster for bytes. However, the horizontal
/// pass runs first if the result of the vertical pass would be larger than both the input and the output: for
/// example, if a wide, low image becomes narrow and high.
fn resample_axes(
    image: &Image,
    window: Window,
    to: Size,
    kernel: Kernel,
    resampled: &mut [u8],
    scratch: &mut Scratch,
) {
    let Rect { x, y, width, height } = window.outer();
    let region = Region { x, y, width, height };
    let source = source_window(window);
    let filter = filter(kernel);
    let one_axis = window.width == f64::from(to.width) || window.height == f64::from(to.height);
    if filter.is_none() || one_axis {
        return pixaven_resample::resample(
            view(image),
            region,
            source,
            filter,
            (to.width, to.height),
            resampled,
        );
    }

    let area = |width: u32, height: u32| u64::from(width) * u64::from(height);
    let vertical_first = area(width, to.height) <= area(width, height).max(area(to.width, to.height));
    let intermediate = if vertical_first { Size::new(width, to.height) } else { Size::new(to.width, height) };
    let n_channels = image.channels().count();
    let mut buffer = scratch.take(intermediate.width as usize * intermediate.height as usize * n_channels);
    let (whole_width, whole_height) = (f64::from(intermediate.width), f64::from(intermediate.height));
    let (first_window, second_window) = if vertical_first {
        (
            SourceWindow { left: 0.0, width: whole_width, ..source },
            SourceWindow { top: 0.0, height: whole_height, ..source },
        )
    } else {
        (
            SourceWindow { top: 0.0, height: whole_height, ..source },
            SourceWindow { left: 0.0, width: whole_width, ..source },
        )
    };
    pixaven_resample::resample(
        view(image),
        region,
        first_window,
        filter,
        (intermediate.width, intermediate.height),
        &mut buffer,
    );
    let first_pass =
        View { data: &buffer, width: intermediate.width, height: intermediate.height, n_channels };
    let whole = Region { x: 0, y: 0, width: intermediate.width, height: intermediate.height };
    pixaven_resample::resample(first_pass, whole, second_window, filter, (to.width, to.height), resampled);
    scratch.give(buffer);
}

/// Returns the window in coordinates of the smallest rectangle of whole pixels around the window.
fn source_window(window: Window) -> SourceWindow {
    let Rect { x, y, .. } = window.outer();
    SourceWindow {
        left: window.left - f64::from(x),
        top: window.top - f64::from(y),
        width: window.width,
        height: window.height,
    }
}

fn view(image: &Image) -> View<'_> {
    View {
        data: image.data(),
        width: image.width(),
        height: image.height(),
        n_channels: image.channels().count(),
    }
}

/// The resampling filter for this kernel. `None` for the kernel `nearest`.
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
