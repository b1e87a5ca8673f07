//! GIF (87a and 89a). The `gif` crate decodes the LZW data, and this module composes the frames on the
//! canvas. `scan.rs` reads the header before anything is decoded.

mod encode;
mod quantise;
mod scan;
mod table;

use std::io::Cursor;
use std::num::NonZeroU64;

use ::gif::{ColorOutput, DecodeOptions, DisposalMethod, MemoryLimit};

pub(super) use self::encode::Encoder;
use self::scan::Scan;
use super::canvas::{Area, Canvas, Dispose};
use super::codec::{Decode, Frame, Header};
use crate::format::Format;
use crate::info::{Colorspace, ImageInfo};
use crate::limits::FileBudget;
use crate::metadata::Metadata;
use crate::orientation::Orientation;
use crate::{Error, Limits, Scratch};

/// The number of pixels of a frame may exceed the number of pixels of the canvas by at most this number. Only
/// the part of a frame inside the canvas is drawn.
const FRAME_EXCESS_PX: usize = 1 << 20;

#[expect(clippy::needless_pass_by_value, reason = "`map_err` passes the error by value")]
fn corrupt(reason: impl ToString) -> Error {
    Error::Corrupt { format: "GIF", reason: reason.to_string() }
}

/// A GIF file whose blocks were scanned.
pub(super) struct Decoder<'a> {
    input: &'a [u8],
    scan: Scan,
    header: Header,
    /// The state of the decoder between two frames. `None` before the first frame and after the last frame.
    reading: Option<Reading<'a>>,
}

/// The LZW decoder and the canvas between two frames.
struct Reading<'a> {
    frames: ::gif::Decoder<Cursor<&'a [u8]>>,
    canvas: Canvas,
}

impl<'a> Decoder<'a> {
    /// Scans all blocks of a GIF file without decoding its pixels.
    pub(super) fn open(input: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        let scan = scan::scan(input, &mut FileBudget::new(limits))?;
        let info = ImageInfo {
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
            info,
            orientation: Orientation::Upright,
            profile: None,
            metadata: Metadata::default(),
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
        Ok(Reading { frames, canvas: Canvas::new(self.scan.width, self.scan.height, scratch) })
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
            reading.canvas.release(scratch);
            return Ok(None);
        };
        let raster = reading.canvas.snapshot(self.scan.alpha, scratch);
        self.reading = Some(reading);
        Ok(Some(Frame { raster, delay_ms }))
    }
}

impl Reading<'_> {
    /// Draws the next frame onto the canvas. Returns its delay in milliseconds, or `None` after the last
    /// frame.
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
        let transparent = frame.transparent;
        let dispose = match frame.dispose {
            DisposalMethod::Background => Dispose::Clear,
            DisposalMethod::Previous => Dispose::Restore,
            DisposalMethod::Any | DisposalMethod::Keep => Dispose::Keep,
        };
        let delay_ms = u32::from(frame.delay) * 10;
        let local = frame.palette.clone();
        let colors = color_table(local.as_deref().or(self.frames.global_palette()), transparent);
        let mut indices = scratch.take_zeroed(frame_width * frame_height);
        let read = self.frames.read_into_buffer(&mut indices);
        if read.is_ok() {
            self.canvas.begin(area, dispose, scratch);
            draw(&mut self.canvas, area, indices.chunks(frame_width.max(1)), &colors);
        }
        scratch.give(indices);
        read.map_err(corrupt)?;
        Ok(Some(delay_ms))
    }
}

/// Draws rows of colour indices into `area`. Transparent pixels leave the canvas unchanged.
fn draw<'a>(canvas: &mut Canvas, area: Area, rows: impl Iterator<Item = &'a [u8]>, colors: &[[u8; 4]; 256]) {
    for (row, indices) in canvas.rows(area).zip(rows) {
        for (pixel, &index) in row.iter_mut().zip(indices) {
            let color = colors[usize::from(index)];
            if color[3] != 0 {
                *pixel = color;
            }
        }
    }
}

/// Returns the RGBA colour of every index. All colours are opaque except the colour of the transparent index.
/// An index outside of the palette is black, as in browsers.
fn color_table(palette: Option<&[u8]>, transparent: Option<u8>) -> [[u8; 4]; 256] {
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
