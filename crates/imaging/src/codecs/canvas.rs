//! The canvas of an animation: frames are drawn onto it one after the other and disposed of as their file says. What
//! GIF, APNG and WebP have in common; how a frame's pixels are decoded is their own business.

use crate::Scratch;
use crate::color::{Layout, Raster};

/// A part of the canvas in pixels; lies within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

/// What becomes of a frame when its time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dispose {
    /// It stays.
    Keep,
    /// Its area becomes transparent.
    Clear,
    /// What was under it comes back.
    Restore,
}

/// How a frame's pixels meet those under them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blend {
    /// They replace them.
    Source,
    /// They lie over them.
    Over,
}

/// Red, green, blue and straight alpha of every pixel, transparent at first.
#[derive(Debug)]
pub(super) struct Canvas {
    width: usize,
    height: usize,
    data: Vec<u8>,
    /// What has to be done before the next frame is drawn.
    pending: Option<Pending>,
}

#[derive(Debug)]
enum Pending {
    Clear(Area),
    Restore(Area, Vec<u8>),
}

impl Canvas {
    /// A transparent canvas.
    pub(super) fn new(width: u32, height: u32, scratch: &mut Scratch) -> Self {
        let (width, height) = (width as usize, height as usize);
        Self { width, height, data: scratch.take_zeroed(width * height * 4), pending: None }
    }

    /// Disposes of the frame shown last and makes ready for one in `area`.
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

    /// The pixels of each row of `area`.
    pub(super) fn rows(&mut self, area: Area) -> impl Iterator<Item = &mut [[u8; 4]]> {
        debug_assert!(area.left + area.width <= self.width && area.top + area.height <= self.height);
        let rows = self.data.as_chunks_mut::<4>().0.chunks_exact_mut(self.width);
        rows.skip(area.top).take(area.height).map(move |row| &mut row[area.left..area.left + area.width])
    }

    /// Draws a picture of three or four bytes per pixel that is as large as `area`.
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

    /// The canvas as it is now, with or without its alpha.
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

    /// Gives its buffers back.
    pub(super) fn release(self, scratch: &mut Scratch) {
        scratch.give(self.data);
        if let Some(Pending::Restore(_, saved)) = self.pending {
            scratch.give(saved);
        }
    }
}

/// Porter and Duff's "over" for straight alpha, rounded.
pub(crate) fn over(from: [u8; 4], under: [u8; 4]) -> [u8; 4] {
    if from[3] == 255 || under[3] == 0 {
        return from;
    }
    if from[3] == 0 {
        return under;
    }
    let alpha = u32::from(from[3]) * 255;
    let rest = u32::from(under[3]) * (255 - u32::from(from[3]));
    let sum = alpha + rest;
    let mix = |i: usize| ((u32::from(from[i]) * alpha + u32::from(under[i]) * rest + sum / 2) / sum) as u8;
    [mix(0), mix(1), mix(2), ((sum + 127) / 255) as u8]
}
