//! PNG (ISO/IEC 15948) with and without animation, decoded and encoded with the `png` crate. The most common
//! kind of still pictures is decoded by `rows.rs` without the crate.

mod animation;
mod colors;
mod compress;
mod embed;
mod encode;
mod essence;
mod fit;
mod interlace;
mod lossy;
mod open;
mod rows;
mod scan;
mod text;
mod unfilter;

use std::borrow::Cow;

use ::png::{BitDepth, ColorType, DecodingError, Info};

pub(super) use self::animation::Animation;
pub(super) use self::embed::embed;
pub(super) use self::encode::{encode, encoder_bytes};
use self::essence::essence;
pub(super) use self::fit::fit;
use self::interlace::{read_rows, remove_row_gaps};
use self::open::{Opened, Reader, open_tolerantly, reader};
use self::rows::PngRows;
use self::scan::Scan;
pub(super) use self::scan::announced_bytes;
use self::text::Texts;
use super::canvas::{Area, Blend, Canvas, Dispose};
use super::codec::{Decode, Frame, Header};
use super::memory::{self, DecoderMemory, area, pixel_bytes};
use crate::color::{Layout, Raster};
use crate::format::Format;
use crate::info::{Colorspace, ImageInfo};
use crate::orientation::Orientation;
use crate::rows::Rows;
use crate::truncation::{MissingPart, Truncation};
use crate::{Error, Limits, Scratch};

/// The memory of the decoder for a few rows and the window of deflate, in bytes.
const ROW_BUFFER_BYTES: u64 = 2 << 20;

/// The text of the warning about a wrong checksum in the picture data.
const BAD_CHECKSUM: &str = "a checksum of the PNG is wrong";

/// The beginning of the warning about an animation that cannot be decoded.
const BROKEN_ANIMATION: &str = "the animation is broken, so only the default image was read";

#[expect(clippy::needless_pass_by_value, reason = "`map_err` passes the error by value")]
fn corrupt(reason: impl ToString) -> Error {
    Error::Corrupt { format: "PNG", reason: reason.to_string() }
}

/// A PNG file whose header was read.
pub(super) struct Decoder<'a> {
    /// The file, or a copy of its essential chunks if other chunks are damaged.
    input: Cow<'a, [u8]>,
    reader: Reader<'a>,
    header: Header,
    scan: Option<Scan>,
    canvas: Option<Canvas>,
    n_read: u32,
}

impl<'a> Decoder<'a> {
    /// Opens a PNG file: reads all chunks before the picture data, and the types of all later chunks.
    pub(super) fn open(input: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        let mut texts = text::read(input, limits)?;
        let Opened { input: source, reader, warning } = open_tolerantly(input)?;
        let mut warnings: Vec<String> = warning.into_iter().collect();
        let info = reader.info();
        let is_gray = matches!(info.color_type, ColorType::Grayscale | ColorType::GrayscaleAlpha);
        texts.profile = colors::profile(input, texts.profile.take(), is_gray, &mut warnings);
        // The `png` crate decides from the chunks whether the file is an animation. The module `scan` must
        // come to the same result, because the decoder relies on the results of both.
        let scan = info.animation_control.and_then(|_| scan::scan(&source, info.width, info.height));
        if scan.is_none() && warnings.is_empty() && scan::announces_animation(input) {
            warnings.push(format!("{BROKEN_ANIMATION}: its header or its first frame is missing"));
        }
        let header = Header { warnings, ..header(info, scan, texts) };
        Ok(Self { input: source, reader, header, scan, canvas: None, n_read: 0 })
    }

    /// Returns the pixel layout if [`PngRows`] can decode the picture, else `None`.
    fn common_layout(&self) -> Option<Layout> {
        let info = self.reader.info();
        if self.scan.is_some() || info.interlaced || info.trns.is_some() || info.bit_depth != BitDepth::Eight
        {
            return None;
        }
        match info.color_type {
            ColorType::Grayscale => Some(Layout::Gray),
            ColorType::Rgb => Some(Layout::Rgb),
            ColorType::Rgba => Some(Layout::Rgba),
            ColorType::Indexed | ColorType::GrayscaleAlpha => None,
        }
    }

    /// Decodes the only picture of the file with [`PngRows`].
    fn next_common(&mut self, layout: Layout, scratch: &mut Scratch) -> Result<Frame, Error> {
        let (width, height) = (self.header.info.width, self.header.info.height);
        let mut rows = PngRows::new(&self.input, layout, &mut self.header)?;
        let mut data = scratch.take(width as usize * height as usize * layout.count());
        if let Err(error) = rows.read(&mut data) {
            scratch.give(data);
            return Err(error);
        }
        Ok(Frame { raster: Raster { width, height, layout, data }, delay_ms: 0 })
    }

