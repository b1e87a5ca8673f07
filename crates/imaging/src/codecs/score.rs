//! Scores how much a lossy file looks like the picture that was encoded, by SSIMULACRA2 (Sneyers, 2023): 100 for a
//! copy, 90 if no difference is visible, 50 for a low quality.
//!
//! A large picture is scored by a sample: a mosaic of parts that are spread evenly over the picture. The sample bounds
//! the time and the memory of a score.

use fast_ssim2::{PixelDescriptor, PixelSlice, Ssimulacra2Reference};

use super::codec::Encoded;
use super::memory::area;
use super::open;
use crate::color::ToSrgb;
use crate::info::Colorspace;
use crate::{Channels, Error, Image, Limits, Scratch};

/// The largest number of pixels of a sample. SSIMULACRA2 keeps many planes of floats, so a larger sample
/// would need too much of the memory of a worker.
const MAX_SAMPLE_PIXELS: u32 = 1 << 20;

/// The memory that a score needs for each pixel of the sample, in bytes.
const BYTES_PER_PIXEL: u64 = 200;

/// The side of a part of a sample, in pixels. The parts are large enough for the coarsest scales of SSIMULACRA2.
const PART_PX: u32 = 256;

/// The gray over which transparent pixels are composited. Most drawings contain neither only darker nor only lighter
/// colours, and stay visible.
const BACKGROUND: u32 = 128;

/// The memory that a score of a picture needs, in bytes.
pub(super) fn needed_bytes(n_pixels: u64) -> u64 {
    n_pixels.min(MAX_SAMPLE_PIXELS.into()) * BYTES_PER_PIXEL
}

/// The parts of a picture that are scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parts {
    width: u32,
    height: u32,
    n_columns: u32,
    n_rows: u32,
}

impl Parts {
    /// Chooses the parts of a picture: the whole picture if it is small enough.
    fn of(width: u32, height: u32) -> Self {
        if area(width, height) <= MAX_SAMPLE_PIXELS.into() {
            return Self { width, height, n_columns: 1, n_rows: 1 };
        }
        let (part_width, part_height) = (width.min(PART_PX), height.min(PART_PX));
        let n_parts = MAX_SAMPLE_PIXELS / (part_width * part_height);
        let wanted = (f64::from(n_parts) * f64::from(width) / f64::from(height)).sqrt().round();
        let n_columns = (wanted as u32).clamp(1, (width / part_width).min(n_parts));
        let n_rows = (n_parts / n_columns).clamp(1, height / part_height);
        Self { width: part_width, height: part_height, n_columns, n_rows }
    }

    /// Copies the parts of a picture.
    fn copy(self, image: &Image) -> Image {
        let (width, height) = (self.width * self.n_columns, self.height * self.n_rows);
        let n_channels = image.channels().count();
        let mut data = Vec::with_capacity(width as usize * height as usize * n_channels);
        for y in 0..height {
            let from_y = start(y / self.height, self.n_rows, image.height() - self.height) + y % self.height;
            for column in 0..self.n_columns {
                let from_x = start(column, self.n_columns, image.width() - self.width);
                let at = (from_y as usize * image.width() as usize + from_x as usize) * n_channels;
                data.extend_from_slice(&image.data()[at..at + self.width as usize * n_channels]);
            }
        }
        Image::new(width, height, image.channels(), data)
    }
}

/// Returns where part `i` of `n` begins, if the last part begins at `last`.
fn start(i: u32, n: u32, last: u32) -> u32 {
    if n > 1 { (u64::from(last) * u64::from(i) / u64::from(n - 1)) as u32 } else { last / 2 }
}

/// Converts a picture to red, green and blue. Composites it over gray.
fn opaque(image: &Image) -> Image {
    let data = match image.channels() {
        Channels::Gray => image.data().iter().flat_map(|&v| [v; 3]).collect(),
        Channels::Rgb => image.data().to_vec(),
        Channels::Rgba => {
            let over_gray = |&[r, g, b, a]: &[u8; 4]| {
                let (alpha, rest) = (u32::from(a), BACKGROUND * (255 - u32::from(a)));
                [r, g, b].map(|v| ((u32::from(v) * alpha + rest + 127) / 255) as u8)
            };
            image.data().as_chunks::<4>().0.iter().flat_map(over_gray).collect()
        }
    };
    Image::new(image.width(), image.height(), Channels::Rgb, data)
}

