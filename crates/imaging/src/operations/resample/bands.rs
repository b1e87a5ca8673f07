//! Resampling while rows are decoded: the vertical pass resamples a band of decoded rows, and these rows are
//! then discarded. Only the current band and the vertically resampled rows are in memory. The result equals
//! that of resampling the whole image, except for rounding of the kernel weights.

use pixaven_resample::{Region, SourceWindow, View};

use super::filter;
use crate::geometry::{Rect, Size, Window};
use crate::operations::channels::is_opaque_data;
use crate::plan::Kernel;
use crate::{Channels, Error, Image, Scratch};

/// The minimum height of a band, in rows. The rows within the radius of the kernel around the boundary of two
/// bands are needed for both bands. In high bands the share of these rows is small.
const BAND_ROWS: f64 = 64.0;

/// The number of steps in one pixel. The start of a band is rounded to a multiple of 2⁻³⁰ pixels, so that
/// later additions to the start are exact.
const GRID: f64 = (1u64 << 30) as f64;

/// A function that fills a buffer with the next rows of an image.
pub(in crate::operations) type Read<'a> = &'a mut dyn FnMut(&mut [u8]) -> Result<(), Error>;

/// Whether resampling by bands is possible and saves memory. The result must have fewer rows and fewer
/// columns than the window. The kernels `nearest` and `box` are excluded, because with these kernels a
/// rounding error in a position can select a different pixel.
pub(in crate::operations) fn can_resample_rows(window: Window, to: Size, kernel: Kernel) -> bool {
    let Rect { width, height, .. } = window.outer();
    !matches!(kernel, Kernel::Nearest | Kernel::Box)
        && to.height < height
        && to.width < width
        && to.height < window.height as u32
}

/// Resamples `window` of an image to the size `to`. `size` is the size of the image, and `read` delivers its
/// rows.
pub(in crate::operations) fn resample_rows(
    read: Read<'_>,
    size: Size,
    channels: Channels,
    (window, to, kernel): (Window, Size, Kernel),
    scratch: &mut Scratch,
) -> Result<Image, Error> {
    let rect = window.outer();
    let scale = window.height / f64::from(to.height);
    let radius = support(kernel) * scale;
    let top = window.top - f64::from(rect.y);
    let n_rows_per_band = (BAND_ROWS.max(2.0 * radius) / scale).ceil() as u32;
    let n_bytes = channels.count();
    let row_bytes = rect.width as usize * n_bytes;
    let mut intermediate = scratch.take(row_bytes * to.height as usize);
    let mut band = Band::new(read, size, channels, scratch);

    for (first, resampled) in (0..to.height)
        .step_by(n_rows_per_band as usize)
        .zip(intermediate.chunks_mut(row_bytes * n_rows_per_band as usize))
    {
        let n_rows = (resampled.len() / row_bytes) as u32;
        let position = |row: f64| top + row * scale;
        let begin = (position(f64::from(first) + 0.5) - radius).floor().max(0.0) as u32;
        let end = (position(f64::from(first + n_rows) - 0.5) + radius).ceil().min(rect.height.into()) as u32;
        let rows = match band.advance(rect.y + begin, rect.y + end) {
            Ok(rows) => rows,
            Err(error) => {
                scratch.give(band.data);
                scratch.give(intermediate);
                return Err(error);
            }
        };
        let height = end - begin;
        let top = ((position(first.into()) - f64::from(begin)) * GRID).round() / GRID;
        let source = SourceWindow {
            left: 0.0,
            top,
            width: rect.width.into(),
            height: (f64::from(n_rows) * scale).min(f64::from(height) - top),
        };
        let view = View { data: rows, width: size.width, height, n_channels: n_bytes };
        let region = Region { x: rect.x, y: 0, width: rect.width, height };
        pixaven_resample::resample(view, region, source, filter(kernel), (rect.width, n_rows), resampled);
    }
    let is_translucent = band.is_translucent;
    scratch.give(band.data);

    let mut output = scratch.take(to.width as usize * to.height as usize * n_bytes);
    let first_pass = View { data: &intermediate, width: rect.width, height: to.height, n_channels: n_bytes };
    let whole = Region { x: 0, y: 0, width: rect.width, height: to.height };
    let left = window.left - f64::from(rect.x);
    let source = SourceWindow { left, top: 0.0, width: window.width, height: to.height.into() };
    pixaven_resample::resample(first_pass, whole, source, filter(kernel), (to.width, to.height), &mut output);
    scratch.give(intermediate);
    if is_translucent {
        pixaven_resample::unpremultiply_in_place(to.width, to.height, &mut output);
    }
    Ok(Image::new(to.width, to.height, channels, output))
}

/// The radius of the kernel for an image that becomes smaller, in pixels of the smaller image.
pub(super) fn support(kernel: Kernel) -> f64 {
    match kernel {
        Kernel::Lanczos3 => 3.0,
        Kernel::CatmullRom | Kernel::Mitchell => 2.0,
        Kernel::Bilinear | Kernel::Box | Kernel::Nearest => 1.0,
    }
}

/// Consecutive rows of the image. Their colours are premultiplied by alpha.
struct Band<'a> {
    read: Read<'a>,
    width: u32,
    channels: Channels,
    /// The row number of the first row in `data`.
    first: u32,
    data: Vec<u8>,
    /// Whether at least one pixel that was read so far is not opaque. Rows in which every pixel is opaque are
    /// not multiplied, because the multiplication by their alpha of 1 would not change them.
    is_translucent: bool,
}

impl<'a> Band<'a> {
    fn new(read: Read<'a>, size: Size, channels: Channels, scratch: &mut Scratch) -> Self {
        let data = scratch.take(0);
        Self { read, width: size.width, channels, first: 0, data, is_translucent: false }
    }

    /// Discards the rows before `begin` and reads the rows up to `end`. Neither argument may be less than in
    /// the previous call.
    fn advance(&mut self, begin: u32, end: u32) -> Result<&[u8], Error> {
        let stride = self.width as usize * self.channels.count();
        let mut n_kept = self.data.len() / stride;
        // Rows between the end of the band and `begin`, for example rows above a crop, are read and
        // discarded.
        while self.first as usize + n_kept < begin as usize {
            let n_skipped = (begin as usize - self.first as usize - n_kept).min(BAND_ROWS as usize);
            self.first += (n_kept + n_skipped) as u32;
            self.data.resize(n_skipped * stride, 0);
            (self.read)(&mut self.data)?;
            self.data.clear();
            n_kept = 0;
        }
        let n_dropped = (begin - self.first) as usize;
        self.data.copy_within(n_dropped * stride.., 0);
        n_kept -= n_dropped;
        self.first = begin;
        self.data.resize((end - begin) as usize * stride, 0);
        let rows = &mut self.data[n_kept * stride..];
        if !rows.is_empty() {
            (self.read)(rows)?;
            if self.channels.has_alpha() && !is_opaque_data(rows) {
                self.is_translucent = true;
                pixaven_resample::premultiply_in_place(self.width, (rows.len() / stride) as u32, rows);
            }
        }
        Ok(&self.data)
    }
}
