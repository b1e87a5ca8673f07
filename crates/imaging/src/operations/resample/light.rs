//! Resampling of light instead of sRGB values. Fine patterns then keep their brightness: a checkerboard of
//! black and white becomes the gray that it looks like from a distance.

use std::f64::consts::PI;

use pixaven_resample::{KernelFunction, LightResampler};

use super::bands::{Read, support};
use super::source_window;
use crate::geometry::{Rect, Size, Window};
use crate::plan::Kernel;
use crate::{Channels, Error, Image, Scratch};

/// The number of rows that are read at once.
const N_ROWS: usize = 16;

/// As [`super::resample`], but averages light. The kernel must not be `Nearest`, which averages nothing.
pub(in crate::operations) fn resample_light(
    image: &Image,
    window: Window,
    to: Size,
    kernel: Kernel,
    scratch: &mut Scratch,
) -> Image {
    let channels = image.channels();
    let rect = window.outer();
    let stride = image.width() as usize * channels.count();
    let start = rect.y as usize * stride + rect.x as usize * channels.count();
    let end = start + (rect.height as usize - 1) * stride + rect.width as usize * channels.count();
    let mut resampled = scratch.take(to.width as usize * to.height as usize * channels.count());
    resampler(window, channels, to, kernel).push(&image.data()[start..end], stride, &mut resampled);
    Image::new(to.width, to.height, channels, resampled)
}

/// As [`super::resample_rows`], but averages light. The kernel must not be `Nearest`.
pub(in crate::operations) fn resample_light_rows(
    read: Read<'_>,
    size: Size,
    channels: Channels,
    (window, to, kernel): (Window, Size, Kernel),
    scratch: &mut Scratch,
) -> Result<Image, Error> {
    let Rect { x, y, width, height } = window.outer();
    let stride = size.width as usize * channels.count();
    let mut rows = scratch.take(N_ROWS * stride);
    let mut resampled = scratch.take(to.width as usize * to.height as usize * channels.count());
    let mut resampler = resampler(window, channels, to, kernel);
    let (start, end) = (x as usize * channels.count(), (x + width) as usize * channels.count());
    let (first, n_rows) = (y as usize, height as usize);
    let mut at = 0;
    let mut result = Ok(());
    while result.is_ok() && at < first + n_rows {
        // Rows above the window are read and discarded.
        let bound = if at < first { first } else { first + n_rows };
        let band = &mut rows[..(bound - at).min(N_ROWS) * stride];
        result = read(band);
        if result.is_ok() && at >= first {
            let used = start..band.len() - (stride - end);
            resampler.push(&band[used], stride, &mut resampled);
        }
        at += band.len() / stride;
    }
    scratch.give(rows);
    match result {
        Ok(()) => Ok(Image::new(to.width, to.height, channels, resampled)),
        Err(error) => {
            scratch.give(resampled);
            Err(error)
        }
    }
}

/// Creates a resampler whose source rows are those of the smallest rectangle of whole pixels around the
/// window.
fn resampler(window: Window, channels: Channels, to: Size, kernel: Kernel) -> LightResampler {
    let Rect { width, height, .. } = window.outer();
    let function = KernelFunction { weight: function(kernel), radius: support(kernel) };
    LightResampler::new(
        (width, height),
        channels.count(),
        source_window(window),
        function,
        (to.width, to.height),
    )
}

/// The function of a kernel; see [`Kernel`] for their names.
fn function(kernel: Kernel) -> fn(f64) -> f64 {
    match kernel {
        Kernel::Lanczos3 => |x| if x.abs() < 3.0 { sinc(x) * sinc(x / 3.0) } else { 0.0 },
        Kernel::CatmullRom => |x| cubic(x.abs(), 0.0, 0.5),
        Kernel::Mitchell => |x| cubic(x.abs(), 1.0 / 3.0, 1.0 / 3.0),
        Kernel::Bilinear => |x| (1.0 - x.abs()).max(0.0),
        Kernel::Box | Kernel::Nearest => |x| if x > -0.5 && x <= 0.5 { 1.0 } else { 0.0 },
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// The family of cubic kernels of Mitchell and Netravali (1988), for `x` ≥ 0.
fn cubic(x: f64, b: f64, c: f64) -> f64 {
    let value = if x < 1.0 {
        (12.0 - 9.0 * b - 6.0 * c) * x.powi(3) + (-18.0 + 12.0 * b + 6.0 * c) * x.powi(2) + (6.0 - 2.0 * b)
    } else if x < 2.0 {
        (-b - 6.0 * c) * x.powi(3)
            + (6.0 * b + 30.0 * c) * x.powi(2)
            + (-12.0 * b - 48.0 * c) * x
            + (8.0 * b + 24.0 * c)
    } else {
        0.0
    };
    value / 6.0
}
