//! Assembles a picture from its strips or tiles. One strip or tile is decoded at a time, and the needed
//! samples are copied to the picture.

use super::color;
use super::directory::File;
use super::jpeg::{self, Tables};
use super::page::{Compression, Number, Page, Photometric};
use super::samples::{self, Range};
use super::{Block, compression, corrupt, predictor, unsupported};
use crate::codecs::codec::Decode as _;
use crate::codecs::webp;
use crate::color::{Layout, Raster};
use crate::info::ImageInfo;
use crate::truncation::permille;
use crate::{Error, Limits, Scratch};

/// A picture whose tags were read, with the data that decoding needs.
pub(super) struct Picture<'a> {
    pub(super) file: File<'a>,
    pub(super) page: Page,
    pub(super) tables: Tables<'a>,
    pub(super) limits: Limits,
}

/// A decompressed strip or tile. Its samples are not converted to 8 bits yet.
struct Stored {
    bytes: Vec<u8>,
    big_endian: bool,
    row_bytes: usize,
    /// The number of missing samples in thousandths of all samples of the strip or tile.
    missing_permille: u16,
}

/// A decoded picture. Strips and tiles that could not be decoded have a fill colour.
pub(super) struct Decoded {
    pub(super) raster: Raster,
    /// Describes the first strip or tile that is damaged or missing for another reason than the end of the
    /// file.
    pub(super) trouble: Option<String>,
    /// The share of the picture that lies beyond the end of the file, in thousandths.
    pub(super) missing_permille: u16,
}

/// The position of a strip or tile in the picture, and the size of its visible part.
#[derive(Clone, Copy)]
struct Place {
    left: usize,
    top: usize,
    /// The width of the strip or tile without the padding beyond the right edge of the picture.
    width: usize,
    /// The height of the strip or tile without the padding beyond the lower edge of the picture.
    height: usize,
    /// If the samples of a pixel are stored in separate strips or tiles, the index of the sample that this
    /// strip or tile contains.
    plane: usize,
    /// The number of pixels that share one sample of the strip or tile, horizontally and vertically.
    shared: (usize, usize),
}

