//! Compresses the pixels of a PNG. The `png` crate compresses row by row: it is fast and needs little memory.
//! The `oxipng` crate compresses the whole picture at once, with better choices of filters, and with
//! libdeflate.

use ::oxipng::{Deflater, FilterStrategy, RGBA8};
use ::png::{BitDepth, DeflateCompression, EncodingError};

use crate::Error;
use crate::codecs::drawing::is_drawing;

/// The fastest compression of the `png` crate. A filter for each row is chosen by the sum of differences.
pub(super) const FAST: DeflateCompression = DeflateCompression::FdeflateUltraFast;

/// The level of libdeflate for small drawings and drawings with a palette. Level 10 takes more than twice the time.
const DRAWING_LEVEL: u8 = 9;

/// The level of libdeflate for large drawings without a palette. Level 9 takes a quarter more time, and its files
/// are hardly smaller.
const LARGE_DRAWING_LEVEL: u8 = 8;

/// The level of libdeflate for large pictures with transparent pixels that are no drawings.
const LARGE_ALPHA_LEVEL: u8 = 6;

/// The largest picture, in bytes before compression, for which a choice between two filters compresses the whole
/// picture.
const MAX_SMALL_BYTES: usize = 128 << 10;

/// A sample of a picture has the first `SAMPLED_ROWS` of each `SAMPLE_STEP` rows. Neighbouring rows stay together,
/// because filters and deflate use the row above.
const SAMPLED_ROWS: usize = 16;
const SAMPLE_STEP: usize = 128;

/// Pixels in the form in which a PNG stores them: rows of whole bytes, before filtering.
pub(super) struct Raster<'a> {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) color: Color<'a>,
    /// Bits of a channel or of an index.
    pub(super) depth: BitDepth,
    pub(super) data: &'a [u8],
}

/// The meaning of the pixels.
#[derive(Clone, Copy)]
pub(super) enum Color<'a> {
    Gray,
    Rgb,
    Rgba,
    /// Indices of a palette of red, green, blue and alpha. Opaque entries come last.
    Indexed(&'a [[u8; 4]]),
}

/// How much work the compression does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// The fastest compression of the `png` crate.
    Fast,
    /// One filter strategy for photographs and drawings, no filter for palettes, and a level of libdeflate
    /// from 1 (fast) to 12 (small).
    Single(Strategy, u8),
    /// For drawings: no filter, or the filters of `Bigrams`, whichever makes the smaller file. A large picture
    /// without a palette is judged by a sample of its rows. A palette is sorted.
    Drawing,
    /// For drawings: as `Drawing`, but every picture is judged as a whole and compressed by level 9 of libdeflate.
    /// The result is the smaller file of this and `Drawing`.
    WholeDrawing,
    /// A preset of `oxipng`, 1 to 6: several filter strategies, of which the best is kept. For drawings, the result
    /// is the smaller file of this and `WholeDrawing`: the levels 10 to 12 of libdeflate, which the presets use,
    /// can make larger files of few colours than level 9.
    Preset(u8),
}

/// How the filter of each row is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strategy {
    /// The filter with the smallest sum of differences. It is the fastest strategy.
    MinSum,
    /// The filter with the fewest different pairs of neighbouring bytes. It finds repeated patterns, which
    /// `MinSum` hides from deflate.
    Bigrams,
}

/// The filters of drawings.
const EITHER: [FilterStrategy; 2] = [FilterStrategy::NONE, FilterStrategy::Bigrams];

/// Returns the file with fewer bytes.
fn smaller(a: Vec<u8>, b: Vec<u8>) -> Vec<u8> {
    if b.len() < a.len() { b } else { a }
}

/// Converts an error of the `png` crate to an error of this crate.
#[expect(clippy::needless_pass_by_value, reason = "`map_err` passes the error by value")]
pub(super) fn failed(error: EncodingError) -> Error {
    Error::Encode { format: "PNG", reason: error.to_string() }
}

