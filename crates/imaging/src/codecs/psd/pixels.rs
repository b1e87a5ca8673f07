//! Decodes the merged picture of a PSD. The data contain one channel after the other, each row by row, and
//! are uncompressed, run-length coded or deflated. Each channel is converted to 8 bits. Channels that are not
//! needed are skipped.

use std::io::{ErrorKind, Read};

use super::{Mode, corrupt, unsupported};
use crate::bytes::{u16_be, u32_be};
use crate::color::{CielabToSrgb, Layout, Raster};
use crate::truncation::permille;
use crate::{Error, Scratch};

/// The data of the merged picture and the properties that describe how it is stored.
pub(super) struct Source<'a> {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) n_channels: usize,
    /// The number of bits per sample: 1, 8, 16 or 32.
    pub(super) depth: usize,
    pub(super) mode: Mode,
    /// The colour table of an indexed picture: 256 reds, 256 greens, 256 blues.
    pub(super) table: &'a [u8],
    pub(super) transparent_index: Option<u8>,
    /// Whether the first channel after the colour channels is alpha.
    pub(super) alpha: bool,
    pub(super) large: bool,
    /// The data of the picture, which begin with the number of the compression method.
    pub(super) data: &'a [u8],
}

/// A decoded picture. Rows that the file does not contain have a fill colour.
pub(super) struct Decoded {
    pub(super) raster: Raster,
    /// The share of the rows of all channels that lie beyond the end of the file, in thousandths.
    pub(super) missing_permille: u16,
    /// Whether rows could not be decoded although the file is not cut off.
    pub(super) is_damaged: bool,
}

/// The number of rows that were decoded, added up over all channels.
struct DecodedRows {
    n: usize,
    /// Whether decoding stopped because the data end within the next row.
    is_cut_off: bool,
}

