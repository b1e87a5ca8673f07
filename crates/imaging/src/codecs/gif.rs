//! GIF (87a and 89a): frames composed on their canvas. The LZW data are decoded by the `gif` crate; what is known
//! before decoding is found by `scan.rs`.

mod encode;
mod scan;

use std::io::Cursor;
use std::num::NonZeroU64;

use ::gif::{ColorOutput, DecodeOptions, DisposalMethod, MemoryLimit};

pub(super) use self::encode::encode;
use self::scan::Scan;
use super::{Decode, Frame, Header};
use crate::color::{Layout, Raster};
use crate::facts::{Colorspace, Description};
use crate::orientation::Orientation;
use crate::plan::Format;
use crate::{Error, Scratch};

/// By how much a frame may exceed the canvas, of which it then shows a part only.
const FRAME_EXCESS_PX: usize = 1 << 20;

fn corrupt(reason: impl ToString) -> Error {
    Error::Corrupt { format: "GIF", reason: reason.to_string() }
}

/// A GIF file that was scanned.
pub(super) struct Decoder<'a> {
    input: &'a [u8],
    scan: Scan,
    header: Header,
    reading: Option<Reading<'a>>,
}

/// The state between two frames.
struct Reading<'a> {
    frames: ::gif::Decoder<Cursor<&'a [u8]>>,
    /// Red, green, blue, alpha of the whole canvas.
    canvas: Vec<u8>,
    /// The area to treat before the next frame is drawn.
    dispose: Option<Disposal>,
}

/// What the frame shown last asked for.
enum Disposal {
    /// Make its area transparent.
    Clear(Area),
    /// Put back what was under it.
    Restore(Area, Vec<u8>),
}

/// A part of the canvas, in pixels; lies within it.
#[derive(Debug, Clone, Copy)]
struct Area {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

impl<'a> Decoder<'a> {
    /// Looks at every block of the file, decoding none.
    pub(super) fn open(input: &'a [u8]) -> Result<Self, Error> {
        let scan = scan::scan(input).map_err(corrupt)?;
        let description = Description {
            format: Format::Gif,
            width: scan.width,
            height: scan.height,
            colorspace: Colorspace::Palette,
            interlaced: scan.interlaced,
            sampling: None,
            depth: scan.depth,
            quality: None,
            frames: scan.n_frames,
            alpha: scan.alpha,
        };
        let header = Header {
            description,
            orientation: Orientation::Upright,
            profile: None,
            plays: scan.plays,
            warnings: Vec::new(),
        };
        Ok(Self { input, scan, header, reading: None })
    }

    fn start(&self, scratch: &mut Scratch) -> Result<Reading<'a>, Error> {
        let n_pixels = self.scan.width as usize * self.scan.height as usize;
        let mut options = DecodeOptions::new();
        options.set_color_output(ColorOutput::Indexed);
        options.allow_unknown_blocks(true);
        let frame_bytes = NonZeroU64::MIN.saturating_add((n_pixels + FRAME_EXCESS_PX) as u64);
        options.set_memory_limit(MemoryLimit::Bytes(frame_bytes));
        let frames = options.read_info(Cursor::new(self.input)).map_err(corrupt)?;
        Ok(Reading { frames, canvas: scratch.take_zeroed(n_pixels * 4), dispose: None })
    }
}

impl Decode for Decoder<'_> {
    fn header(&self) -> &Header {
        &self.header
    }

    fn next_frame(&mut self, scratch: &mut Scratch) -> Result<Option<Frame>, Error> {
        let mut reading = match self.reading.take() {
            Some(reading) => reading,
            None => self.start(scratch)?,
        };
        let (width, height) = (self.scan.width as usize, self.scan.height as usize);
        let Some(delay_ms) = reading.draw_next(width, height, scratch)? else {
            scratch.give(reading.canvas);
            return Ok(None);
        };
        let raster = snapshot(&reading.canvas, &self.scan, scratch);
        self.reading = Some(reading);
        Ok(Some(Frame { raster, delay_ms }))
    }
}

/// The canvas as it is now; without the alpha channel where no pixel of the file is transparent.
fn snapshot(canvas: &[u8], scan: &Scan, scratch: &mut Scratch) -> Raster {
    let (width, height) = (scan.width, scan.height);
    if scan.alpha {
        let mut data = scratch.take(canvas.len());
        data.copy_from_slice(canvas);
        return Raster { width, height, layout: Layout::Rgba, data };
    }
    let mut data = scratch.take(canvas.len() / 4 * 3);
    let pixels = canvas.as_chunks::<4>().0;
    data.as_chunks_mut::<3>().0.iter_mut().zip(pixels).for_each(|(to, &[r, g, b, _])| *to = [r, g, b]);
    Raster { width, height, layout: Layout::Rgb, data }
}