impl Picture<'_> {
    /// Decodes the picture. Fails when no strip or tile can be decoded.
    pub(super) fn decode(&self, scratch: &mut Scratch) -> Result<Decoded, Error> {
        let page = &self.page;
        let range = match page.number {
            Number::Float => self.range(),
            _ => Range { low: 0.0, high: 1.0 },
        };
        let n_out = page.n_colors + usize::from(page.alpha.is_some());
        let mut pixels = scratch.take_zeroed(page.width * page.height * n_out);
        let (mut n_good, mut trouble) = (0, None);
        // `n_missing` and `n_total` count thousandths of pixels, added up over all strips or tiles.
        let (mut n_missing, mut n_total) = (0, 0);
        for (i, place) in self.places() {
            let is_cut_off = self.is_cut_off(i);
            let n_pixels = place.width as u64 * place.height as u64;
            n_total += n_pixels * 1000;
            let (missing_permille, problem) = match self.block(i, place, range, scratch) {
                Ok(block) => {
                    n_good += 1;
                    self.put(&block, place, &mut pixels, n_out);
                    scratch.give(block.samples);
                    let is_good = block.missing_permille == 0 && !block.has_defect;
                    (block.missing_permille, (!is_good).then(|| "a strip or tile ends early".to_owned()))
                }
                Err(Error::Corrupt { reason, .. }) => (1000, Some(reason)),
                Err(error) => return Err(error),
            };
            if is_cut_off && missing_permille > 0 {
                n_missing += n_pixels * u64::from(missing_permille);
            } else if let Some(problem) = problem {
                trouble.get_or_insert(problem);
            }
        }
        if n_good == 0 {
            scratch.give(pixels);
            let reason = match trouble {
                Some(trouble) => trouble,
                None if n_missing > 0 => "the file is cut off before the first strip or tile".to_owned(),
                None => "there are no strips or tiles".to_owned(),
            };
            return Err(corrupt(reason));
        }
        let raster = color::finish(page, self.is_converted(), pixels, scratch);
        Ok(Decoded { raster, trouble, missing_permille: permille(n_missing, n_total) })
    }

    /// Whether a strip or tile extends beyond the end of the file.
    fn is_cut_off(&self, i: usize) -> bool {
        match &self.tables.whole {
            Some(whole) => whole.reaches_end,
            None => self.page.chunks.get(i).is_some_and(|chunk| chunk.is_cut_off),
        }
    }

    /// Whether the JPEG or WebP decoder that decodes strips and tiles has already converted the samples to
    /// RGB.
    fn is_converted(&self) -> bool {
        match self.page.compression {
            Compression::Jpeg | Compression::OldJpeg => jpeg::converts(&self.page),
            Compression::Webp => true,
            _ => false,
        }
    }

    /// Iterates over the strips or tiles that are needed for the picture. Yields the number and the place of
    /// each strip or tile.
    fn places(&self) -> impl Iterator<Item = (usize, Place)> {
        let page = &self.page;
        let (mut across, mut down) = page.grid();
        let mut size = (page.chunk_width, page.chunk_height);
        if self.tables.whole.is_some() {
            (across, down) = (1, 1);
            size = (page.width, page.height);
        }
        let n_planes = if page.planar { page.n_samples } else { 1 };
        let wanted = move |plane: &usize| {
            !page.planar || *plane < page.n_colors || page.alpha.is_some_and(|a| a.sample == *plane)
        };
        (0..n_planes).filter(wanted).flat_map(move |plane| {
            (0..across * down).map(move |i| {
                let (left, top) = (i % across * size.0, i / across * size.1);
                let (width, height) = (size.0.min(page.width - left), size.1.min(page.height - top));
                let shared =
                    if page.planar && (plane == 1 || plane == 2) { page.subsampling } else { (1, 1) };
                (plane * across * down + i, Place { left, top, width, height, plane, shared })
            })
        })
    }

    /// Returns the smallest and the largest value of float samples. If the file does not state these values,
    /// they are computed, for which all strips or tiles are decompressed an additional time.
    fn range(&self) -> Range {
        if let Some((low, high)) = self.page.range.filter(|(low, high)| low < high) {
            return Range { low, high };
        }
        let (mut least, mut greatest) = (f64::INFINITY, f64::NEG_INFINITY);
        for (i, place) in self.places() {
            let Ok(stored) = self.stored(i, place) else { continue };
            for row in stored.bytes.chunks(stored.row_bytes) {
                samples::floats(&self.page, row, usize::MAX, stored.big_endian, |value| {
                    if value.is_finite() {
                        (least, greatest) = (least.min(value), greatest.max(value));
                    }
                });
            }
        }
        Range::of_values(least, greatest)
    }

    /// Decodes a strip or tile and converts its samples to 8 bits.
    fn block(&self, i: usize, place: Place, range: Range, scratch: &mut Scratch) -> Result<Block, Error> {
        let page = &self.page;
        match page.compression {
            Compression::Jpeg | Compression::OldJpeg => {
                let data = match &self.tables.whole {
                    Some(whole) => whole.bytes.as_ref(),
                    None => self.data(i)?,
                };
                let size = (if page.tiled { page.chunk_width } else { place.width }, self.n_rows(place));
                let ends = !self.is_cut_off(i);
                let block = jpeg::decode(page, &self.tables, (data, ends), size, &self.limits, scratch)?;
                return self.check_samples(block);
            }
            Compression::Webp => return self.check_samples(self.webp(self.data(i)?, place, scratch)?),
            _ => {}
        }
        let stored = self.stored(i, place)?;
        if stored.bytes.is_empty() {
            return Err(corrupt("a strip or tile is empty"));
        }
        if self.has_units() {
            let missing_permille = stored.missing_permille;
            return color::expand_units(
                page,
                &stored.bytes,
                page.chunk_width,
                place.height,
                missing_permille,
            );
        }
        let width = page.chunk_width.div_ceil(place.shared.0);
        let (n, height) =
            (if page.planar { 1 } else { page.n_samples }, place.height.div_ceil(place.shared.1));
        let Stored { bytes, big_endian, row_bytes, missing_permille } = stored;
        if (page.bits, page.number) == (8, Number::Unsigned) {
            return Ok(Block { samples: bytes, n, width, missing_permille, has_defect: false });
        }
        let mut samples = scratch.take(0);
        for (row, end) in bytes.chunks(row_bytes).zip((1..=height).map(|y| y * width * n)) {
            samples::to_bytes(page, row, width * n, big_endian, range, &mut samples);
            samples.resize(end, 0);
        }
        Ok(Block { samples, n, width, missing_permille, has_defect: false })
    }

    /// Returns the compressed bytes of a strip or tile.
    fn data(&self, i: usize) -> Result<&[u8], Error> {
        let chunk =
            self.page.chunks.get(i).ok_or_else(|| corrupt("the place of a strip or tile is missing"))?;
        match self.file.bytes.get(chunk.bytes.clone()) {
            Some(data) if !data.is_empty() => Ok(data),
            _ => Err(corrupt("a strip or tile lies outside the file")),
        }
    }

    /// The number of rows in a strip or tile. The last strip has only the rows inside the picture.
    fn n_rows(&self, place: Place) -> usize {
        if self.page.tiled { self.page.chunk_height } else { place.height }
    }

    /// Whether the samples are stored in data units of subsampled YCbCr. A data unit contains the luma
    /// samples of several pixels and the chroma samples that these pixels share.
    fn has_units(&self) -> bool {
        self.page.photometric == Photometric::YCbCr && !self.page.planar && self.page.subsampling != (1, 1)
    }

    /// Decompresses the rows of a strip or tile that are inside the picture, and undoes the predictor.
    fn stored(&self, i: usize, place: Place) -> Result<Stored, Error> {
        let page = &self.page;
        let (across, down) = if self.has_units() { page.subsampling } else { place.shared };
        let n_samples = match (self.has_units(), page.planar) {
            (true, _) => across * down + 2,
            (false, true) => 1,
            (false, false) => page.n_samples,
        };
        let width = page.chunk_width.div_ceil(across);
        let n_rows = place.height.div_ceil(down);
        let row_bytes = (width * n_samples * page.bits).div_ceil(8);
        let n_bytes = row_bytes * n_rows;
        let data = self.data(i)?;
        let (mut bytes, error) = compression::unpack(page, data, width * n_samples, n_rows, n_bytes);
        if let (true, Some(error)) = (bytes.is_empty(), error) {
            return Err(corrupt(error));
        }
        let big_endian = predictor::undo(page, &mut bytes, row_bytes, n_samples, self.file.big_endian)?;
        let n_missing = n_bytes.saturating_sub(bytes.len());
        let missing_permille = permille(n_missing as u64, n_bytes as u64);
        Ok(Stored { bytes, big_endian, row_bytes, missing_permille })
    }

    /// Decodes a strip or tile that is a WebP file.
    fn webp(&self, data: &[u8], place: Place, scratch: &mut Scratch) -> Result<Block, Error> {
        let mut decoder = webp::Decoder::open(data, &self.limits)?;
        let ImageInfo { width, height, frames, .. } = decoder.header().info;
        if (width as usize, frames) != (self.page.chunk_width, 1) || height as usize > self.n_rows(place) {
            return Err(corrupt(format!("a WebP of {width}x{height} pixels in another place")));
        }
        let frame = decoder.next_frame(scratch)?.ok_or_else(|| corrupt("no picture"))?;
        let Raster { width, layout, data, .. } = frame.raster;
        let (mut samples, mut n) = (data, layout.count());
        if layout == Layout::Rgb && self.page.n_samples == 4 {
            samples = samples.as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [r, g, b, 255]).collect();
            n = 4;
        }
        Ok(Block { samples, n, width: width as usize, missing_permille: 0, has_defect: false })
    }

    /// Checks that a strip or tile in JPEG or WebP has the number of samples that the tags of the page state.
    /// WebP has 8 bits per sample. The JPEG decoder scales samples of any precision to 8 bits, which is wrong
    /// only for indices.
    fn check_samples(&self, block: Block) -> Result<Block, Error> {
        let expected = if self.page.planar { 1 } else { self.page.n_samples };
        let is_webp = self.page.compression == Compression::Webp;
        if self.page.bits != 8 && (is_webp || self.page.photometric == Photometric::Palette) {
            return Err(unsupported(format!(
                "pictures of {} bits per sample in strips or tiles",
                self.page.bits
            )));
        }
        if block.n != expected {
            return Err(corrupt(format!(
                "a strip or tile has {} samples per pixel, not {expected}",
                block.n
            )));
        }
        Ok(block)
    }

    /// Copies the colour and alpha samples of a strip or tile to their places in `pixels`.
    fn put(&self, block: &Block, place: Place, pixels: &mut [u8], n_out: usize) {
        let page = &self.page;
        let stride = page.width * n_out;
        let sources: Vec<usize> = match (page.planar, page.alpha) {
            (true, _) => vec![0],
            (false, alpha) => (0..page.n_colors).chain(alpha.map(|alpha| alpha.sample)).collect(),
        };
        let first = if page.planar { place.plane.min(page.n_colors) } else { 0 };
        let is_same_order = block.n == n_out && sources.iter().enumerate().all(|(to, &from)| to == from);
        let (across, down) = place.shared;
        for y in 0..place.height {
            let row_samples = block.width * block.n;
            let Some(from) = block.samples.get(y / down * row_samples..).filter(|from| !from.is_empty())
            else {
                return;
            };
            let from = &from[..row_samples.min(from.len())];
            let start = (place.top + y) * stride + place.left * n_out;
            let to = &mut pixels[start..start + place.width * n_out];
            if is_same_order {
                let n = to.len().min(from.len());
                to[..n].copy_from_slice(&from[..n]);
                continue;
            }
            for (x, pixel) in to.chunks_exact_mut(n_out).enumerate() {
                let Some(samples) = from.get(x / across * block.n..(x / across + 1) * block.n) else { break };
                pixel[first..].iter_mut().zip(&sources).for_each(|(to, &source)| *to = samples[source]);
            }
        }
    }
}
