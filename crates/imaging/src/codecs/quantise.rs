//! Reduces an image to a palette of at most 256 colours, for GIF and for the lossy form of PNG. Colours are
//! compared in the Oklab colour space (Ottosson, 2020), premultiplied by alpha: the Euclidean distance of two
//! colours is then close to the difference that people see, and a transparent pixel has no colour.
//!
//! The palette is made from a histogram: a division into boxes along the widest spread gives the first
//! colours, and k-means (Lloyd, 1982) moves them. Both cost a bounded time for an image of any size.

mod dither;
mod histogram;

use quantette::PaletteBuf;
use quantette::color_map::{IndexedColorMap, NearestNeighborColorMap};
use quantette::color_space::{oklab_to_srgb8, srgb8_to_oklab};
use quantette::deps::palette::blend::PreAlpha;
use quantette::deps::palette::{Oklab, Srgb};

pub(super) use self::histogram::Histogram;

/// A colour: Oklab times alpha, and alpha.
type Color = PreAlpha<Oklab>;

/// A palette of 1 to 256 colours, and the search for the nearest of them.
pub(super) struct Palette {
    /// The colours as red, green, blue and alpha. They are sorted by alpha, then by brightness: opaque
    /// colours come last.
    pub(super) colors: Vec<[u8; 4]>,
    /// The mean squared distance between the colours of the histogram and their nearest palette colours.
    pub(super) error: f32,
    map: NearestNeighborColorMap<Color, f32, 4>,
    /// The colours as numbers, sorted, with their indices.
    sorted: Vec<(u32, u8)>,
    /// A bit for each hash of a colour. Most pixels have no colour of the palette, and meet a zero bit.
    hashes: Vec<u64>,
    /// For each colour, a quarter of the squared distance to its nearest neighbour in the palette. A colour
    /// that is closer than this to a palette colour is closer to no other palette colour.
    reach: Vec<f32>,
}

impl Palette {
    /// Creates a palette of given colours. `error` is 0 until it is measured.
    fn new(colors: Vec<[u8; 4]>) -> Self {
        let points = to_points(&colors);
        let reach = points
            .iter()
            .enumerate()
            .map(|(i, &a)| {
                let others = points.iter().enumerate().filter(|&(k, _)| k != i);
                others.map(|(_, &b)| distance(a, b)).fold(f32::INFINITY, f32::min) / 4.0
            })
            .collect();
        let number = |(i, &color): (usize, &[u8; 4])| (u32::from_be_bytes(color), i as u8);
        let mut sorted: Vec<(u32, u8)> = colors.iter().enumerate().map(number).collect();
        sorted.sort_unstable();
        let mut hashes = vec![0; N_HASHES / 64];
        for &(number, _) in &sorted {
            let hash = hash(number);
            hashes[hash / 64] |= 1 << (hash % 64);
        }
        let points = PaletteBuf::new(points).expect("a palette has between 1 and 256 colours");
        Self { colors, error: 0.0, map: NearestNeighborColorMap::new(points), sorted, hashes, reach }
    }

    /// Returns the index of the palette colour that is nearest to `color`. `guess` is the index that is tried
    /// first, because the answer for a neighbouring pixel is often the right one.
    fn nearest(&self, color: Color, guess: u8) -> u8 {
        if distance(color, self.map.palette()[usize::from(guess)]) < self.reach[usize::from(guess)] {
            return guess;
        }
        self.map.palette_index(&color)
    }

    /// Returns the index of exactly this colour.
    fn find(&self, pixel: [u8; 4]) -> Option<u8> {
        let number = u32::from_be_bytes(pixel);
        let hash = hash(number);
        if self.hashes[hash / 64] >> (hash % 64) & 1 == 0 {
            return None;
        }
        let at = self.sorted.binary_search_by_key(&number, |&(color, _)| color).ok()?;
        Some(self.sorted[at].1)
    }

    fn point(&self, index: u8) -> Color {
        self.map.palette()[usize::from(index)]
    }
}

/// Number of different hashes.
const N_HASHES: usize = 1 << 16;

/// Fibonacci hashing: the upper bits of the product depend on all bits of the colour.
fn hash(number: u32) -> usize {
    (number.wrapping_mul(0x9e37_79b9) >> 16) as usize
}

/// The squared distance of two colours.
fn distance(a: Color, b: Color) -> f32 {
    let (l, x, y, alpha) =
        (a.color.l - b.color.l, a.color.a - b.color.a, a.color.b - b.color.b, a.alpha - b.alpha);
    l * l + x * x + y * y + alpha * alpha
}

/// Converts pixels of red, green, blue and straight alpha.
fn to_points(pixels: &[[u8; 4]]) -> Vec<Color> {
    let rgb: Vec<Srgb<u8>> = pixels.iter().map(|&[r, g, b, _]| Srgb::new(r, g, b)).collect();
    let premultiplied = |(Oklab { l, a, b, .. }, pixel): (Oklab, &[u8; 4])| {
        let alpha = f32::from(pixel[3]) / 255.0;
        Color { color: Oklab::new(l * alpha, a * alpha, b * alpha), alpha }
    };
    srgb8_to_oklab(&rgb).into_iter().zip(pixels).map(premultiplied).collect()
}

/// Converts colours back to red, green, blue and straight alpha, rounded to eight bits.
fn to_pixels(points: &[Color]) -> Vec<[u8; 4]> {
    let straight = |point: &Color| {
        let scale = if point.alpha > 0.0 { 1.0 / point.alpha } else { 0.0 };
        Oklab::new(point.color.l * scale, point.color.a * scale, point.color.b * scale)
    };
    let oklab: Vec<Oklab> = points.iter().map(straight).collect();
    let pixel = |(rgb, point): (Srgb<u8>, &Color)| match (point.alpha * 255.0).round() as u8 {
        0 => [0; 4],
        alpha => [rgb.red, rgb.green, rgb.blue, alpha],
    };
    oklab_to_srgb8(&oklab).into_iter().zip(points).map(pixel).collect()
}
