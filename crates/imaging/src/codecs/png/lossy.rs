//! The lossy form of PNG: a palette of at most 256 colours. `output.quality` says how far the colours may be
//! from those of the picture.

use crate::codecs::palette::Indexed;
use crate::codecs::pixel_format::with_channels;
use crate::codecs::quantise::Histogram;
use crate::plan::Output;
use crate::{Channels, Image, Scratch};

/// The quality that is used if `output.lossless` is false and `output.quality` is not set.
const DEFAULT_QUALITY: u8 = 90;

/// The smallest palette that is tried.
const MIN_COLORS: usize = 16;

/// Returns the quality of a lossy PNG. `None` means that the PNG must be lossless: nothing in the request
/// allows a loss, or the quality is 100.
pub(super) fn quality(output: &Output) -> Option<u8> {
    let quality = output.quality.or(output.lossy.then_some(DEFAULT_QUALITY))?;
    (!output.lossless).then_some(quality)
}

/// The largest mean squared distance in Oklab between the colours of a picture and those of its palette, at a
/// quality of 1 to 99. The root of the distance falls linearly, from 0.06 to 0.
fn allowed_error(quality: u8) -> f32 {
    let root = f32::from(100 - quality.min(100)) / 100.0 * 0.06;
    root * root
}

/// Reduces a picture to the smallest palette whose colours are near enough at a quality. Returns `None` if a
/// palette of 256 colours is not enough; the picture is then written without loss.
pub(super) fn reduce(image: &Image, quality: u8, scratch: &mut Scratch) -> Option<Indexed> {
    if quality >= 100 {
        return None;
    }
    let allowed = allowed_error(quality);
    let mut copy = scratch.take(image.data().len());
    copy.copy_from_slice(image.data());
    let copy = Image::new(image.width(), image.height(), image.channels(), copy);
    let rgba = with_channels(copy, Channels::Rgba, scratch);
    let indexed = reduce_rgba(&rgba, allowed, scratch);
    scratch.give(rgba.into_data());
    indexed
}

fn reduce_rgba(rgba: &Image, allowed: f32, scratch: &mut Scratch) -> Option<Indexed> {
    let any_transparent = rgba.data().as_chunks::<4>().0.iter().any(|pixel| pixel[3] == 0);
    let mut histogram = Histogram::of(rgba)?;
    // Returns the palette of a size that includes the entry for transparent pixels.
    let mut palette_of = |n_colors: usize| {
        let palette = histogram.palette(n_colors - usize::from(any_transparent));
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
