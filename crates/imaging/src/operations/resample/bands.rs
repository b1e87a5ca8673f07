//! Resampling while the rows arrive: the vertical pass works on a band of them and forgets it, so that of a large picture
//! only what it becomes is kept. The result is that of the whole picture, to the rounding of the kernel's weights.

use pixaven_resample::{Cut, Part, View};

use super::filter;
use crate::geometry::{Rect, Size, Window};
use crate::operations::channels::is_opaque_data;
use crate::plan::Kernel;
use crate::{Channels, Error, Image, Scratch};

/// Rows of a band, at least: the kernel's margins, which two bands have in common, are only a part of it.
const BAND_ROWS: f64 = 64.0;

/// Where a band begins is a multiple of this fraction of a pixel, so that sums are exact.
const GRID: f64 = (1u64 << 30) as f64;

/// Fills a buffer with the next rows of a picture.
pub(in crate::operations) type Read<'a> = &'a mut dyn FnMut(&mut [u8]) -> Result<(), Error>;

/// Whether that can be done, and pays: when rows are thrown away and the vertical pass comes first. Not with the kernels
/// that have sharp edges, where the last bit of a place decides which pixels count.
pub(in crate::operations) fn pays(window: Window, to: Size, kernel: Kernel) -> bool {
    let Rect { width, height, .. } = window.outer();
    !matches!(kernel, Kernel::Nearest | Kernel::Box)
        && to.height < height
        && to.width < width
        && to.height < window.height as u32
}

/// Makes `window` of the picture of `size` that is read a new image of the size `to`.
pub(in crate::operations) fn resample_rows(
    read: Read<'_>,
    size: Size,
    channels: Channels,
    (window, to, kernel): (Window, Size, Kernel),
    scratch: &mut Scratch,
) -> Result<Image, Error> {
    let rect = window.outer();
    let scale = window.height / f64::from(to.height);
    let reach = support(kernel) * scale;
    let top = window.top - f64::from(rect.y);
    let n_at_once = (BAND_ROWS.max(2.0 * reach) / scale).ceil() as u32;
    let n_bytes = channels.count();
    let n_between = rect.width as usize * n_bytes;
    let mut between = scratch.take(n_between * to.height as usize);
    let mut band = Band::new(read, size, channels, scratch);

    for (first, made) in
        (0..to.height).step_by(n_at_once as usize).zip(between.chunks_mut(n_between * n_at_once as usize))
    {
        let n_made = (made.len() / n_between) as u32;
        let place = |made: f64| top + made * scale;
        let begin = (place(f64::from(first) + 0.5) - reach).floor().max(0.0) as u32;
        let end = (place(f64::from(first + n_made) - 0.5) + reach).ceil().min(rect.height.into()) as u32;
        let rows = match band.advance(rect.y + begin, rect.y + end) {
            Ok(rows) => rows,
            Err(error) => {
                scratch.give(band.data);
                scratch.give(between);
                return Err(error);
            }
        };
        let height = end - begin;
        let top = ((place(first.into()) - f64::from(begin)) * GRID).round() / GRID;
        let part = Part {
            left: 0.0,
            top,
            width: rect.width.into(),
            height: (f64::from(n_made) * scale).min(f64::from(height) - top),
        };
        let view = View { data: rows, width: size.width, height, n_channels: n_bytes };
        let cut = Cut { x: rect.x, y: 0, width: rect.width, height };
        pixaven_resample::resample(view, cut, part, filter(kernel), (rect.width, n_made), made);
    }
    let is_translucent = band.is_translucent;
    scratch.give(band.data);

    let mut made = scratch.take(to.width as usize * to.height as usize * n_bytes);
    let half = View { data: &between, width: rect.width, height: to.height, n_channels: n_bytes };
    let all = Cut { x: 0, y: 0, width: rect.width, height: to.height };
    let left = window.left - f64::from(rect.x);
    let part = Part { left, top: 0.0, width: window.width, height: to.height.into() };
    pixaven_resample::resample(half, all, part, filter(kernel), (to.width, to.height), &mut made);
    scratch.give(between);
    if is_translucent {
        pixaven_resample::unpremultiply_in_place(to.width, to.height, &mut made);
    }
    Ok(Image::new(to.width, to.height, channels, made))
}

/// How far the kernel reaches, in pixels of the smaller picture.
fn support(kernel: Kernel) -> f64 {
    match kernel {
        Kernel::Lanczos3 => 3.0,
        Kernel::CatmullRom | Kernel::Mitchell => 2.0,
        Kernel::Bilinear | Kernel::Box | Kernel::Nearest => 1.0,
    }
}

/// Some rows of the picture, one after the other, premultiplied.
struct Band<'a> {
    read: Read<'a>,
    width: u32,
    channels: Channels,
    /// The row that comes first in `data`.
    first: u32,
    data: Vec<u8>,
    /// Whether a pixel lets something through. Opaque rows need not be multiplied.
    is_translucent: bool,
}

impl<'a> Band<'a> {
    fn new(read: Read<'a>, size: Size, channels: Channels, scratch: &mut Scratch) -> Self {
        let data = scratch.take(0);
        Self { read, width: size.width, channels, first: 0, data, is_translucent: false }
    }

    /// Forgets the rows before `begin` and reads those up to `end`. Neither ever goes back.
    fn advance(&mut self, begin: u32, end: u32) -> Result<&[u8], Error> {
        let stride = self.width as usize * self.channels.count();
        let mut n_kept = self.data.len() / stride;
        // What lies between the band and `begin`, above a crop for one, is read and forgotten.
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