    /// Decodes the only picture of the file with the `png` crate.
    fn next_still(&mut self, scratch: &mut Scratch) -> Result<Frame, Error> {
        if let Some(layout) = self.common_layout() {
            return self.next_common(layout, scratch);
        }
        let (color_type, bit_depth) = self.reader.output_color_type();
        debug_assert_eq!(bit_depth, BitDepth::Eight, "the transformations leave nothing else");
        let (width, height) = (self.header.info.width, self.header.info.height);
        let mut data = scratch.take_zeroed(width as usize * height as usize * color_type.samples());
        match self.read_still(&mut data) {
            Ok(n_missing) => {
                let n_pixels = u64::from(width) * u64::from(height);
                self.header.truncation = Truncation::new(MissingPart::Picture, n_missing, n_pixels);
            }
            Err(error) => {
                scratch.give(data);
                return Err(corrupt(error));
            }
        }
        let (layout, data) = match color_type {
            ColorType::Grayscale | ColorType::Indexed => (Layout::Gray, data),
            ColorType::Rgb => (Layout::Rgb, data),
            ColorType::Rgba => (Layout::Rgba, data),
            ColorType::GrayscaleAlpha => (Layout::Rgba, expand_gray(data, color_type, scratch)),
        };
        Ok(Frame { raster: Raster { width, height, layout, data }, delay_ms: 0 })
    }

    /// Decodes the rows of the only picture. If a checksum is wrong, decodes again without verifying
    /// checksums and adds a warning, because a picture with a defect is better than no picture. Returns the
    /// number of pixels that are missing because the file is cut off.
    fn read_still(&mut self, data: &mut [u8]) -> Result<u64, DecodingError> {
        match read_rows(&mut self.reader, data) {
            Err(DecodingError::Format(error)) if error.to_string().starts_with("CRC error") => {
                let again = reader(self.input.clone(), true)?;
                // The second decoder ignores checksums, so it uses a chunk that the first decoder skipped
                // because of a wrong checksum. If that chunk is `tRNS`, the second decoder adds an alpha
                // channel, for which `data` has no room.
                if again.output_color_type() != self.reader.output_color_type() {
                    return Err(DecodingError::Format(error));
                }
                self.reader = again;
                let n_missing = read_rows(&mut self.reader, data)?;
                self.header.warnings.push(BAD_CHECKSUM.to_owned());
                Ok(n_missing)
            }
            result => result,
        }
    }

    /// Decodes the default image instead of an animation whose first frame cannot be decoded because of
    /// `error`. Returns `error` if the default image cannot be decoded either.
    fn next_default(&mut self, error: Error, scratch: &mut Scratch) -> Result<Frame, Error> {
        self.input = Cow::Owned(essence(&self.input));
        let Ok(reader) = reader(self.input.clone(), false) else { return Err(error) };
        self.reader = reader;
        self.scan = None;
        self.header.info.frames = 1;
        let Ok(frame) = self.next_still(scratch) else { return Err(error) };
        self.header.warnings.push(format!("{BROKEN_ANIMATION}: {error}"));
        Ok(frame)
    }

    /// Decodes the next frame of an animation and draws it onto the canvas.
    fn next_animated(&mut self, scan: Scan, scratch: &mut Scratch) -> Result<Frame, Error> {
        let (width, height) = (self.header.info.width, self.header.info.height);
        let (color_type, _) = self.reader.output_color_type();
        let mut data = scratch.take_zeroed(width as usize * height as usize * color_type.samples());
        if self.n_read == 0 && !scan.starts_with_default {
            self.reader.next_frame(&mut data).map_err(corrupt)?;
        }
        let output = self.reader.next_frame(&mut data).map_err(corrupt)?;
        let info = self.reader.info();
        let control = info.frame_control.ok_or_else(|| corrupt("a frame without its header"))?;
        let inside = |offset: u32, side: u32, of: u32| offset.checked_add(side).is_some_and(|end| end <= of);
        if (output.width, output.height) != (control.width, control.height)
            || !inside(control.x_offset, control.width, width)
            || !inside(control.y_offset, control.height, height)
        {
            return Err(corrupt("a frame lies outside the canvas"));
        }
        let area = Area {
            left: control.x_offset as usize,
            top: control.y_offset as usize,
            width: control.width as usize,
            height: control.height as usize,
        };
        if info.interlaced {
            remove_row_gaps(&mut data, width as usize, area, color_type.samples());
        }
        let data = match color_type {
            ColorType::Rgb | ColorType::Rgba => data,
            gray => expand_gray(data, gray, scratch),
        };
        let has_alpha = matches!(color_type, ColorType::GrayscaleAlpha | ColorType::Rgba);
        let blend = if control.blend_op == ::png::BlendOp::Over { Blend::Over } else { Blend::Source };
        let canvas = self.canvas.get_or_insert_with(|| Canvas::new(width, height, scratch));
        canvas.begin(area, dispose(control.dispose_op), scratch);
        canvas.draw(area, &data, has_alpha, blend);
        scratch.give(data);
        let raster = canvas.snapshot(self.header.info.alpha, scratch);
        Ok(Frame { raster, delay_ms: delay_ms(control.delay_num, control.delay_den) })
    }
}

