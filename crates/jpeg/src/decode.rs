//! The public API of the decoder, and the parser of all segments up to the frame header. The module
//! `segments` decodes the segments after the frame header, and the module `scans` a scan. The modules
//! `sequential`, `progressive`, `arithmetic` and `lossless` decode the data of a scan.

mod arithmetic;
mod bits;
mod coefficients;
mod entropy;
mod frame;
mod huffman;
mod huffman_blocks;
mod idct;
mod layout;
mod lossless;
mod markers;
mod pixel_writer;
mod progressive;
mod received;
mod restart;
mod samples;
mod scans;
mod segments;
mod sequential;
mod step_loop;
mod steps;
mod unstuffed;

pub use self::frame::{Coding, Component, EntropyCoding, Frame};
pub use self::pixel_writer::Colour;

use self::coefficients::Coefficients;
use self::layout::Layout;
use self::markers::Tables;
use self::pixel_writer::PixelWriter;
use self::received::Received;
use self::samples::Samples;
use self::segments::{Decoded, SegmentDecoder};
use crate::Error;

/// The scale of a reduced image, in eighths of the full size. Width and height are rounded up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scale(usize);

impl Scale {
    /// The scale 8/8: the image keeps its full size.
    pub const FULL: Self = Self(8);

    /// All supported scales, in ascending order.
    pub const ALL: [Self; 7] = [Self(1), Self(2), Self(3), Self(4), Self(5), Self(6), Self(8)];

    /// Returns the scale for an image of the size `full` that is resampled to the size `needed` after decoding,
    /// with a kernel at least as good as Lanczos.
    ///
    /// A scale is used only from a minimum ratio of `full` to `needed` on. The ratios are those from which the
    /// result is as close to a resampling of the full size as the result of libvips, which decodes at 4/8
    /// from the ratios 3 and 4, at 2/8 from 5 and 8, and at 1/8 from 9. The scales 3/8, 5/8 and 6/8 need
    /// nearly as much time as the next larger one, and blur more.
    pub fn for_resampling(full: (u32, u32), needed: (u32, u32)) -> Self {
        const MIN_RATIOS: [(Scale, u64); 3] = [(Scale(1), 32), (Scale(2), 5), (Scale(4), 3)];
        let is_reduced = |ratio: u64| {
            let at_least = |full: u32, needed: u32| u64::from(full) >= ratio * u64::from(needed);
            at_least(full.0, needed.0) && at_least(full.1, needed.1)
        };
        MIN_RATIOS.iter().find(|(_, ratio)| is_reduced(*ratio)).map_or(Self::FULL, |(scale, _)| *scale)
    }

    /// Returns the numerator of the scale: 1–6 or 8.
    pub fn eighths(self) -> usize {
        self.0
    }

    /// Returns the reduced size of an image whose full size is `width` × `height`.
    pub fn of(self, width: u32, height: u32) -> (u32, u32) {
        let side = |side: u32| (u64::from(side) * self.0 as u64).div_ceil(8) as u32;
        (side(width), side(height))
    }
}

/// The state of the decoded image: whether the image is complete or damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Whether data was missing or invalid, so that parts of the image are gray or wrong.
    pub damaged: bool,
    /// The share of the image that lies beyond the end of a file that is cut off, in thousandths. The value
    /// is 0 if the file contains all image data, even if the end-of-image marker is missing. Damaged data
    /// inside the file does not count as missing. In a progressive file, the share counts coefficients and
    /// their bits, so a missing scan counts only as much as the bits in that scan. The value does not depend
    /// on the scale.
    pub missing_permille: u16,
}

/// A JPEG file whose frame header has been read.
#[derive(Debug)]
pub struct Decoder<'a> {
    data: &'a [u8],
    /// The offset of the first segment after the frame header, in bytes.
    at: usize,
    frame: Frame,
    tables: Tables,
}