impl Source<'_> {
    /// Returns the number of colour channels that the colour mode needs.
    fn n_colors(&self) -> usize {
        match self.mode {
            Mode::Bitmap | Mode::Gray | Mode::Indexed | Mode::Duotone => 1,
            Mode::Rgb | Mode::Lab => 3,
            Mode::Cmyk => 4,
            Mode::Multichannel if self.n_channels < 3 => 1,
            Mode::Multichannel => self.n_channels.min(4),
        }
    }

    /// Returns whether an alpha channel is decoded.
    fn has_alpha_channel(&self) -> bool {
        // The alpha channel of a picture with inks is ignored, because [`Layout::Cmyk`] has no alpha.
        let inks = matches!(self.mode, Mode::Cmyk | Mode::Multichannel);
        self.alpha && !inks && self.n_channels > self.n_colors()
    }

    /// Whether a pixel can be transparent or translucent.
    pub(super) fn has_alpha(&self) -> bool {
        self.has_alpha_channel() || (self.mode == Mode::Indexed && self.transparent_index.is_some())
    }

    /// Checks that the file has enough channels for its colour mode and that an indexed picture has a colour
    /// table.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.n_channels < self.n_colors() {
            return Err(corrupt(format!("{} channels for {} colours", self.n_channels, self.n_colors())));
        }
        if self.mode == Mode::Indexed && (self.table.len() < 768 || self.depth != 8) {
            return Err(corrupt("the colour table is missing"));
        }
        Ok(())
    }

    /// Returns the number of bytes of a row of one channel after decompression.
    fn row_bytes(&self) -> usize {
        (self.width * self.depth).div_ceil(8)
    }

    /// Decodes the picture. Fails if the data contain no whole row.
    pub(super) fn decode(&self, scratch: &mut Scratch) -> Result<Decoded, Error> {
        let coding = u16_be(self.data, 0).ok_or_else(|| corrupt("the merged picture is missing"))?;
        let data = &self.data[2..];
        let n_read = self.n_colors() + usize::from(self.has_alpha_channel());
        let mut pixels = scratch.take_zeroed(self.width * self.height * n_read);
        let rows = match coding {
            0 => self.uncompressed(data, n_read, &mut pixels),
            1 => self.run_length_coded(data, n_read, &mut pixels),
            2 | 3 => self.deflated(data, coding == 3, n_read, &mut pixels),
            other => Err(unsupported(format!("coding {other}"))),
        };
        match rows {
            Ok(DecodedRows { n, is_cut_off }) if n > 0 => {
                let n_rows = n_read * self.height;
                Ok(Decoded {
                    raster: self.finish(pixels, n_read, scratch),
                    missing_permille: if is_cut_off {
                        permille((n_rows - n) as u64, n_rows as u64)
                    } else {
                        0
                    },
                    is_damaged: n < n_rows && !is_cut_off,
                })
            }
            result => {
                scratch.give(pixels);
                Err(result.err().unwrap_or_else(|| corrupt("the merged picture is missing")))
            }
        }
    }

    /// Decodes uncompressed channels.
    fn uncompressed(&self, data: &[u8], n_read: usize, pixels: &mut [u8]) -> Result<DecodedRows, Error> {
        let rows = data.chunks_exact(self.row_bytes()).take(n_read * self.height);
        let n = rows.enumerate().map(|(i, row)| self.put(row, i, n_read, pixels)).count();
        Ok(DecodedRows { n, is_cut_off: n < n_read * self.height })
    }

    /// Decodes run-length coded channels. The data begin with a table of the coded lengths of all rows.
    fn run_length_coded(&self, data: &[u8], n_read: usize, pixels: &mut [u8]) -> Result<DecodedRows, Error> {
        let length_bytes = if self.large { 4 } else { 2 };
        let mut at = self.n_channels * self.height * length_bytes;
        let mut row = vec![0; self.row_bytes()];
        for i in 0..n_read * self.height {
            let length = if self.large {
                u32_be(data, i * 4).map(|length| length as usize)
            } else {
                u16_be(data, i * 2).map(usize::from)
            };
            let (Some(length), Some(rest)) = (length, data.get(at..)) else {
                return Ok(DecodedRows { n: i, is_cut_off: true });
            };
            let coded = &rest[..length.min(rest.len())];
            let is_cut_off = coded.len() < length;
            if coded.is_empty() {
                return Ok(DecodedRows { n: i, is_cut_off });
            }
            row.fill(0);
            unpack_bits(coded, &mut row);
            self.put(&row, i, n_read, pixels);
            if is_cut_off {
                return Ok(DecodedRows { n: i, is_cut_off });
            }
            at += length;
        }
        Ok(DecodedRows { n: n_read * self.height, is_cut_off: false })
    }

    /// Decodes channels that are compressed in one zlib stream. If `differences` is true, each sample is
    /// stored as the difference from the sample to its left.
    fn deflated(
        &self,
        data: &[u8],
        differences: bool,
        n_read: usize,
        pixels: &mut [u8],
    ) -> Result<DecodedRows, Error> {
        if differences && !matches!(self.depth, 8 | 16) {
            return Err(unsupported(format!("differences of {} bits", self.depth)));
        }
        let mut stream = flate2::read::ZlibDecoder::new(data);
        let mut row = vec![0; self.row_bytes()];
        for i in 0..n_read * self.height {
            if let Err(error) = stream.read_exact(&mut row) {
                // If the zlib stream ends before the last row although more data follow the stream, the file
                // is damaged and not cut off.
                let is_cut_off =
                    error.kind() == ErrorKind::UnexpectedEof && stream.total_in() == data.len() as u64;
                return Ok(DecodedRows { n: i, is_cut_off });
            }
            if differences && self.depth == 8 {
                (1..row.len()).for_each(|k| row[k] = row[k].wrapping_add(row[k - 1]));
            } else if differences {
                let samples = row.as_chunks_mut::<2>().0;
                for k in 1..samples.len() {
                    let sum = u16::from_be_bytes(samples[k]).wrapping_add(u16::from_be_bytes(samples[k - 1]));
                    samples[k] = sum.to_be_bytes();
                }
            }
            self.put(&row, i, n_read, pixels);
        }
        Ok(DecodedRows { n: n_read * self.height, is_cut_off: false })
    }

    /// Converts row `i` to 8 bits per sample and stores it in `pixels`. `i` counts the rows of all channels,
    /// one channel after the other.
    fn put(&self, row: &[u8], i: usize, n_read: usize, pixels: &mut [u8]) {
        let (channel, y) = (i / self.height, i % self.height);
        let stride = self.width * n_read;
        let to = pixels[y * stride..][..stride].iter_mut().skip(channel).step_by(n_read);
        match self.depth {
            1 => {
                let bits = row.iter().flat_map(|&byte| (0..8).map(move |k| byte >> (7 - k) & 1));
                to.zip(bits).for_each(|(v, bit)| *v = if bit == 1 { 0 } else { 255 });
            }
            8 => to.zip(row).for_each(|(v, &byte)| *v = byte),
            16 => to.zip(row.as_chunks::<2>().0).for_each(|(v, &sample)| {
                *v = ((u32::from(u16::from_be_bytes(sample)) * 255 + 32_895) >> 16) as u8;
            }),
            _ => {
                // Samples of 32 bits are floats. A colour sample is linear light and needs the sRGB curve; an
                // alpha sample is a fraction from 0 to 1.
                let is_color = channel < self.n_colors();
                to.zip(row.as_chunks::<4>().0).for_each(|(v, &sample)| {
                    let value = f32::from_be_bytes(sample).clamp(0.0, 1.0);
                    *v = if is_color { to_srgb(value) } else { (value * 255.0 + 0.5) as u8 };
                });
            }
        }
    }

    /// Converts the decoded channels to a picture in a layout of the raster.
    fn finish(&self, mut pixels: Vec<u8>, n_read: usize, scratch: &mut Scratch) -> Raster {
        if self.mode == Mode::Lab {
            let convert = CielabToSrgb::new();
            for pixel in pixels.chunks_exact_mut(n_read) {
                let [l, a, b] = [pixel[0], pixel[1], pixel[2]].map(f32::from);
                pixel[..3].copy_from_slice(&convert.color([l * (100.0 / 255.0), a - 128.0, b - 128.0]));
            }
        }
        if matches!(self.mode, Mode::Cmyk | Mode::Multichannel) && self.n_colors() > 1 {
            pixels.iter_mut().for_each(|v| *v = 255 - *v);
        }
        if self.has_alpha_channel() {
            pixels.chunks_exact_mut(n_read).for_each(|pixel| remove_white(pixel, self.mode));
        }
        let (layout, data) = match (self.mode, n_read) {
            (Mode::Indexed, _) => self.through_table(&pixels, n_read, scratch),
            (Mode::Cmyk | Mode::Multichannel, 4) => (Layout::Cmyk, pixels),
            (Mode::Multichannel, 3) => {
                let wide = pixels.as_chunks::<3>().0.iter().flat_map(|&[c, m, y]| [c, m, y, 0]);
                (Layout::Cmyk, wide.collect())
            }
            (_, 1) => (Layout::Gray, pixels),
            (_, 2) => {
                let wide = pixels.as_chunks::<2>().0.iter().flat_map(|&[v, a]| [v, v, v, a]);
                (Layout::Rgba, wide.collect())
            }
            (_, 3) => (Layout::Rgb, pixels),
            _ => (Layout::Rgba, pixels),
        };
        Raster { width: self.width as u32, height: self.height as u32, layout, data }
    }

    /// Converts an indexed picture to colours by looking up every index in the colour table.
    fn through_table(&self, pixels: &[u8], n_read: usize, scratch: &mut Scratch) -> (Layout, Vec<u8>) {
        let layout = if self.has_alpha() { Layout::Rgba } else { Layout::Rgb };
        let mut data = scratch.take(self.width * self.height * layout.count());
        for (to, pixel) in data.chunks_exact_mut(layout.count()).zip(pixels.chunks_exact(n_read)) {
            let index = usize::from(pixel[0]);
            to[..3].copy_from_slice(&[self.table[index], self.table[256 + index], self.table[512 + index]]);
            if let Some(alpha) = to.get_mut(3) {
                let hidden = self.transparent_index == Some(pixel[0]);
                *alpha = if hidden { 0 } else { pixel.get(1).copied().unwrap_or(255) };
            }
        }
        (layout, data)
    }
}

