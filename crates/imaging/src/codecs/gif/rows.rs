//! Decodes the only frame of a GIF row by row, without a canvas. Of an interlaced frame, the colour indices of
//! all rows are decoded first, because the file stores the rows in another order.

use super::scan::Scan;
use super::{FRAME_EXCESS_PX, Source, color_table, corrupt, delay_ms};
use crate::Error;
use crate::color::Layout;
use crate::geometry::Size;
use crate::rows::Rows;

/// The decoder of the only frame, with its state between two rows.
pub(super) struct GifRows<'a> {
    frames: ::gif::Decoder<Source<'a>>,
    size: Size,
    layout: Layout,
    colors: [[u8; 4]; 256],
    delay_ms: u32,
    left: usize,
    top: usize,
    frame_width: usize,
    frame_height: usize,
    /// The next row of the canvas.
    y: usize,
    /// The indices of one row, or of the whole frame if the frame is interlaced.
    indices: Vec<u8>,
    is_interlaced: bool,
}

impl<'a> GifRows<'a> {
    /// Reads the header of the frame. Returns `None` if the file has no frame.
    pub(super) fn new(mut frames: ::gif::Decoder<Source<'a>>, scan: &Scan) -> Result<Option<Self>, Error> {
        let Some(frame) = frames.next_frame_info().map_err(corrupt)? else { return Ok(None) };
        let (frame_width, frame_height) = (usize::from(frame.width), usize::from(frame.height));
        if frame_width * frame_height > scan.width as usize * scan.height as usize + FRAME_EXCESS_PX {
            return Err(corrupt("a frame is much larger than the canvas"));
        }
        let (left, top) = (usize::from(frame.left), usize::from(frame.top));
        let (is_interlaced, delay_ms) = (frame.interlaced, delay_ms(frame.delay));
        let (local, transparent) = (frame.palette.clone(), frame.transparent);
        let colors = color_table(local.as_deref().or(frames.global_palette()), transparent);
        Ok(Some(Self {
            frames,
            size: Size::new(scan.width, scan.height),
            layout: if scan.alpha { Layout::Rgba } else { Layout::Rgb },
            colors,
            delay_ms,
            left,
            top,
            frame_width,
            frame_height,
            y: 0,
            indices: Vec::new(),
            is_interlaced,
        }))
    }

    /// How long the frame is shown, in milliseconds.
    pub(super) fn delay_ms(&self) -> u32 {
        self.delay_ms
    }

    /// Decodes the indices of row `y` of the frame, and returns their range in `indices`.
    fn row(&mut self, y: usize) -> Result<std::ops::Range<usize>, Error> {
        let width = self.frame_width;
        if self.is_interlaced {
            if self.indices.is_empty() {
                self.indices.resize(width * self.frame_height, 0);
                self.frames.read_into_buffer(&mut self.indices).map_err(corrupt)?;
            }
            return Ok(y * width..(y + 1) * width);
        }
        self.indices.resize(width, 0);
        if !self.frames.fill_buffer(&mut self.indices).map_err(corrupt)? {
            return Err(corrupt("image truncated"));
        }
        Ok(0..width)
    }
}

impl Rows for GifRows<'_> {
    fn size(&self) -> Size {
        self.size
    }

    fn layout(&self) -> Layout {
        self.layout
    }

    fn read(&mut self, rows: &mut [u8]) -> Result<(), Error> {
        let n = self.layout.count();
        for row in rows.chunks_exact_mut(self.size.width as usize * n) {
            let y = self.y;
            self.y += 1;
            // Pixels of the canvas outside of the frame are transparent.
            row.fill(0);
            if y < self.top || y >= self.top + self.frame_height || self.frame_width == 0 {
                continue;
            }
            let range = self.row(y - self.top)?;
            let pixels = row[self.left * n..].chunks_exact_mut(n);
            for (pixel, &index) in pixels.zip(&self.indices[range]) {
                pixel.copy_from_slice(&self.colors[usize::from(index)][..n]);
            }
        }
        Ok(())
    }
}