impl<'a> Decoder<'a> {
    /// Reads a file up to its frame header. Memory use does not depend on the size of the image.
    ///
    /// # Errors
    /// Returns [`Error::Corrupt`] if the file has no frame header or an invalid frame header. Returns
    /// [`Error::Unsupported`] if this crate does not implement the coding process or the precision.
    pub fn new(data: &'a [u8]) -> Result<Self, Error> {
        let mut tables = Tables::new()?;
        let mut at = 0;
        while let Some((marker, end)) = markers::next_marker(data, at) {
            at = end;
            if matches!(marker, 0x01 | 0xd0..=0xd8) {
                continue;
            }
            let Some(body) = markers::body(data, end) else { break };
            at = end + 2 + body.len();
            match marker {
                0xc4 => tables.read_huffman(body)?,
                0xcc => tables.conditioning.read(body)?,
                _ if Frame::is_header(marker) => {
                    let frame = Frame::parse(marker, body)?;
                    return Ok(Self { data, at, frame, tables });
                }
                0xdb => tables.read_quantisation(body)?,
                0xdd => tables.read_restart_interval(body),
                0xda | 0xd9 => break,
                _ => {}
            }
        }
        Err(Error::Corrupt("no frame header"))
    }

    /// Returns the content of the frame header.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Returns an upper bound for the memory in bytes that [`Decoder::decode`] allocates at this scale, without
    /// the pixels of the result. `n_scans` is the number of scans in the file. A file whose only scan contains
    /// all components needs a few rows of samples. Other sequential files need the samples of the whole image,
    /// and progressive files need its coefficients.
    pub fn memory(frame: &Frame, scale: Scale, n_scans: u32) -> u64 {
        let layout = Layout::new(frame, scale);
        let bytes = layout.components.iter().map(|sizes| {
            let band = Samples::n_bytes(sizes, layout.mcus_wide, 1);
            let rest = match frame.coding {
                Coding::Progressive => Coefficients::n_bytes(sizes, &layout),
                _ if n_scans > 1 => Samples::n_bytes(sizes, layout.mcus_wide, layout.mcus_high),
                _ => 0,
            };
            // Each component also has buffers for a row of pixels.
            (band + rest + 8 * layout.width) as u64
        });
        bytes.sum()
    }

    /// Decodes the image, reduced by `scale`, into `pixels`. The result has rows without padding, and one
    /// byte per component and pixel. Reads at most `max_scans` scans; the image has the quality that these
    /// scans contain.
    ///
    /// Samples of more than 8 bits are reduced to 8 bits.
    ///
    /// # Errors
    /// Returns [`Error::Unsupported`] for a lossless frame if `scale` is not [`Scale::FULL`]. Returns an error
    /// if no scan could be decoded. An error after the first scan only sets [`Outcome::damaged`].
    ///
    /// # Panics
    /// Panics if `pixels` does not have the length that the reduced image needs: the product of the two sides
    /// that [`Scale::of`] returns and the number of components.
    pub fn decode(
        self,
        scale: Scale,
        colour: Colour,
        max_scans: u32,
        pixels: &mut [u8],
    ) -> Result<Outcome, Error> {
        if self.frame.coding == Coding::Lossless && scale != Scale::FULL {
            return Err(Error::Unsupported("a reduced size of a lossless frame"));
        }
        let layout = Layout::new(&self.frame, scale);
        let n_components = self.frame.components.len();
        assert_eq!(
            pixels.len(),
            layout.width * layout.height * n_components,
            "the length of the buffer does not match the size"
        );
        let mut writer = PixelWriter::new(&layout, colour, pixels);
        let mut decoder = SegmentDecoder {
            data: self.data,
            frame: &self.frame,
            layout: &layout,
            tables: self.tables,
            quantisation: vec![None; n_components],
            decoded: Decoded::Nothing,
            damaged: false,
            is_cut_off: false,
            received: Received::nothing(&layout),
        };
        let mut result = decoder.decode_segments(self.at, max_scans, &mut writer);
        if matches!(decoder.decoded, Decoded::Nothing) {
            result = result.and(Err(Error::Corrupt("no picture data")));
            return result.map(|()| Outcome { damaged: true, missing_permille: 1000 });
        }
        decoder.write_remaining_pixels(&mut writer);
        Ok(Outcome {
            damaged: decoder.damaged || result.is_err(),
            missing_permille: if decoder.is_cut_off { decoder.received.missing_permille() } else { 0 },
        })
    }
}