/// A picture, or a sample of a large picture, whose files can be scored.
pub(super) struct Sample {
    /// The pixels that an encoder gets.
    pub(super) image: Image,
    /// Whether the sample is the whole picture.
    pub(super) is_whole: bool,
    reference: Ssimulacra2Reference,
}

impl Sample {
    /// Prepares the scores of files.
    pub(super) fn new(image: &Image) -> Result<Self, Error> {
        let parts = Parts::of(image.width(), image.height());
        let sample = parts.copy(image);
        let is_whole = (sample.width(), sample.height()) == (image.width(), image.height());
        let reference = Ssimulacra2Reference::new(&slice(&opaque(&sample))?).map_err(failed)?;
        Ok(Self { image: sample, is_whole, reference })
    }

    /// The sample composited over the background of the scores.
    pub(super) fn opaque(&self) -> Image {
        opaque(&self.image)
    }

    /// The share of the pixels of `image` that the sample has.
    pub(super) fn share(&self, image: &Image) -> f64 {
        let n_pixels = |image: &Image| area(image.width(), image.height()) as f64;
        n_pixels(&self.image) / n_pixels(image)
    }

    /// Decodes a file of the sample and scores it.
    pub(super) fn score(&self, file: &Encoded, scratch: &mut Scratch) -> Result<f64, Error> {
        let image = decode(file, scratch)?;
        let score = self.reference.compare(&slice(&opaque(&image))?).map_err(failed);
        scratch.give(image.into_data());
        score
    }
}

fn slice(image: &Image) -> Result<PixelSlice<'_>, Error> {
    let stride = image.width() as usize * 3;
    PixelSlice::new(image.data(), image.width(), image.height(), stride, PixelDescriptor::RGB8_SRGB)
        .map_err(failed)
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` passes the error by value")]
fn failed(reason: impl ToString) -> Error {
    Error::Encode { format: "SSIMULACRA2", reason: reason.to_string() }
}

/// Decodes a file that this crate has written.
fn decode(file: &Encoded, scratch: &mut Scratch) -> Result<Image, Error> {
    let limits = Limits { pixels: u64::MAX, input_side_px: u32::MAX, ..Limits::default() };
    let mut decoder = open(file.info.format, &file.bytes, &limits, None)?;
    let frame = decoder.next_frame(scratch)?.ok_or_else(|| failed("the file is empty"))?;
    let header = decoder.header();
    let is_gray = header.info.colorspace == Colorspace::Gray;
    let (to_srgb, _) = ToSrgb::new(header.profile.as_deref(), frame.raster.layout, is_gray);
    Ok(to_srgb.apply(frame.raster, scratch))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(width: u32, height: u32) -> Image {
        Image::new(width, height, Channels::Rgb, pixaven_sample::landscape(width, height, 3))
    }

    #[test]
    fn sample_of_a_small_picture_is_the_picture_and_of_a_large_one_has_parts_up_to_all_edges() {
        let small = image(300, 200);
        assert_eq!(Parts::of(300, 200).copy(&small), small);
        let large = image(2_000, 1_200);
        let parts = Parts::of(2_000, 1_200);
        assert_eq!((parts.n_columns, parts.n_rows), (5, 3));
        let sample = parts.copy(&large);
        let corner =
            |image: &Image| (image.data()[..3].to_vec(), image.data()[image.data().len() - 3..].to_vec());
        assert_eq!(corner(&sample), corner(&large));
    }

    #[test]
    fn sample_of_any_large_picture_is_bounded_and_inside_the_picture() {
        for (width, height) in
            [(1_024, 1_025), (30_000, 20), (20, 30_000), (6_000, 4_000), (1, 1_200_000), (257, 2_100)]
        {
            let parts = Parts::of(width, height);
            let (columns, rows) = (parts.n_columns, parts.n_rows);
            assert!(columns * parts.width * rows * parts.height <= MAX_SAMPLE_PIXELS, "{parts:?}");
            assert!(columns * parts.width <= width && rows * parts.height <= height, "{parts:?}");
            assert!(columns >= 1 && rows >= 1, "{parts:?}");
        }
    }
}
