//! Writes APNG. A frame after the first contains only the rectangle that changed, and its pixels replace the
//! pixels of the canvas in this rectangle.

use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;

use ::png::{BitDepth, ColorType, DeflateCompression, EncodingError, Filter, Writer};

use super::compress::{FAST, failed};
use super::encode::describe;
use crate::codecs::animation_delta::{changed_area, rows_of};
use crate::codecs::canvas::Area;
use crate::codecs::codec::{Encode, Encoded, Sequence};
use crate::codecs::pixel_format::with_channels;
use crate::format::Format;
use crate::info::Colorspace;
use crate::plan::Output;
use crate::{Channels, Error, Image, Scratch};

/// The encoder of an APNG file.
pub(in crate::codecs) struct Animation {
    sequence: Sequence,
    compression: DeflateCompression,
    file: File,
    writer: Option<Writer<File>>,
    /// The frame that was written last, with which the next frame is compared.
    previous: Option<Image>,
    n_written: u32,
}

/// The bytes of the file. This struct and the `png` crate share the buffer, because the crate takes ownership
/// of its writer and does not return it.
#[derive(Clone, Default)]
struct File(Rc<RefCell<Vec<u8>>>);

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Animation {
    /// Creates an encoder that has not received a frame yet.
    pub(in crate::codecs) fn new(output: &Output, sequence: Sequence) -> Self {
        let compression = match output.effort {
            None | Some(0 | 1) => FAST,
            Some(effort) => DeflateCompression::Level(effort.min(9)),
        };
        Self { sequence, compression, file: File::default(), writer: None, previous: None, n_written: 0 }
    }

    /// Returns the channels that all frames of the file have: RGBA if any frame can have alpha, else RGB.
    fn channels(&self, image: &Image) -> Channels {
        match &self.previous {
            Some(previous) => previous.channels(),
            None if self.sequence.alpha || image.channels().has_alpha() => Channels::Rgba,
            None => Channels::Rgb,
        }
    }

    /// Writes the header of the file.
    fn start(&self, image: &Image) -> Result<Writer<File>, EncodingError> {
        let mut encoder = ::png::Encoder::new(self.file.clone(), image.width(), image.height());
        let alpha = image.channels().has_alpha();
        encoder.set_color(if alpha { ColorType::Rgba } else { ColorType::Rgb });
        encoder.set_depth(BitDepth::Eight);
        encoder.set_deflate_compression(self.compression);
        encoder.set_filter(Filter::Adaptive);
        encoder.set_animated(self.sequence.n_frames.max(1), self.sequence.plays.map_or(0, u32::from))?;
        encoder.write_header()
    }

    /// Writes a frame: the first frame as a whole, a later frame as its changed rectangle.
    fn write(&mut self, image: &Image, delay_ms: u32, scratch: &mut Scratch) -> Result<(), EncodingError> {
        let area = match &self.previous {
            Some(previous) => changed_area(previous, image),
            None => Area { left: 0, top: 0, width: image.width() as usize, height: image.height() as usize },
        };
        let mut part = scratch.take(area.width * area.height * image.channels().count());
        let stride = area.width * image.channels().count();
        part.chunks_exact_mut(stride).zip(rows_of(image, area)).for_each(|(to, row)| to.copy_from_slice(row));
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => {
                let writer = self.start(image)?;
                self.writer.insert(writer)
            }
        };
        // The first frame states no position and size, because it covers the whole canvas, which is the
        // default of the `png` crate.
        if self.n_written > 0 {
            writer.reset_frame_position()?;
            writer.set_frame_dimension(area.width as u32, area.height as u32)?;
            writer.set_frame_position(area.left as u32, area.top as u32)?;
        }
        let (numerator, denominator) = delay(delay_ms);
        writer.set_frame_delay(numerator, denominator)?;
        writer.set_blend_op(::png::BlendOp::Source)?;
        writer.set_dispose_op(::png::DisposeOp::None)?;
        let written = writer.write_image_data(&part);
        scratch.give(part);
        self.n_written += 1;
        written
    }
}

impl Encode for Animation {
    fn push(&mut self, image: Image, delay_ms: u32, scratch: &mut Scratch) -> Result<(), Error> {
        let channels = self.channels(&image);
        let image = with_channels(image, channels, scratch);
        self.write(&image, delay_ms, scratch).map_err(failed)?;
        if let Some(old) = self.previous.replace(image) {
            scratch.give(old.into_data());
        }
        Ok(())
    }

    fn finish(self: Box<Self>, scratch: &mut Scratch) -> Result<Encoded, Error> {
        let last = self.previous.expect("a frame was pushed before the end");
        let writer = self.writer.expect("a frame was pushed before the end");
        if self.n_written == self.sequence.n_frames.max(1) {
            writer.finish().map_err(failed)?;
        } else {
            // The file has fewer frames than its header announced. In this case, `finish` would return an
            // error. If the writer is dropped instead, the file is complete except for the number of frames.
            drop(writer);
        }
        let mut bytes = self.file.0.take();
        if self.n_written != self.sequence.n_frames.max(1) {
            correct_count(&mut bytes, self.n_written);
        }
        let alpha = last.channels().has_alpha();
        let depth = if alpha { 32 } else { 24 };
        let mut info = describe(&last, Colorspace::Rgb, depth, alpha);
        info.format = Format::Apng;
        info.frames = self.n_written;
        scratch.give(last.into_data());
        Ok(Encoded { info, bytes })
    }
}

/// Converts a delay from milliseconds to a fraction of a second whose numerator and denominator have 16 bits.
/// The denominator is 1000, or 100 for delays above 65 seconds.
fn delay(delay_ms: u32) -> (u16, u16) {
    match u16::try_from(delay_ms) {
        Ok(thousandths) => (thousandths, 1000),
        Err(_) => (u16::try_from(delay_ms / 10).unwrap_or(u16::MAX), 100),
    }
}

/// Writes the actual number of frames to the `acTL` chunk, and corrects the checksum of the chunk.
fn correct_count(bytes: &mut [u8], n_frames: u32) {
    let at = memchr::memmem::find(bytes, b"acTL").expect("the header of an APNG file has an `acTL` chunk");
    bytes[at + 4..at + 8].copy_from_slice(&n_frames.to_be_bytes());
    let checksum = crc32fast::hash(&bytes[at..at + 12]);
    bytes[at + 12..at + 16].copy_from_slice(&checksum.to_be_bytes());
}