impl Raster<'_> {
    /// Whether the picture has transparent pixels or large areas of one colour. With less than eight bits, it has
    /// at most 16 colours.
    pub(super) fn is_drawing(&self) -> bool {
        let (has_alpha, n_bytes) = match self.color {
            Color::Gray => (false, 1),
            Color::Rgb => (false, 3),
            Color::Rgba => (true, 4),
            Color::Indexed(colors) => (colors.first().is_some_and(|color| color[3] < 255), 1),
        };
        has_alpha || self.depth != BitDepth::Eight || is_drawing(self.data, self.width, n_bytes)
    }

    /// Compresses the pixels and returns the complete file.
    pub(super) fn compress(&self, effort: Effort) -> Result<Vec<u8>, Error> {
        match effort {
            Effort::Fast => self.compress_fast(),
            Effort::Single(_, level) if self.is_indexed() => self.filtered(&[FilterStrategy::NONE], level),
            Effort::Single(Strategy::MinSum, level) => self.filtered(&[FilterStrategy::MinSum], level),
            Effort::Single(Strategy::Bigrams, level) => self.filtered(&[FilterStrategy::Bigrams], level),
            Effort::Drawing => self.compress_drawing(),
            Effort::WholeDrawing if self.is_sampled() => {
                let whole = self.filtered(&EITHER, DRAWING_LEVEL)?;
                Ok(smaller(self.compress_drawing()?, whole))
            }
            Effort::WholeDrawing => self.compress_drawing(),
            Effort::Preset(preset) => {
                let compressed = self.optimize(::oxipng::Options::from_preset(preset))?;
                if !self.is_drawing() {
                    return Ok(compressed);
                }
                Ok(smaller(self.compress(Effort::WholeDrawing)?, compressed))
            }
        }
    }

    fn is_indexed(&self) -> bool {
        matches!(self.color, Color::Indexed(_))
    }

    /// Whether the filter of a drawing is chosen by a sample.
    fn is_sampled(&self) -> bool {
        !self.is_indexed() && self.data.len() > MAX_SMALL_BYTES
    }

    fn compress_drawing(&self) -> Result<Vec<u8>, Error> {
        if !self.is_sampled() {
            return self.filtered(&EITHER, DRAWING_LEVEL);
        }
        let stride = self.data.len() / self.height as usize;
        let parts = self.data.chunks(stride * SAMPLE_STEP);
        let parts: Vec<&[u8]> = parts.map(|part| &part[..part.len().min(stride * SAMPLED_ROWS)]).collect();
        let data = parts.concat();
        let sample = Raster { height: (data.len() / stride) as u32, data: &data, ..*self };
        let [unfiltered, bigrams] = EITHER.map(|filter| sample.filtered(&[filter], 5));
        let filter =
            if unfiltered?.len() <= bigrams?.len() { FilterStrategy::NONE } else { FilterStrategy::Bigrams };
        let is_flat = is_drawing(self.data, self.width, stride / self.width as usize);
        self.filtered(&[filter], if is_flat { LARGE_DRAWING_LEVEL } else { LARGE_ALPHA_LEVEL })
    }

    /// Compresses with the best of some filters, and with a level of libdeflate from 1 to 12.
    fn filtered(&self, filters: &[FilterStrategy], level: u8) -> Result<Vec<u8>, Error> {
        self.optimize(::oxipng::Options {
            filters: filters.iter().cloned().collect(),
            deflater: Deflater::Libdeflater { compression: level },
            // Sorts a palette, which takes as long as a filter.
            palette_reduction: filters.len() > 1,
            ..::oxipng::Options::default()
        })
    }

    fn compress_fast(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::with_capacity(self.data.len() / 2);
        let mut encoder = ::png::Encoder::new(&mut bytes, self.width, self.height);
        encoder.set_color(match self.color {
            Color::Gray => ::png::ColorType::Grayscale,
            Color::Rgb => ::png::ColorType::Rgb,
            Color::Rgba => ::png::ColorType::Rgba,
            Color::Indexed(_) => ::png::ColorType::Indexed,
        });
        encoder.set_depth(self.depth);
        let (mut compression, mut filter) = (FAST, ::png::Filter::Adaptive);
        if let Color::Indexed(colors) = self.color {
            encoder.set_palette(colors.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect::<Vec<u8>>());
            let alphas: Vec<u8> =
                colors.iter().map(|color| color[3]).take_while(|&alpha| alpha < 255).collect();
            if !alphas.is_empty() {
                encoder.set_trns(alphas);
            }
            // `FAST` finds only repeated bytes, and would hardly compress the patterns of a palette.
            (compression, filter) = (DeflateCompression::Level(1), ::png::Filter::NoFilter);
        }
        encoder.set_deflate_compression(compression);
        encoder.set_filter(filter);
        let mut writer = encoder.write_header().map_err(failed)?;
        writer.write_image_data(self.data).map_err(failed)?;
        writer.finish().map_err(failed)?;
        Ok(bytes)
    }

    /// Compresses with the `oxipng` crate. The kind of pixels stays the same, but the order of a palette can
    /// change.
    fn optimize(&self, options: ::oxipng::Options) -> Result<Vec<u8>, Error> {
        let failed = |error: ::oxipng::PngError| Error::Encode { format: "PNG", reason: error.to_string() };
        let color = match self.color {
            Color::Gray => ::oxipng::ColorType::Grayscale { transparent_shade: None },
            Color::Rgb => ::oxipng::ColorType::RGB { transparent_color: None },
            Color::Rgba => ::oxipng::ColorType::RGBA,
            Color::Indexed(colors) => ::oxipng::ColorType::Indexed {
                palette: colors.iter().map(|&[r, g, b, a]| RGBA8::new(r, g, b, a)).collect(),
            },
        };
        let depth = match self.depth {
            BitDepth::One => ::oxipng::BitDepth::One,
            BitDepth::Two => ::oxipng::BitDepth::Two,
            BitDepth::Four => ::oxipng::BitDepth::Four,
            BitDepth::Eight => ::oxipng::BitDepth::Eight,
            BitDepth::Sixteen => ::oxipng::BitDepth::Sixteen,
        };
        let options = ::oxipng::Options {
            bit_depth_reduction: false,
            color_type_reduction: false,
            grayscale_reduction: false,
            ..options
        };
        let raw = ::oxipng::RawImage::new(self.width, self.height, color, depth, self.data.to_vec());
        raw.and_then(|raw| raw.create_optimized_png(&options)).map_err(failed)
    }
}
