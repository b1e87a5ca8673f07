//! Converts RGB to planes of luma and chroma for the encoders of HEIC and AVIF: BT.601 in full range, as in
//! JPEG. The samples have eight bits for HEIC, and eight or ten bits for AVIF.

use crate::{Channels, Image};

/// The type of a sample, with the weights of red, green and blue in 16-bit fixed point (JFIF 1.02). The weights of
/// ten bits are 1023/255 times as large as the weights of eight bits.
pub(super) trait Sample: pixaven_av1::Sample {
    /// The weights in luma.
    const LUMA: [i32; 3];
    /// The weights in the blue difference (Cb).
    const BLUE: [i32; 3];
    /// The weights in the red difference (Cr).
    const RED: [i32; 3];
    /// The largest value. The difference of gray is half of it, rounded up.
    const MAX: i32;

    /// Converts a value from 0 to [`Self::MAX`].
    fn of(value: i32) -> Self;
}

impl Sample for u8 {
    const LUMA: [i32; 3] = [19_595, 38_470, 7_471];
    const BLUE: [i32; 3] = [-11_059, -21_709, 32_768];
    const RED: [i32; 3] = [32_768, -27_439, -5_329];
    const MAX: i32 = 255;

    fn of(value: i32) -> Self {
        value as Self
    }
}

/// Samples of ten bits.
impl Sample for u16 {
    const LUMA: [i32; 3] = [78_611, 154_333, 29_971];
    const BLUE: [i32; 3] = [-44_366, -87_092, 131_458];
    const RED: [i32; 3] = [131_458, -110_079, -21_379];
    const MAX: i32 = 1023;

    fn of(value: i32) -> Self {
        value as Self
    }
}

/// The planes of a picture, without padding. The chroma planes have the size of
/// the luma plane, or half of its columns and rows, rounded up.
#[derive(Debug, Clone)]
pub(super) struct Ycbcr<S> {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) luma: Vec<S>,
    /// The planes of the blue difference (Cb) and the red difference (Cr). `None` for a gray picture.
    pub(super) chroma: Option<[Vec<S>; 2]>,
    /// Whether the chroma planes have half the columns and rows (4:2:0).
    pub(super) halved: bool,
}

impl<S: Sample> Ycbcr<S> {
    /// Converts the colours of an image and ignores its alpha. A gray image gets no chroma planes. `halved`
    /// selects chroma subsampling 4:2:0.
    pub(super) fn of(image: &Image, halved: bool) -> Self {
        let (width, height) = (image.width() as usize, image.height() as usize);
        match image.channels() {
            Channels::Gray => {
                let luma = image.data().iter().map(|&level| gray(level)).collect();
                Self { width, height, luma, chroma: None, halved: false }
            }
            Channels::Rgb => Self::of_pixels::<3>(image.data(), width, height, halved),
            Channels::Rgba => Self::of_pixels::<4>(image.data(), width, height, halved),
        }
    }

    /// Returns the alpha channel of an image as a gray picture, or `None` if the image is opaque.
    pub(super) fn alpha_of(image: &Image) -> Option<Self> {
        if image.channels() != Channels::Rgba {
            return None;
        }
        let alphas = || image.data().as_chunks::<4>().0.iter().map(|pixel| pixel[3]);
        let (width, height) = (image.width() as usize, image.height() as usize);
        alphas().any(|alpha| alpha != 255).then(|| Self {
            width,
            height,
            luma: alphas().map(gray).collect(),
            chroma: None,
            halved: false,
        })
    }

    fn of_pixels<const N: usize>(data: &[u8], width: usize, height: usize, halved: bool) -> Self {
        let pixels = data.as_chunks::<N>().0;
        let luma = pixels.iter().map(|pixel| luma([pixel[0], pixel[1], pixel[2]])).collect();
        let chroma = if halved {
            halved_chroma(pixels, width)
        } else {
            let plane = |weights: [i32; 3]| {
                let rgb = pixels.iter().map(|pixel| [pixel[0], pixel[1], pixel[2]].map(i32::from));
                rgb.map(|rgb| difference(rgb, weights, 16)).collect()
            };
            [plane(S::BLUE), plane(S::RED)]
        };
        Self { width, height, luma, chroma: Some(chroma), halved }
    }

    /// Copies the part of `width` × `height` pixels whose upper left corner is at (`left`, `top`). If the
    /// part extends beyond the picture, the last column and row of the picture are repeated.
    pub(super) fn tile(&self, left: usize, top: usize, width: usize, height: usize) -> Self {
        let copy_part =
            |plane: &[S], (columns, rows): (usize, usize), [left, top, width, height]: [usize; 4]| {
                let mut part = Vec::with_capacity(width * height);
                for y in top..top + height {
                    let line = &plane[y.min(rows - 1) * columns..][..columns];
                    let inside = &line[left.min(columns - 1)..(left + width).min(columns)];
                    part.extend_from_slice(inside);
                    part.extend(std::iter::repeat_n(line[columns - 1], width - inside.len()));
                }
                part
            };
        let in_chroma = |n: usize| if self.halved { n.div_ceil(2) } else { n };
        let size = (in_chroma(self.width), in_chroma(self.height));
        let area = [left, top, width, height];
        Self {
            width,
            height,
            luma: copy_part(&self.luma, (self.width, self.height), area),
            chroma: self
                .chroma
                .as_ref()
                .map(|planes| planes.each_ref().map(|plane| copy_part(plane, size, area.map(in_chroma)))),
            halved: self.halved,
        }
    }
}

/// Returns the luma of a gray level from 0 to 255.
fn gray<S: Sample>(level: u8) -> S {
    luma([level; 3])
}

fn luma<S: Sample>(rgb: [u8; 3]) -> S {
    let sum: i32 = rgb.iter().zip(S::LUMA).map(|(&value, weight)| i32::from(value) * weight).sum();
    S::of((sum + 32_768) >> 16)
}

/// Computes one chroma sample for a group of `1 << (shift - 16)` pixels. `sums` contains the sums of the red,
/// green and blue values of these pixels.
fn difference<S: Sample>(sums: [i32; 3], weights: [i32; 3], shift: u32) -> S {
    let sum: i32 = sums.iter().zip(weights).map(|(&sum, weight)| sum * weight).sum();
    S::of((((sum + (1 << (shift - 1))) >> shift) + (S::MAX + 1) / 2).clamp(0, S::MAX))
}

/// Computes the chroma planes for 4:2:0. Each sample is the mean of two by two pixels. If the number of
/// columns or rows is odd, the pixels of the last column or row count twice.
fn halved_chroma<S: Sample, const N: usize>(pixels: &[[u8; N]], width: usize) -> [Vec<S>; 2] {
    let n = pixels.len().div_ceil(2);
    let mut planes = [Vec::with_capacity(n), Vec::with_capacity(n)];
    for rows in pixels.chunks(width * 2) {
        let (upper, lower) = rows.split_at(width);
        let lower = if lower.is_empty() { upper } else { lower };
        for (above, below) in upper.chunks(2).zip(lower.chunks(2)) {
            let four = [above[0], above[above.len() - 1], below[0], below[below.len() - 1]];
            let sums = std::array::from_fn(|i| four.iter().map(|pixel| i32::from(pixel[i])).sum());
            planes[0].push(difference(sums, S::BLUE, 18));
            planes[1].push(difference(sums, S::RED, 18));
        }
    }
    planes
}