/// Removes the white background from a pixel. Photoshop stores the merged picture composited over white:
/// `stored = color · alpha + white · (1 − alpha)`. Palette indices are not mixed with white, so they stay
/// unchanged.
fn remove_white(pixel: &mut [u8], mode: Mode) {
    let Some((&mut alpha, colors)) = pixel.split_last_mut() else { return };
    if mode == Mode::Indexed || alpha == 0 || alpha == 255 {
        return;
    }
    let alpha = i32::from(alpha);
    for v in colors {
        *v = ((i32::from(*v) * 255 - 255 * (255 - alpha) + alpha / 2) / alpha).clamp(0, 255) as u8;
    }
}

/// Decodes one row of PackBits data (TIFF 6.0, section 9). Ignores data beyond the end of the row. If the
/// data end early, the last bytes of the row stay unchanged.
fn unpack_bits(mut coded: &[u8], row: &mut [u8]) {
    let mut at = 0;
    while let Some((&head, rest)) = coded.split_first()
        && at < row.len()
    {
        coded = rest;
        match head {
            0..=127 => {
                let n = (usize::from(head) + 1).min(coded.len()).min(row.len() - at);
                row[at..at + n].copy_from_slice(&coded[..n]);
                coded = &coded[n..];
                at += n;
            }
            128 => {}
            129.. => {
                let Some((&value, rest)) = coded.split_first() else { return };
                coded = rest;
                let n = (257 - usize::from(head)).min(row.len() - at);
                row[at..at + n].fill(value);
                at += n;
            }
        }
    }
}

/// Converts linear light to sRGB (IEC 61966-2-1).
fn to_srgb(light: f32) -> u8 {
    let v = if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
    (v * 255.0 + 0.5) as u8
}
