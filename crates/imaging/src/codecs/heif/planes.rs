//! The decoded planes of luma and chroma, and their conversion to RGB (ITU-T H.273).

use crate::{Channels, Image, Scratch};

/// Chroma subsampling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::codecs) enum Chroma {
    /// The picture is gray and has no chroma planes (4:0:0).
    None,
    /// The chroma planes have half the columns and half the rows of the luma plane (4:2:0).
    Both,
    /// The chroma planes have half the columns and all rows of the luma plane (4:2:2).
    Columns,
    /// The chroma planes have the size of the luma plane (4:4:4).
    Full,
}

impl Chroma {
    /// The chroma subsampling in the usual notation, e.g. `4:2:0`. `None` for a gray picture.
    pub(in crate::codecs) fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Both => Some("4:2:0"),
            Self::Columns => Some("4:2:2"),
            Self::Full => Some("4:4:4"),
        }
    }

    /// Returns the size of a chroma plane for a luma plane of this size, in samples.
    pub(in crate::codecs) fn size(self, width: usize, height: usize) -> (usize, usize) {
        match self {
            Self::None => (0, 0),
            Self::Both => (width.div_ceil(2), height.div_ceil(2)),
            Self::Columns => (width.div_ceil(2), height),
            Self::Full => (width, height),
        }
    }
}

/// The meaning of the sample values of a picture, as code points of ITU-T H.273.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::codecs) struct Cicp {
    pub(in crate::codecs) primaries: u16,
    pub(in crate::codecs) transfer: u16,
    pub(in crate::codecs) matrix: u16,
    /// Whether the samples have full range: 0 means black, and the largest value means white.
    pub(in crate::codecs) full_range: bool,
}

/// The code point of ITU-T H.273 that means "unspecified".
pub(in crate::codecs) const UNSPECIFIED: u16 = 2;

impl Cicp {
    /// Replaces every code point that is "unspecified" by the corresponding code point of `other`.
    pub(super) fn or(self, other: Self) -> Self {
        let either = |a, b| if a == UNSPECIFIED { b } else { a };
        Self {
            primaries: either(self.primaries, other.primaries),
            transfer: either(self.transfer, other.transfer),
            matrix: either(self.matrix, other.matrix),
            full_range: self.full_range,
        }
    }
}

/// A decoded picture. The planes have no padding; the first plane has `width * height` samples.
#[derive(Debug)]
pub(in crate::codecs) struct Planes {
    pub(in crate::codecs) width: usize,
    pub(in crate::codecs) height: usize,
    /// The number of bits of each sample, 8 to 16.
    pub(in crate::codecs) depth: u8,
    pub(in crate::codecs) chroma: Chroma,
    /// The luma plane and the two chroma planes. A gray picture has only the luma plane.
    pub(in crate::codecs) samples: Samples,
    /// The code points (ITU-T H.273) that the coded picture states for its colours.
    pub(in crate::codecs) cicp: Cicp,
}

/// The samples of three planes. Samples of 8 bits need one byte.
#[derive(Debug)]
pub(in crate::codecs) enum Samples {
    Bytes([Vec<u8>; 3]),
    Words([Vec<u16>; 3]),
}

/// The type of a sample.
trait Sample: Copy + Into<f32> {}

impl<T: Copy + Into<f32>> Sample for T {}

/// The weights of red and blue in luma. They define luma and the two colour differences.
type Weights = (f32, f32);

/// How the three samples of a pixel are converted to RGB.
enum Matrix {
    /// The three samples are green, blue and red, so no conversion is needed.
    Identity,
    /// YCgCo: luma, green difference and orange difference (matrix 8).
    YCgCo,
    Weighted(Weights),
}

impl Matrix {
    /// Selects the matrix by code point. An unspecified matrix counts as BT.601, as MIAF (ISO/IEC 23000-22,
    /// 7.3.6.4) prescribes.
    fn of(cicp: Cicp) -> Self {
        Self::Weighted(match cicp.matrix {
            0 => return Self::Identity,
            8 => return Self::YCgCo,
            1 => (0.2126, 0.0722),
            4 => (0.30, 0.11),
            7 => (0.212, 0.087),
            9 | 10 => (0.2627, 0.0593),
            // With matrix code point 12, the weights are derived from the colour primaries.
            12 => match cicp.primaries {
                1 => (0.2126, 0.0722),
                9 => (0.2627, 0.0593),
                12 => (0.228_97, 0.079_29),
                _ => (0.299, 0.114),
            },
            _ => (0.299, 0.114),
        })
    }
}

/// Scales samples: luma to 0–255, chroma to colour differences, which are 0 for gray.
struct Range {
    luma_offset: f32,
    luma_scale: f32,
    chroma_offset: f32,
    chroma_scale: f32,
}

impl Range {
    fn new(depth: u8, full: bool) -> Self {
        let unit = f32::from(1u16 << (depth - 8));
        let max = unit * 256.0 - 1.0;
        let chroma_offset = unit * 128.0;
        if full {
            Self { luma_offset: 0.0, luma_scale: 255.0 / max, chroma_offset, chroma_scale: 255.0 / max }
        } else {
            let (luma, chroma) = (219.0 * unit, 224.0 * unit);
            Self {
                luma_offset: 16.0 * unit,
                luma_scale: 255.0 / luma,
                chroma_offset,
                chroma_scale: 255.0 / chroma,
            }
        }
    }
}

impl Planes {
    /// Converts the upper left part of the picture to gray or RGB. `width` and `height` must not exceed the
    /// size of the picture.
    pub(super) fn to_image(&self, width: usize, height: usize, cicp: Cicp, scratch: &mut Scratch) -> Image {
        let mut converter = RowConverter::new(self, cicp);
        let channels = self.channels();
        let stride = width * channels.count();
        let mut data = scratch.take(stride * height);
        data.chunks_exact_mut(stride).enumerate().for_each(|(y, row)| converter.convert(self, y, row));
        Image::new(width as u32, height as u32, channels, data)
    }

