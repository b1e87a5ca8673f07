//! The lossy form of PNG: a palette of at most 256 colours. `output.quality` says how far the colours may be
//! from those of the picture.

use crate::codecs::palette::Indexed;
use crate::codecs::pixel_format::with_channels;
use crate::codecs::quantise::{Histogram, Palette};
use crate::plan::Output;
use crate::{Channels, Image, Scratch};

/// The quality that is used if `output.lossless` is false and `output.quality` is not set.
const DEFAULT_QUALITY: u8 = 90;

/// The smallest palette that is tried.
pub(super) const MIN_COLORS: usize = 16;

/// The largest root of the mean squared distance that the lowest quality allows, extrapolated to quality 0.
const LARGEST_ROOT: f32 = 0.06;

/// Returns the quality of a lossy PNG. `None` means that the PNG must be lossless: nothing in the request
/// allows a loss, or the quality is 100.
pub(super) fn quality(output: &Output) -> Option<u8> {
    let quality = output.quality.or(output.lossy.then_some(DEFAULT_QUALITY))?;
    (!output.lossless).then_some(quality)
}

/// The largest mean squared distance in Oklab between the colours of a picture and those of its palette, at a
/// quality of 1 to 99. The root of the distance falls linearly, from 0.06 to 0.
fn allowed_error(quality: u8) -> f32 {
    let root = f32::from(100 - quality.min(100)) / 100.0 * LARGEST_ROOT;
    root * root
}

/// The highest quality that allows a mean squared distance, or 1.
pub(super) fn quality_of_error(error: f32) -> u8 {
    (100.0 - error.sqrt() / LARGEST_ROOT * 100.0).floor().clamp(1.0, 100.0) as u8
}

/// Reduces a picture to the smallest palette whose colours are near enough at a quality. Returns `None` if a
/// palette of 256 colours is not enough; the picture is then written without loss.
pub(super) fn reduce(image: &Image, quality: u8, scratch: &mut Scratch) -> Option<Indexed> {
    if quality >= 100 {
        return None;
    }
    let allowed = allowed_error(quality);
    let rgba = rgba_copy(image, scratch);
    let indexed = reduce_rgba(&rgba, allowed, scratch);
    scratch.give(rgba.into_data());
    indexed
}

/// Copies a picture, and adds the channels that it lacks.
pub(super) fn rgba_copy(image: &Image, scratch: &mut Scratch) -> Image {
    let mut copy = scratch.take(image.data().len());
    copy.copy_from_slice(image.data());
    let copy = Image::new(image.width(), image.height(), image.channels(), copy);
    with_channels(copy, Channels::Rgba, scratch)
}

/// Makes palettes of a picture.
pub(super) struct Palettes {
    histogram: Histogram,
    /// Whether the picture has transparent pixels, which need an entry of the palette.
    any_transparent: bool,
}

impl Palettes {
    /// Counts the colours of an RGBA picture. Returns `None` if all pixels are transparent.
    pub(super) fn of(rgba: &Image) -> Option<Self> {
        let any_transparent = rgba.data().as_chunks::<4>().0.iter().any(|pixel| pixel[3] == 0);
        Some(Self { histogram: Histogram::of(rgba)?, any_transparent })
    }

    /// Makes a palette of at most `n_colors` colours, 2 to 256.
    pub(super) fn with(&mut self, n_colors: usize) -> Palette {
        self.histogram.palette(n_colors - usize::from(self.any_transparent))
    }
}

fn reduce_rgba(rgba: &Image, allowed: f32, scratch: &mut Scratch) -> Option<Indexed> {
    let mut palettes = Palettes::of(rgba)?;
    let mut palette_of = |n_colors: usize| {
        let palette = palettes.with(n_colors);
        (palette.error <= allowed).then_some(palette)
    };
    let mut best = palette_of(256)?;
    let mut n_colors = 128;
    while n_colors >= MIN_COLORS
        && let Some(smaller) = palette_of(n_colors)
    {
        best = smaller;
        n_colors /= 2;
    }
    Some(best.map(rgba, scratch))
}