impl Reading<'_> {
    /// Draws the next frame onto the canvas; its delay, or `None` after the last.
    fn draw_next(
        &mut self,
        width: usize,
        height: usize,
        scratch: &mut Scratch,
    ) -> Result<Option<u32>, Error> {
        let Some(frame) = self.frames.next_frame_info().map_err(corrupt)? else { return Ok(None) };
        let (left, top) = (usize::from(frame.left).min(width), usize::from(frame.top).min(height));
        let (frame_width, frame_height) = (usize::from(frame.width), usize::from(frame.height));
        let area =
            Area { left, top, width: frame_width.min(width - left), height: frame_height.min(height - top) };
        if frame_width * frame_height > width * height + FRAME_EXCESS_PX {
            return Err(corrupt("a frame is much larger than the canvas"));
        }
        let (method, transparent) = (frame.dispose, frame.transparent);
        let delay_ms = u32::from(frame.delay) * 10;
        let local = frame.palette.clone();
        let colors = table(local.as_deref().or(self.frames.global_palette()), transparent);
        let mut indices = scratch.take_zeroed(frame_width * frame_height);
        let read = self.frames.read_into_buffer(&mut indices);
        if read.is_ok() {
            self.undo(width, scratch);
            self.dispose = match method {
                DisposalMethod::Background => Some(Disposal::Clear(area)),
                DisposalMethod::Previous => Some(Disposal::Restore(area, self.save(area, width, scratch))),
                DisposalMethod::Any | DisposalMethod::Keep => None,
            };
            draw(&mut self.canvas, width, area, indices.chunks(frame_width.max(1)), &colors);
        }
        scratch.give(indices);
        read.map_err(corrupt)?;
        Ok(Some(delay_ms))
    }

    /// Does what the last frame asked for when its time was over.
    fn undo(&mut self, width: usize, scratch: &mut Scratch) {
        match self.dispose.take() {
            None => {}
            Some(Disposal::Clear(area)) => {
                rows_of(&mut self.canvas, width, area).for_each(|row| row.fill(0));
            }
            Some(Disposal::Restore(area, saved)) => {
                let stride = (area.width * 4).max(1);
                rows_of(&mut self.canvas, width, area)
                    .zip(saved.chunks_exact(stride))
                    .for_each(|(row, saved)| row.copy_from_slice(saved));
                scratch.give(saved);
            }
        }
    }

    fn save(&mut self, area: Area, width: usize, scratch: &mut Scratch) -> Vec<u8> {
        let mut saved = scratch.take(area.width * area.height * 4);
        let stride = (area.width * 4).max(1);
        rows_of(&mut self.canvas, width, area)
            .zip(saved.chunks_exact_mut(stride))
            .for_each(|(row, saved)| saved.copy_from_slice(row));
        saved
    }
}

/// The bytes of each row of an area.
fn rows_of(canvas: &mut [u8], width: usize, area: Area) -> impl Iterator<Item = &mut [u8]> {
    canvas
        .chunks_exact_mut(width * 4)
        .skip(area.top)
        .take(area.height)
        .map(move |row| &mut row[area.left * 4..(area.left + area.width) * 4])
}

fn draw<'a>(
    canvas: &mut [u8],
    width: usize,
    area: Area,
    rows: impl Iterator<Item = &'a [u8]>,
    colors: &[[u8; 4]; 256],
) {
    for (row, indices) in rows_of(canvas, width, area).zip(rows) {
        for (pixel, &index) in row.as_chunks_mut::<4>().0.iter_mut().zip(indices) {
            let color = colors[usize::from(index)];
            if color[3] != 0 {
                *pixel = color;
            }
        }
    }
}

/// A colour for every index: opaque, except the transparent one. An index beyond the table is black, as in browsers.
fn table(palette: Option<&[u8]>, transparent: Option<u8>) -> [[u8; 4]; 256] {
    let mut colors = [[0, 0, 0, 255]; 256];
    let entries = palette.unwrap_or_default().as_chunks::<3>().0;
    for (color, &[r, g, b]) in colors.iter_mut().zip(entries) {
        *color = [r, g, b, 255];
    }
    if let Some(index) = transparent {
        colors[usize::from(index)] = [0; 4];
    }
    colors
}
