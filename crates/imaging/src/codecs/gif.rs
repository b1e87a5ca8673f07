//! GIF (87a and 89a). The `gif` crate decodes the LZW data, and this module composes the frames on the
//! canvas. `scan.rs` reads the header before anything is decoded.

mod encode;
mod reduce;
mod rows;
mod scan;
mod table;

use std::io::{Chain, Cursor, Read as _};
use std::num::NonZeroU64;

use ::gif::{ColorOutput, DecodeOptions, DisposalMethod, MemoryLimit};

pub(super) use self::encode::Encoder;
use self::rows::GifRows;
use self::scan::Scan;
use super::canvas::{Area, Canvas, Dispose};
use super::codec::{Decode, Frame, Header};
use super::memory::{DecoderMemory, area, on_canvas, pixel_bytes};
use crate::color::Raster;
use crate::format::Format;
use crate::info::{Colorspace, ImageInfo};
use crate::limits::FileBudget;
use crate::metadata::Metadata;
use crate::orientation::Orientation;
use crate::rows::Rows;
use crate::truncation::{MissingPart, Truncation};
use crate::{Error, Limits, Scratch};

/// The offset at which the logical screen descriptor ends, which begins after the signature of 6 bytes.
const SCREEN_END: usize = 13;

/// The offset of the flags in the logical screen descriptor.
const SCREEN_FLAGS: usize = 10;

/// The number of pixels of a frame may exceed the number of pixels of the canvas by at most this number. Only
/// the part of a frame inside the canvas is drawn.
const FRAME_EXCESS_PX: usize = 1 << 20;

/// The time in milliseconds for which browsers show a frame whose delay is 0 or 1 hundredths of a second.
const SHORT_DELAY_MS: u32 = 100;

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
    /// Whether the only frame was decoded without a canvas.
    is_single_done: bool,
}

/// The LZW decoder and the canvas between two frames.
struct Reading<'a> {
    frames: ::gif::Decoder<Source<'a>>,
    canvas: Canvas,
    n_drawn: u32,
}

/// The bytes for the `gif` crate: the header with the global colour table if a table was added, and then the
/// rest of the file.
type Source<'a> = Chain<Cursor<Vec<u8>>, Cursor<&'a [u8]>>;

/// A frame that was drawn onto the canvas.
struct Drawn {
    delay_ms: u32,
    /// How many rows of the frame are missing because the file is cut off, and how many rows the frame has.
    missing_rows: (u64, u64),
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
        let mut warnings = Vec::new();
        if scan.n_frames > 1 && scan.n_begun == scan.n_frames && !scan.is_cut_off && !scan.has_trailer {
            warnings.push("the GIF has no end marker: frames may be missing".to_owned());
        }
        if scan.lacks_colors {
            warnings.push("the GIF has no colour table: its pixels are black".to_owned());
        }
        let truncation = scan.truncation(scan.n_frames);
        let header = Header {
            info,
            orientation: Orientation::Upright,
            profile: None,
            metadata: Metadata::default(),
            plays: scan.plays,
            warnings,
            truncation,
        };
        Ok(Self { input, scan, header, reading: None, is_single_done: false })
    }

    /// Returns the pixels of the only frame row by row. Returns `None` for an animation, and for a file that is
    /// cut off, because the decoder must find out how many rows are missing.
    fn single(&self) -> Result<Option<GifRows<'a>>, Error> {
        if self.scan.n_frames != 1 || self.scan.is_cut_off {
            return Ok(None);
        }
        GifRows::new(self.frames()?, &self.scan)
    }

    /// Decodes the only frame of the file without a canvas.
    fn next_single(&mut self, mut rows: GifRows<'_>, scratch: &mut Scratch) -> Result<Frame, Error> {
        let (width, height) = (self.scan.width, self.scan.height);
        let layout = rows.layout();
        let mut data = scratch.take(width as usize * height as usize * layout.count());
        match rows.read(&mut data) {
            Ok(()) => {
                self.is_single_done = true;
                Ok(Frame { raster: Raster { width, height, layout, data }, delay_ms: rows.delay_ms() })
            }
            Err(error) => {
                scratch.give(data);
                Err(error)
            }
        }
    }

    fn start(&self, scratch: &mut Scratch) -> Result<Reading<'a>, Error> {
        let canvas = Canvas::new(self.scan.width, self.scan.height, scratch);
        Ok(Reading { frames: self.frames()?, canvas, n_drawn: 0 })
    }

    /// Opens the LZW decoder for all frames.
    fn frames(&self) -> Result<::gif::Decoder<Source<'a>>, Error> {
        let n_pixels = self.scan.width as usize * self.scan.height as usize;
        let mut options = DecodeOptions::new();
        options.set_color_output(ColorOutput::Indexed);
        options.allow_unknown_blocks(true);
        let frame_bytes = NonZeroU64::MIN.saturating_add((n_pixels + FRAME_EXCESS_PX) as u64);
        options.set_memory_limit(MemoryLimit::Bytes(frame_bytes));
        options.read_info(source(self.input, self.scan.lacks_colors)).map_err(corrupt)
    }
}

