//! Converts RGB pixels to the three planes that H.264 codes: BT.709 (ITU-R BT.709-6, 3.4 and 3.5) in 8-bit
//! limited range.

use crate::{Image, Scratch};

/// The shortest side of a picture that OpenH264 accepts, in pixels.
const MIN_SIDE_PX: u32 = 16;

/// Number of fractional bits of the constants `LUMA`, `BLUE` and `RED`.
const BITS: u32 = 16;

/// The weights of red, green and blue in luma: `219/255 · (0.2126, 0.7152, 0.0722)` in fixed point.
const LUMA: [i32; 3] = [11_966, 40_254, 4_064];
/// The weights of red, green and blue in the blue difference: `224/255 · (B − Y) / 1.8556` in fixed point.
/// The sum of the weights is 0, so that gray has no chroma.
const BLUE: [i32; 3] = [-6_596, -22_189, 28_785];
/// The weights of red, green and blue in the red difference: `224/255 · (R − Y) / 1.5748` in fixed point. The
/// sum of the weights is 0, so that gray has no chroma.
const RED: [i32; 3] = [28_784, -26_145, -2_639];

/// Returns the size of the video for a picture of `width` × `height` pixels. Each side is rounded up to an
/// even number of at least 16.
pub(super) fn size(width: u32, height: u32) -> (u32, u32) {
    let side = |px: u32| px.next_multiple_of(2).max(MIN_SIDE_PX);
    (side(width), side(height))
}

/// The luma plane, then the two chroma planes of half the width and height, without padding.
#[derive(Debug)]
pub(super) struct Planes {
    width: usize,
    height: usize,
    data: Vec<u8>,
}

impl Planes {
    /// Converts an RGB image. If the picture is smaller than the size that [`size`] returns, the last column
    /// and row are repeated.
    pub(super) fn of(image: &Image, scratch: &mut Scratch) -> Self {
        let (width, height) = size(image.width(), image.height());
        let (width, height) = (width as usize, height as usize);
        let mut data = scratch.take(width * height / 2 * 3);
        let (luma, chroma) = data.split_at_mut(width * height);
        let (blue, red) = chroma.split_at_mut(width * height / 4);
        let row_bytes = image.width() as usize * 3;
        let last = image.height() as usize - 1;
        let row = |y: usize| {
            let start = y.min(last) * row_bytes;
            image.data()[start..start + row_bytes].as_chunks::<3>().0
        };
        for (y, to) in luma.chunks_exact_mut(width).enumerate() {
            luma_row(row(y), to);
        }
        let chroma = blue.chunks_exact_mut(width / 2).zip(red.chunks_exact_mut(width / 2));
        for (y, (blue, red)) in chroma.enumerate() {
            chroma_row(row(2 * y), row(2 * y + 1), blue, red);
        }
        Self { width, height, data }
    }

    /// Returns the buffer of the planes, so that the caller can reuse it.
    pub(super) fn into_data(self) -> Vec<u8> {
        self.data
    }
}

fn weighted(pixel: [i32; 3], weights: [i32; 3]) -> i32 {
    pixel[0] * weights[0] + pixel[1] * weights[1] + pixel[2] * weights[2]
}

fn luma_row(pixels: &[[u8; 3]], to: &mut [u8]) {
    let (inside, repeated) = to.split_at_mut(pixels.len());
    for (y, pixel) in inside.iter_mut().zip(pixels) {
        *y = ((weighted(pixel.map(i32::from), LUMA) + (16 << BITS) + (1 << (BITS - 1))) >> BITS) as u8;
    }
    repeated.fill(inside[inside.len() - 1]);
}

/// Converts one row of both chroma planes. Each sample is the mean of two by two pixels.
fn chroma_row(upper: &[[u8; 3]], lower: &[[u8; 3]], blue: &mut [u8], red: &mut [u8]) {
    const HALF: i32 = (128 << (BITS + 2)) + (1 << (BITS + 1));
    let last = upper.len() - 1;
    for (i, (blue, red)) in blue.iter_mut().zip(red).enumerate() {
        let (left, right) = ((2 * i).min(last), (2 * i + 1).min(last));
        let mut sum = [0i32; 3];
        for pixel in [upper[left], upper[right], lower[left], lower[right]] {
            sum.iter_mut().zip(pixel).for_each(|(sum, v)| *sum += i32::from(v));
        }
        *blue = ((weighted(sum, BLUE) + HALF) >> (BITS + 2)) as u8;
        *red = ((weighted(sum, RED) + HALF) >> (BITS + 2)) as u8;
    }
}

impl openh264::formats::YUVSource for Planes {
    fn dimensions(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    fn strides(&self) -> (usize, usize, usize) {
        (self.width, self.width / 2, self.width / 2)
    }

    fn y(&self) -> &[u8] {
        &self.data[..self.width * self.height]
    }

    fn u(&self) -> &[u8] {
        &self.data[self.width * self.height..][..self.width * self.height / 4]
    }

    fn v(&self) -> &[u8] {
        &self.data[self.width * self.height / 4 * 5..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Channels;

    fn planes(width: u32, height: u32, pixel: [u8; 3]) -> Planes {
        let data = pixel.repeat((width * height) as usize);
        Planes::of(&Image::new(width, height, Channels::Rgb, data), &mut Scratch::default())
    }

    #[test]
    fn rgb_colours_convert_to_the_published_ycbcr_values_of_bt_709() {
        // The expected values are Y, Cb and Cr of BT.709 in 8 bits, from published tables of colour bars.
        let cases = [
            ([255, 255, 255], [235, 128, 128]),
            ([0, 0, 0], [16, 128, 128]),
            ([255, 0, 0], [63, 102, 240]),
            ([0, 255, 0], [173, 42, 26]),
            ([0, 0, 255], [32, 240, 118]),
            ([128, 128, 128], [126, 128, 128]),
        ];
        for (pixel, expected) in cases {
            let planes = planes(16, 16, pixel);
            assert_eq!([planes.data[0], planes.data[256], planes.data[256 + 64]], expected, "{pixel:?}");
        }
    }

    #[test]
    fn image_sides_are_extended_to_even_mp4_sides_of_at_least_16_pixels() {
        for (from, to) in [((1, 1), (16, 16)), ((17, 33), (18, 34)), ((640, 480), (640, 480))] {
            assert_eq!(size(from.0, from.1), to);
            let planes = planes(from.0, from.1, [9, 9, 9]);
            assert_eq!(planes.data.len(), (to.0 * to.1 * 3 / 2) as usize);
            assert!(planes.data[..(to.0 * to.1) as usize].iter().all(|&y| y == planes.data[0]));
        }
    }
}