impl Decode for Decoder<'_> {
    fn header(&self) -> &Header {
        &self.header
    }

    fn memory(&self) -> DecoderMemory {
        let ImageInfo { width, height, .. } = self.header.info;
        if self.scan.is_some() {
            return memory::on_canvas(&self.header.info, 4, true);
        }
        let frame = area(width, height) * pixel_bytes(&self.header.info);
        // Gray with alpha is converted in a second buffer. The damaged parts of a file are left out in a copy.
        let gray = if self.reader.output_color_type().0 == ColorType::GrayscaleAlpha { frame / 2 } else { 0 };
        let copy = if matches!(self.input, Cow::Owned(_)) { self.input.len() as u64 } else { 0 };
        let copied = copy + ROW_BUFFER_BYTES;
        let rows = self.common_layout().map(|_| copied + u64::from(width) * 8);
        DecoderMemory { rows, ..DecoderMemory::still(frame, gray + copied) }
    }

    fn rows(&mut self) -> Result<Option<Box<dyn Rows + '_>>, Error> {
        let Some(layout) = self.common_layout() else { return Ok(None) };
        Ok(Some(Box::new(PngRows::new(&self.input, layout, &mut self.header)?)))
    }

    fn next_frame(&mut self, scratch: &mut Scratch) -> Result<Option<Frame>, Error> {
        if self.n_read == self.header.info.frames {
            if let Some(canvas) = self.canvas.take() {
                canvas.release(scratch);
            }
            return Ok(None);
        }
        let frame = match self.scan {
            Some(scan) => self.next_animated(scan, scratch).or_else(|error| {
                let is_broken = self.n_read == 0 && !scan.is_cut_off;
                if is_broken { self.next_default(error, scratch) } else { Err(error) }
            }),
            None => self.next_still(scratch),
        };
        self.n_read += u32::from(frame.is_ok());
        // The number of missing frames is known when the last frame was decoded or when a frame cannot be
        // decoded.
        if let Some(scan) = self.scan
            && (frame.is_err() || self.n_read == self.header.info.frames)
        {
            self.header.truncation = scan.truncation(self.n_read);
        }
        frame.map(Some)
    }
}

/// Creates the header of a decoded file from the chunks before the picture data.
fn header(png: &Info<'_>, scan: Option<Scan>, texts: Texts) -> Header {
    let colorspace = match png.color_type {
        ColorType::Grayscale | ColorType::GrayscaleAlpha => Colorspace::Gray,
        ColorType::Indexed => Colorspace::Palette,
        ColorType::Rgb | ColorType::Rgba => Colorspace::Rgb,
    };
    let alpha_channel = matches!(png.color_type, ColorType::GrayscaleAlpha | ColorType::Rgba);
    let info = ImageInfo {
        format: if scan.is_some() { Format::Apng } else { Format::Png },
        width: png.width,
        height: png.height,
        colorspace,
        interlaced: png.interlaced,
        sampling: None,
        depth: png.bits_per_pixel() as u8,
        quality: None,
        frames: scan.map_or(1, |scan| scan.n_frames),
        alpha: alpha_channel || png.trns.is_some() || scan.is_some_and(|scan| scan.uncovers),
    };
    Header {
        info,
        orientation: texts.metadata.exif.as_deref().map(Orientation::from_exif).unwrap_or_default(),
        profile: texts.profile,
        metadata: texts.metadata,
        plays: scan.map_or(Some(1), |scan| scan.plays),
        warnings: Vec::new(),
        truncation: None,
    }
}

/// Converts the disposal method of an APNG frame from the type of the `png` crate to the type of this crate.
fn dispose(op: ::png::DisposeOp) -> Dispose {
    match op {
        ::png::DisposeOp::None => Dispose::Keep,
        ::png::DisposeOp::Background => Dispose::Clear,
        ::png::DisposeOp::Previous => Dispose::Restore,
    }
}

/// Converts the delay of an APNG frame from a fraction of a second to milliseconds. By the standard, a
/// denominator of 0 counts as 100.
fn delay_ms(numerator: u16, denominator: u16) -> u32 {
    let denominator = if denominator == 0 { 100 } else { u32::from(denominator) };
    (u32::from(numerator) * 1000 + denominator / 2) / denominator
}

/// Converts gray to RGB, or gray with alpha to RGBA.
fn expand_gray(data: Vec<u8>, color_type: ColorType, scratch: &mut Scratch) -> Vec<u8> {
    let mut wide;
    if color_type == ColorType::GrayscaleAlpha {
        wide = scratch.take(data.len() * 2);
        for (&[v, a], pixel) in data.as_chunks::<2>().0.iter().zip(wide.as_chunks_mut::<4>().0) {
            *pixel = [v, v, v, a];
        }
    } else {
        wide = scratch.take(data.len() * 3);
        data.iter().zip(wide.as_chunks_mut::<3>().0).for_each(|(&v, pixel)| *pixel = [v; 3]);
    }
    scratch.give(data);
    wide
}
