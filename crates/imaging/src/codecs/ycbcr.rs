//! Converts RGB to planes of luma and chroma for the encoders of HEIC and AVIF: BT.601 in full range, as in
//! JPEG.

use crate::{Channels, Image};

/// The planes of a picture, with one byte per sample and without padding. The chroma planes have the size of
/// the luma plane, or half of its columns and rows, rounded up.
#[derive(Debug, Clone)]
pub(super) struct Ycbcr {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) luma: Vec<u8>,
    /// The planes of the blue difference (Cb) and the red difference (Cr). `None` for a gray picture.
    pub(super) chroma: Option<[Vec<u8>; 2]>,
    /// Whether the chroma planes have half the columns and rows (4:2:0).
    pub(super) halved: bool,
}

impl Ycbcr {
    /// Converts the colours of an image and ignores its alpha. A gray image gets no chroma planes. `halved`
    /// selects chroma subsampling 4:2:0.
    pub(super) fn of(image: &Image, halved: bool) -> Self {
        let (width, height) = (image.width() as usize, image.height() as usize);
        match image.channels() {
            Channels::Gray => {
                Self { width, height, luma: image.data().to_vec(), chroma: None, halved: false }
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
        let luma: Vec<u8> = image.data().as_chunks::<4>().0.iter().map(|pixel| pixel[3]).collect();
        let (width, height) = (image.width() as usize, image.height() as usize);
        luma.iter().any(|&alpha| alpha != 255).then_some(Self {
            width,
            height,
            luma,
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
            let plane = |f: fn([i32; 3]) -> u8| {
                pixels.iter().map(|pixel| f([pixel[0], pixel[1], pixel[2]].map(i32::from))).collect()
            };
            [plane(|sums| difference(sums, BLUE, 16)), plane(|sums| difference(sums, RED, 16))]
        };
        Self { width, height, luma, chroma: Some(chroma), halved }
    }

    /// Copies the part of `width` × `height` pixels whose upper left corner is at (`left`, `top`). If the
    /// part extends beyond the picture, the last column and row of the picture are repeated.
    pub(super) fn tile(&self, left: usize, top: usize, width: usize, height: usize) -> Self {
        let copy_part =
            |plane: &[u8], (columns, rows): (usize, usize), [left, top, width, height]: [usize; 4]| {
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

/// Weights of red, green and blue in the blue difference (Cb), in 16-bit fixed point (JFIF 1.02).
const BLUE: [i32; 3] = [-11_059, -21_709, 32_768];
/// Weights of red, green and blue in the red difference (Cr), in 16-bit fixed point (JFIF 1.02).
const RED: [i32; 3] = [32_768, -27_439, -5_329];

fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((19_595 * u32::from(r) + 38_470 * u32::from(g) + 7_471 * u32::from(b) + 32_768) >> 16) as u8
}

/// Computes one chroma sample for a group of `1 << (shift - 16)` pixels. `sums` contains the sums of the red,
/// green and blue values of these pixels.
fn difference(sums: [i32; 3], weights: [i32; 3], shift: u32) -> u8 {
    let sum: i32 = sums.iter().zip(weights).map(|(&sum, weight)| sum * weight).sum();
    (((sum + (1 << (shift - 1))) >> shift) + 128).clamp(0, 255) as u8
}

/// Computes the chroma planes for 4:2:0. Each sample is the mean of two by two pixels. If the number of
/// columns or rows is odd, the pixels of the last column or row count twice.
fn halved_chroma<const N: usize>(pixels: &[[u8; N]], width: usize) -> [Vec<u8>; 2] {
    let n = pixels.len().div_ceil(2);
    let mut planes = [Vec::with_capacity(n), Vec::with_capacity(n)];
    for rows in pixels.chunks(width * 2) {
        let (upper, lower) = rows.split_at(width);
        let lower = if lower.is_empty() { upper } else { lower };
        for (above, below) in upper.chunks(2).zip(lower.chunks(2)) {
            let four = [above[0], above[above.len() - 1], below[0], below[below.len() - 1]];
            let sums = std::array::from_fn(|i| four.iter().map(|pixel| i32::from(pixel[i])).sum());
            planes[0].push(difference(sums, BLUE, 18));
            planes[1].push(difference(sums, RED, 18));
        }
    }
    planes
}
