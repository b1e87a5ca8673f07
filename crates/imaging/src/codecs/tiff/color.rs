//! Converts the decoded 8-bit samples of strips and tiles to a raster.

use super::page::{Page, Photometric};
use super::{Block, unsupported};
use crate::color::{CielabToSrgb, Layout, Raster};
use crate::{Error, Scratch};

/// Converts pixels to a raster. A pixel consists of the colour samples of the page, followed by its alpha
/// sample if the page has alpha. `converted` says whether the JPEG or WebP decoder has already converted
/// YCbCr to RGB.
pub(super) fn finish(page: &Page, converted: bool, mut pixels: Vec<u8>, scratch: &mut Scratch) -> Raster {
    let has_alpha = page.alpha.is_some();
    let n = page.n_colors + usize::from(has_alpha);
    match page.photometric {
        Photometric::WhiteIsZero => pixels.chunks_exact_mut(n).for_each(|pixel| pixel[0] = 255 - pixel[0]),
        Photometric::YCbCr if !converted => {
            let convert = YCbCrToRgb::new(page);
            pixels.chunks_exact_mut(n).for_each(|pixel| convert.apply(pixel));
        }
        Photometric::Lab | Photometric::IccLab => lab(page.photometric, &mut pixels, n),
        _ => {}
    }
    if page.photometric == Photometric::Palette {
        pixels = through_palette(&page.palette, &pixels, has_alpha, scratch);
    }
    if page.alpha.is_some_and(|alpha| alpha.associated) {
        let n = if page.photometric == Photometric::Palette { 4 } else { n };
        pixels.chunks_exact_mut(n).for_each(unassociate_alpha);
    }
    let (layout, data) = match (page.photometric, page.n_colors, has_alpha) {
        (Photometric::Palette, _, true) | (_, 3, true) => (Layout::Rgba, pixels),
        (Photometric::Palette, _, false) => (Layout::Rgb, pixels),
        (Photometric::Inks, 3, _) => (Layout::Cmyk, widen(pixels, scratch, |&[c, m, y]| [c, m, y, 0])),
        (Photometric::Inks, ..) => (Layout::Cmyk, pixels),
        (_, 1, false) => (Layout::Gray, pixels),
        (_, 1, true) => (Layout::Rgba, widen(pixels, scratch, |&[v, a]| [v, v, v, a])),
        _ => (Layout::Rgb, pixels),
    };
    Raster { width: page.width as u32, height: page.height as u32, layout, data }
}

/// Converts pixels of `N` bytes to pixels of four bytes by calling a function for every pixel.
fn widen<const N: usize>(
    pixels: Vec<u8>,
    scratch: &mut Scratch,
    wide: impl Fn(&[u8; N]) -> [u8; 4],
) -> Vec<u8> {
    let mut data = scratch.take(pixels.len() / N * 4);
    let from = pixels.as_chunks::<N>().0;
    data.as_chunks_mut::<4>().0.iter_mut().zip(from).for_each(|(to, pixel)| *to = wide(pixel));
    scratch.give(pixels);
    data
}

/// Looks up every index in the colour map. An index outside of the map is black.
fn through_palette(palette: &[[u8; 3]], indices: &[u8], has_alpha: bool, scratch: &mut Scratch) -> Vec<u8> {
    let color = |index: u8| palette.get(usize::from(index)).copied().unwrap_or_default();
    if has_alpha {
        let pairs = indices.as_chunks::<2>().0;
        let mut data = scratch.take(pairs.len() * 4);
        for (pixel, &[index, alpha]) in data.as_chunks_mut::<4>().0.iter_mut().zip(pairs) {
            let [r, g, b] = color(index);
            *pixel = [r, g, b, alpha];
        }
        return data;
    }
    let mut data = scratch.take(indices.len() * 3);
    let pixels = data.as_chunks_mut::<3>().0;
    pixels.iter_mut().zip(indices).for_each(|(pixel, &index)| *pixel = color(index));
    data
}

