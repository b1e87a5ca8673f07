//! The canvas of an animation: composes the frames of GIF, APNG and WebP in their order, with the disposal
//! and the blend method that the file states. The codecs decode the pixels of each frame.

use crate::Scratch;
use crate::alpha::over;
use crate::color::{Layout, Raster};

/// A rectangle inside the canvas, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

/// The disposal method of a frame: what happens to the canvas before the next frame is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dispose {
    /// The pixels of the frame stay on the canvas when the next frame is drawn.
    Keep,
    /// The area of the frame becomes transparent before the next frame is drawn.
    Clear,
    /// Before the next frame is drawn, the area of the frame gets back the pixels that it had before this
    /// frame was drawn.
    Restore,
}

/// The blend method of a frame: how its pixels combine with the canvas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blend {
    /// The pixels of the frame replace the pixels of the canvas, including alpha.
    Source,
    /// The pixels of the frame are composited over the pixels of the canvas.
    Over,
}

/// A canvas of RGBA pixels with straight alpha. All pixels are transparent before the first frame is drawn.
#[derive(Debug)]
pub(super) struct Canvas {
    width: usize,
    height: usize,
    data: Vec<u8>,
    /// The disposal of the frame that was drawn last, which is carried out before the next frame is drawn.
    pending: Option<Pending>,
}

/// A disposal that will be carried out before the next frame is drawn.
#[derive(Debug)]
enum Pending {
    /// The area of the previous frame becomes transparent.
    Clear(Area),
    /// The area of the previous frame gets back the pixels that were saved before this frame was drawn.
    Restore(Area, Vec<u8>),
}

impl Canvas {
    /// Creates a canvas whose pixels are all transparent.
    pub(super) fn new(width: u32, height: u32, scratch: &mut Scratch) -> Self {
        let (width, height) = (width as usize, height as usize);
        Self { width, height, data: scratch.take_zeroed(width * height * 4), pending: None }
    }

    /// Carries out the disposal of the previous frame and prepares the canvas for the next frame, which will
    /// be drawn in `area`. `dispose` is the disposal method of that next frame.
    pub(super) fn begin(&mut self, area: Area, dispose: Dispose, scratch: &mut Scratch) {
        match self.pending.take() {
            None => {}
            Some(Pending::Clear(area)) => self.rows(area).for_each(|row| row.fill([0; 4])),
            Some(Pending::Restore(area, saved)) => {
                let old_rows = saved.as_chunks::<4>().0.chunks_exact(area.width.max(1));
                self.rows(area).zip(old_rows).for_each(|(row, old)| row.copy_from_slice(old));
                scratch.give(saved);
            }
        }
        self.pending = match dispose {
            Dispose::Keep => None,
            Dispose::Clear => Some(Pending::Clear(area)),
            Dispose::Restore => {
                let mut saved = scratch.take(area.width * area.height * 4);
                let copies = saved.as_chunks_mut::<4>().0.chunks_exact_mut(area.width.max(1));
                self.rows(area).zip(copies).for_each(|(row, copy)| copy.copy_from_slice(row));
                Some(Pending::Restore(area, saved))
            }
        };
    }

    /// Iterates over the rows of pixels in `area`.
    pub(super) fn rows(&mut self, area: Area) -> impl Iterator<Item = &mut [[u8; 4]]> {
        debug_assert!(area.left + area.width <= self.width && area.top + area.height <= self.height);
        let rows = self.data.as_chunks_mut::<4>().0.chunks_exact_mut(self.width);
        rows.skip(area.top).take(area.height).map(move |row| &mut row[area.left..area.left + area.width])
    }

    /// Draws a picture that has the size of `area`. `pixels` has four bytes per pixel if `has_alpha` is true,
    /// else three.
    pub(super) fn draw(&mut self, area: Area, pixels: &[u8], has_alpha: bool, blend: Blend) {
        if !has_alpha {
            let sources = pixels.as_chunks::<3>().0.chunks_exact(area.width.max(1));
            for (row, source) in self.rows(area).zip(sources) {
                row.iter_mut().zip(source).for_each(|(to, &[r, g, b])| *to = [r, g, b, 255]);
            }
            return;
        }
        let sources = pixels.as_chunks::<4>().0.chunks_exact(area.width.max(1));
        for (row, source) in self.rows(area).zip(sources) {
            match blend {
                Blend::Source => row.copy_from_slice(source),
                Blend::Over => row.iter_mut().zip(source).for_each(|(to, &from)| *to = over(from, *to)),
            }
        }
    }

    /// Returns a copy of the canvas, with or without the alpha channel.
    pub(super) fn snapshot(&self, with_alpha: bool, scratch: &mut Scratch) -> Raster {
        let (width, height) = (self.width as u32, self.height as u32);
        if with_alpha {
            let mut data = scratch.take(self.data.len());
            data.copy_from_slice(&self.data);
            return Raster { width, height, layout: Layout::Rgba, data };
        }
        let mut data = scratch.take(self.data.len() / 4 * 3);
        let pixels = self.data.as_chunks::<4>().0;
        data.as_chunks_mut::<3>().0.iter_mut().zip(pixels).for_each(|(to, &[r, g, b, _])| *to = [r, g, b]);
        Raster { width, height, layout: Layout::Rgb, data }
    }

    /// Returns the buffers of the canvas to `scratch`, so that other pictures can reuse the memory.
    pub(super) fn release(self, scratch: &mut Scratch) {
        scratch.give(self.data);
        if let Some(Pending::Restore(_, saved)) = self.pending {
            scratch.give(saved);
        }
    }
}