impl Decode for Decoder<'_> {
    fn header(&self) -> &Header {
        &self.header
    }

    fn memory(&self) -> DecoderMemory {
        if self.scan.n_frames != 1 || self.scan.is_cut_off {
            return on_canvas(&self.header.info, 1, self.scan.restores);
        }
        let n_pixels = area(self.scan.width, self.scan.height);
        let indices = if self.scan.interlaced { n_pixels } else { n_pixels / u64::from(self.scan.height) };
        let rows = Some(indices);
        DecoderMemory { rows, ..DecoderMemory::still(n_pixels * pixel_bytes(&self.header.info), indices) }
    }

    fn rows(&mut self) -> Result<Option<Box<dyn Rows + '_>>, Error> {
        Ok(self.single()?.map(|rows| Box::new(rows) as Box<dyn Rows>))
    }

    fn next_frame(&mut self, scratch: &mut Scratch) -> Result<Option<Frame>, Error> {
        if self.is_single_done {
            return Ok(None);
        }
        if let Some(rows) = self.single()? {
            return self.next_single(rows, scratch).map(Some);
        }
        let mut reading = match self.reading.take() {
            Some(reading) => reading,
            None => self.start(scratch)?,
        };
        let drawn = reading.draw_next(&self.scan, scratch).inspect_err(|_| {
            if self.scan.is_cut_off && reading.n_drawn > 0 && reading.n_drawn + 1 == self.scan.n_frames {
                self.header.truncation = self.scan.truncation(reading.n_drawn);
            }
        });
        let Some(Drawn { delay_ms, missing_rows: (n_missing, n_rows) }) = drawn? else {
            reading.canvas.release(scratch);
            return Ok(None);
        };
        reading.n_drawn += 1;
        if n_missing > 0 {
            self.header.truncation = Truncation::new(MissingPart::Picture, n_missing, n_rows);
        }
        let raster = reading.canvas.snapshot(self.scan.alpha, scratch);
        self.reading = Some(reading);
        Ok(Some(Frame { raster, delay_ms }))
    }
}

impl Reading<'_> {
    /// Draws the next frame onto the canvas. Returns `None` after the last frame. If the file has one frame
    /// and ends within that frame, draws the rows that are complete. If an animation ends within a frame,
    /// that frame is not drawn.
    fn draw_next(&mut self, scan: &Scan, scratch: &mut Scratch) -> Result<Option<Drawn>, Error> {
        let (width, height) = (scan.width as usize, scan.height as usize);
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
        let delay_ms = delay_ms(frame.delay);
        let is_interlaced = frame.interlaced;
        let local = frame.palette.clone();
        let colors = color_table(local.as_deref().or(self.frames.global_palette()), transparent);
        let mut indices = scratch.take_zeroed(frame_width * frame_height);
        // Pixels beyond the end of the file are transparent, or have the index 0 if no index is transparent.
        if scan.is_cut_off {
            indices.fill(transparent.unwrap_or(0));
        }
        let n_read = if scan.is_cut_off && scan.n_frames == 1 {
            match self.read_rows(&mut indices, frame_width, frame_height, is_interlaced) {
                0 => Err(corrupt("the file is cut off before the end of the first row")),
                n_read => Ok(n_read),
            }
        } else {
            self.frames.read_into_buffer(&mut indices).map(|()| frame_height).map_err(corrupt)
        };
        if n_read.is_ok() {
            self.canvas.begin(area, dispose, scratch);
            draw(&mut self.canvas, area, indices.chunks(frame_width.max(1)), &colors);
        }
        scratch.give(indices);
        let n_missing = frame_height - n_read?;
        Ok(Some(Drawn { delay_ms, missing_rows: (n_missing as u64, frame_height as u64) }))
    }

    /// Reads the rows of a frame that the end of the file cuts off. Returns the number of complete rows.
    fn read_rows(&mut self, indices: &mut [u8], width: usize, height: usize, is_interlaced: bool) -> usize {
        let passes: &[(usize, usize)] =
            if is_interlaced { &[(0, 8), (4, 8), (2, 4), (1, 2)] } else { &[(0, 1)] };
        let rows = passes.iter().flat_map(|&(first, distance)| (first..height).step_by(distance));
        for (n_read, row) in rows.enumerate() {
            let Ok(true) = self.frames.fill_buffer(&mut indices[row * width..(row + 1) * width]) else {
                return n_read;
            };
        }
        height
    }
}

/// Converts the delay of a frame from hundredths of a second to milliseconds. Browsers show a frame whose
/// delay is 0 or 1 for a tenth of a second, and authors of GIF files rely on that. The delay is converted
/// here and not in the encoders, because other formats can mean their short delays.
fn delay_ms(hundredths: u16) -> u32 {
    match hundredths {
        0 | 1 => SHORT_DELAY_MS,
        _ => u32::from(hundredths) * 10,
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

/// Returns the bytes for the `gif` crate. The crate refuses a frame without a colour table, so a file whose
/// frames have none gets a global colour table of two black entries. Browsers show such a file in black.
fn source(input: &[u8], lacks_colors: bool) -> Source<'_> {
    let (mut header, mut rest) = (Vec::new(), input);
    if lacks_colors && let Some((start, after)) = input.split_first_chunk::<SCREEN_END>() {
        header.extend_from_slice(start);
        header[SCREEN_FLAGS] = header[SCREEN_FLAGS] & 0x78 | 0x80;
        header.extend([0; 6]);
        rest = after;
    }
    Cursor::new(header).chain(Cursor::new(rest))
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