    /// The channels of the converted picture.
    pub(super) fn channels(&self) -> Channels {
        if self.chroma == Chroma::None { Channels::Gray } else { Channels::Rgb }
    }
}

/// Converts rows of samples to gray or RGB.
pub(super) struct RowConverter {
    matrix: Matrix,
    range: Range,
    /// The upsampled chroma samples of a row.
    differences: [Vec<f32>; 2],
}

impl RowConverter {
    pub(super) fn new(planes: &Planes, cicp: Cicp) -> Self {
        let n = if planes.chroma == Chroma::None { 0 } else { planes.width + 1 };
        Self {
            matrix: Matrix::of(cicp),
            range: Range::new(planes.depth, cicp.full_range),
            differences: [vec![0.0; n], vec![0.0; n]],
        }
    }

    /// Converts the left part of row `y`: as many pixels as `out` has.
    pub(super) fn convert(&mut self, planes: &Planes, y: usize, out: &mut [u8]) {
        match &planes.samples {
            Samples::Bytes(samples) => self.convert_row(planes, samples, y, out),
            Samples::Words(samples) => self.convert_row(planes, samples, y, out),
        }
    }

    fn convert_row<T: Sample>(&mut self, planes: &Planes, samples: &[Vec<T>; 3], y: usize, out: &mut [u8]) {
        let width = out.len() / planes.channels().count();
        let luma = &samples[0][y * planes.width..][..width];
        let range = &self.range;
        if planes.chroma == Chroma::None {
            for (to, &from) in out.iter_mut().zip(luma) {
                *to = to_byte((from.into() - range.luma_offset) * range.luma_scale);
            }
            return;
        }
        for (plane, row) in samples[1..].iter().zip(&mut self.differences) {
            chroma_row(planes, plane, y, row);
        }
        let chroma = [self.differences[0].as_slice(), &self.differences[1]];
        convert(&self.matrix, range, luma, chroma, out.as_chunks_mut::<3>().0);
    }
}

/// Upsamples one row of a chroma plane to full resolution. A chroma sample lies in the centre of the pixels that
/// share this sample. The value of a pixel is the sum of three quarters of the nearest sample and one quarter of
/// the next nearest sample, as in JPEG decoders.
fn chroma_row<T: Sample>(planes: &Planes, plane: &[T], y: usize, row: &mut [f32]) {
    let (columns, rows) = planes.chroma.size(planes.width, planes.height);
    let line = |y: usize| &plane[y * columns..][..columns];
    match planes.chroma {
        Chroma::None => {}
        Chroma::Full => row.iter_mut().zip(line(y)).for_each(|(to, &from)| *to = from.into()),
        Chroma::Columns => widen(line(y), line(y), row),
        Chroma::Both => {
            let near = y / 2;
            let far = if y.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(rows - 1) };
            widen(line(near), line(far), row);
        }
    }
}

/// Mixes two rows of chroma samples, with the weight 3/4 for `near` and 1/4 for `far`, and doubles the width
/// of the result.
fn widen<T: Sample>(near: &[T], far: &[T], row: &mut [f32]) {
    let blended = |x: usize| near[x].into() * 0.75 + far[x].into() * 0.25;
    let mut left = blended(0);
    let mut here = left;
    for (x, pair) in row.as_chunks_mut::<2>().0.iter_mut().take(near.len()).enumerate() {
        let right = if x + 1 < near.len() { blended(x + 1) } else { here };
        *pair = [here * 0.75 + left * 0.25, here * 0.75 + right * 0.25];
        (left, here) = (here, right);
    }
}

/// Converts one row of samples to RGB.
fn convert<T: Sample>(
    matrix: &Matrix,
    range: &Range,
    luma: &[T],
    chroma: [&[f32]; 2],
    pixels: &mut [[u8; 3]],
) {
    let level = |y: f32| (y - range.luma_offset) * range.luma_scale;
    let difference = |c: f32| (c - range.chroma_offset) * range.chroma_scale;
    match *matrix {
        Matrix::Identity => each(luma, chroma, pixels, |g, b, r| [level(r), level(g), level(b)]),
        Matrix::YCgCo => each(luma, chroma, pixels, |y, cg, co| {
            let (y, cg, co) = (level(y), difference(cg), difference(co));
            [y - cg + co, y + cg, y - cg - co]
        }),
        Matrix::Weighted((red, blue)) => {
            let green = 1.0 - red - blue;
            let (to_red, to_blue) = (2.0 * (1.0 - red), 2.0 * (1.0 - blue));
            let (red_in_green, blue_in_green) = (to_red * red / green, to_blue * blue / green);
            each(luma, chroma, pixels, |y, cb, cr| {
                let (y, cb, cr) = (level(y), difference(cb), difference(cr));
                [y + to_red * cr, y - blue_in_green * cb - red_in_green * cr, y + to_blue * cb]
            });
        }
    }
}

/// Converts one row of samples to RGB by calling `color` for every pixel.
fn each<T: Sample>(
    luma: &[T],
    [first, second]: [&[f32]; 2],
    pixels: &mut [[u8; 3]],
    color: impl Fn(f32, f32, f32) -> [f32; 3],
) {
    for (((pixel, &y), &cb), &cr) in pixels.iter_mut().zip(luma).zip(first).zip(second) {
        *pixel = color(y.into(), cb, cr).map(to_byte);
    }
}

/// Rounds a value to an integer and clips it to 0–255.
fn to_byte(value: f32) -> u8 {
    (value + 0.5) as u8
}