/// Converts a pixel from associated (premultiplied) to straight alpha. The last byte is alpha.
fn unassociate_alpha(pixel: &mut [u8]) {
    let Some((&mut alpha, colors)) = pixel.split_last_mut() else { return };
    if alpha != 0 && alpha != 255 {
        let alpha = u32::from(alpha);
        colors.iter_mut().for_each(|v| *v = ((u32::from(*v) * 255 + alpha / 2) / alpha).min(255) as u8);
    }
}

/// Converts L*a*b* to sRGB.
fn lab(photometric: Photometric, pixels: &mut [u8], n: usize) {
    let convert = CielabToSrgb::new();
    let signed = |v: u8| {
        if photometric == Photometric::Lab { f32::from(v.cast_signed()) } else { f32::from(v) - 128.0 }
    };
    for pixel in pixels.chunks_exact_mut(n) {
        let lightness = f32::from(pixel[0]) * (100.0 / 255.0);
        let color = convert.color([lightness, signed(pixel[1]), signed(pixel[2])]);
        pixel[..3].copy_from_slice(&color);
    }
}

/// The conversion of YCbCr to RGB with the coefficients and ranges that the file states (TIFF 6.0, section
/// 21).
struct YCbCrToRgb {
    /// A table with the luma for every stored value, scaled to 0–255.
    luma: [f32; 256],
    /// A table with the blue difference for every stored value, scaled to −127.5–127.5.
    blue: [f32; 256],
    /// A table with the red difference for every stored value, scaled to −127.5–127.5.
    red: [f32; 256],
    /// The weights of red, green and blue in the luma of YCbCr.
    weights: [f32; 3],
}

impl YCbCrToRgb {
    fn new(page: &Page) -> Self {
        let table = |black: f64, white: f64, range: f64| {
            let span = if white == black { 1.0 } else { white - black };
            std::array::from_fn(|v| ((v as f64 - black) * range / span) as f32)
        };
        let [y0, y1, b0, b1, r0, r1] = page.reference;
        let [red, green, blue] = page.luma;
        Self {
            luma: table(y0, y1, 255.0),
            blue: table(b0, b1, 127.0),
            red: table(r0, r1, 127.0),
            weights: [red as f32, if green == 0.0 { 1.0 } else { green as f32 }, blue as f32],
        }
    }

    fn apply(&self, pixel: &mut [u8]) {
        let [y, cb, cr] = [pixel[0], pixel[1], pixel[2]].map(usize::from);
        let (y, cb, cr) = (self.luma[y], self.blue[cb], self.red[cr]);
        let [weight_r, weight_g, weight_b] = self.weights;
        let r = y + cr * (2.0 - 2.0 * weight_r);
        let b = y + cb * (2.0 - 2.0 * weight_b);
        let g = (y - weight_r * r - weight_b * b) / weight_g;
        // The cast from float to `u8` clips the value to 0–255.
        pixel[..3].copy_from_slice(&[r, g, b].map(|v| (v + 0.5) as u8));
    }
}

/// Expands the data units of subsampled chroma to three samples per pixel. A unit consists of the luma
/// samples of a group of pixels and the two chroma samples that the pixels share.
pub(super) fn expand_units(
    page: &Page,
    bytes: &[u8],
    width: usize,
    height: usize,
    missing_permille: u16,
) -> Result<Block, Error> {
    if page.bits != 8 || page.n_samples != 3 {
        let reason = format!("chroma subsampling of {} samples of {} bits", page.n_samples, page.bits);
        return Err(unsupported(reason));
    }
    let (across, down) = page.subsampling;
    let units_across = width.div_ceil(across);
    let mut samples = vec![0; width * height * 3];
    for (i, unit) in bytes.chunks_exact(across * down + 2).enumerate() {
        let (left, top) = (i % units_across * across, i / units_across * down);
        let (lumas, chroma) = unit.split_at(across * down);
        for (k, &luma) in lumas.iter().enumerate() {
            let (x, y) = (left + k % across, top + k / across);
            if x < width && y < height {
                samples[(y * width + x) * 3..][..3].copy_from_slice(&[luma, chroma[0], chroma[1]]);
            }
        }
    }
    Ok(Block { samples, n: 3, width, missing_permille, has_defect: false })
}
