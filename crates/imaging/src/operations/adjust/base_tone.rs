//! The base tone of each pixel: the luma of its surroundings, blurred, but not across edges. `shadows` and
//! `highlights` decide by the base tone how strongly they change a pixel. Texture within a dark area
//! therefore keeps its contrast, and no halo appears along the edge of a dark area.
//!
//! The blur is the guided filter of He, Sun, Tang: *Guided image filtering* (2013), with the luma as its own
//! guide, computed on a reduced image as in He, Sun: *Fast guided filter* (2015). The reduced image is a grid
//! of square cells. For each cell, the filter computes a line `slope · luma + offset`: near an edge the slope
//! is close to 1, in an area of similar tones the slope is close to 0 and the offset is the mean of the area.
//! The slopes and offsets are interpolated between the centres of the cells, and the line is applied to the
//! luma of every pixel of the full image.
//!
//! Pixels count by their alpha, so that hidden colours of transparent pixels have no effect.

use super::super::channels::luma;
use crate::{Channels, Image};

/// The largest number of cells along the longer side of the image.
const MAX_CELLS: usize = 128;

/// The blur averages over this share of the longer side in each direction.
const REACH: f32 = 1.0 / 16.0;

/// The variance of luma (as a share of the full range) at which the slope is ½. Smaller variances count as
/// texture, larger variances as edges.
const EDGE_VARIANCE: f32 = 0.01;

/// The base tone of one image.
pub(super) struct BaseTone {
    cell_px: usize,
    slope: Grid,
    /// In levels (0–255).
    offset: Grid,
}

/// One number for each cell, row by row.
#[derive(Clone)]
struct Grid {
    n_columns: usize,
    n_rows: usize,
    values: Vec<f32>,
}

impl BaseTone {
    /// Computes the base tone of the image.
    pub(super) fn of(image: &Image) -> Self {
        let longest = image.width().max(image.height()) as usize;
        let cell_px = longest.div_ceil(MAX_CELLS);
        let radius = ((longest.div_ceil(cell_px) as f32 * REACH).round() as usize).max(1);
        let (tone, weight) = match image.channels() {
            Channels::Gray => reduce(image, cell_px, |&[luma]: &[u8; 1]| (luma, 255)),
            Channels::Rgb => reduce(image, cell_px, |&pixel: &[u8; 3]| (luma(pixel), 255)),
            Channels::Rgba => reduce(image, cell_px, |&[r, g, b, a]: &[u8; 4]| (luma([r, g, b]), a)),
        };

        let total = weight.box_sum(radius);
        let mean = tone.zip(&weight, |tone, weight| tone * weight).box_sum(radius).divided_by(&total);
        let square = tone.zip(&weight, |tone, weight| tone * tone * weight).box_sum(radius);
        let slope = square.divided_by(&total).zip(&mean, |square, mean| {
            let variance = (square - mean * mean).max(0.0);
            variance / (variance + EDGE_VARIANCE)
        });
        let offset = slope.zip(&mean, |slope, mean| (1.0 - slope) * mean * 255.0);

        let total_of_totals = total.box_sum(radius);
        let smooth = |grid: Grid| {
            grid.zip(&total, |value, total| value * total).box_sum(radius).divided_by(&total_of_totals)
        };
        Self { cell_px, slope: smooth(slope), offset: smooth(offset) }
    }

    /// The lines of the pixels in row `y`, and the values that are needed to compute them.
    pub(super) fn row(&self, y: usize) -> BaseRow {
        let at = position(y, self.cell_px, self.slope.n_rows);
        BaseRow { slope: self.slope.row(at), offset: self.offset.row(at) }
    }

    /// For each of `width` columns, the position between the centres of two cells.
    pub(super) fn columns(&self, width: usize) -> Vec<Position> {
        (0..width).map(|x| position(x, self.cell_px, self.slope.n_columns)).collect()
    }
}

/// The slopes and offsets of all cells at the height of one row of pixels.
pub(super) struct BaseRow {
    slope: Vec<f32>,
    offset: Vec<f32>,
}

impl BaseRow {
    /// The base tone (0–255, rounded) of a pixel with the given luma.
    pub(super) fn tone(&self, column: Position, luma: u8) -> u8 {
        let slope = column.interpolate(&self.slope);
        (slope * f32::from(luma) + column.interpolate(&self.offset) + 0.5) as u8
    }
}

/// A place between the centres of two neighbouring cells.
#[derive(Clone, Copy)]
pub(super) struct Position {
    first: usize,
    second: usize,
    /// The weight of the second cell, 0–1.
    share: f32,
}

impl Position {
    fn interpolate(self, values: &[f32]) -> f32 {
        let (a, b) = (values[self.first], values[self.second]);
        a + (b - a) * self.share
    }
}

/// The position of the centre of pixel number `pixel` among `n_cells` cells of `cell_px` pixels.
fn position(pixel: usize, cell_px: usize, n_cells: usize) -> Position {
    let place = ((pixel as f32 + 0.5) / cell_px as f32 - 0.5).clamp(0.0, (n_cells - 1) as f32);
    let first = place as usize;
    Position { first, second: (first + 1).min(n_cells - 1), share: place.fract() }
}

/// The mean luma (0–1) of each cell, weighted by alpha, and the mean alpha (0–1) of each cell. `read` returns
/// luma and alpha of a pixel of `N` bytes.
fn reduce<const N: usize>(
    image: &Image,
    cell_px: usize,
    read: impl Fn(&[u8; N]) -> (u8, u8),
) -> (Grid, Grid) {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let mut tone = Grid::new(width.div_ceil(cell_px), height.div_ceil(cell_px));
    let mut weight = tone.clone();
    let bands = image.data().chunks(width * N * cell_px);
    let tones = tone.values.chunks_exact_mut(tone.n_columns);
    let weights = weight.values.chunks_exact_mut(weight.n_columns);
    let mut sums = vec![(0u64, 0u64); width.div_ceil(cell_px)];
    for ((band, tones), weights) in bands.zip(tones).zip(weights) {
        sums.fill((0, 0));
        for row in band.chunks_exact(width * N) {
            for (sums, pixels) in sums.iter_mut().zip(row.as_chunks::<N>().0.chunks(cell_px)) {
                for pixel in pixels {
                    let (luma, alpha) = read(pixel);
                    sums.0 += u64::from(luma) * u64::from(alpha);
                    sums.1 += u64::from(alpha);
                }
            }
        }
        let n_rows = band.len() / (width * N);
        for (column, (tone, weight)) in tones.iter_mut().zip(weights).enumerate() {
            let (product, alpha) = sums[column];
            let n_pixels = n_rows * cell_px.min(width - column * cell_px);
            *tone = if alpha > 0 { product as f32 / (255.0 * alpha as f32) } else { 0.0 };
            *weight = alpha as f32 / (255.0 * n_pixels as f32);
        }
    }
    (tone, weight)
}

impl Grid {
    fn new(n_columns: usize, n_rows: usize) -> Self {
        Self { n_columns, n_rows, values: vec![0.0; n_columns * n_rows] }
    }

    /// A grid of the same size, whose values are computed from the values of both grids.
    fn zip(&self, other: &Self, compute: impl Fn(f32, f32) -> f32) -> Self {
        let values = self.values.iter().zip(&other.values).map(|(&a, &b)| compute(a, b)).collect();
        Self { values, ..*self }
    }

    /// Divides each value by the value of `total`. The result is 0 where `total` is 0, which is where all
    /// pixels that were averaged are transparent.
    fn divided_by(&self, total: &Self) -> Self {
        self.zip(total, |sum, total| if total > 0.0 { sum / total } else { 0.0 })
    }

    /// For each cell, the sum over the square of `2·radius + 1` cells around it, without the part of the
    /// square that lies outside of the grid.
    fn box_sum(&self, radius: usize) -> Self {
        self.sum_along_rows(radius).transposed().sum_along_rows(radius).transposed()
    }

    fn sum_along_rows(&self, radius: usize) -> Self {
        let mut sums = Self::new(self.n_columns, self.n_rows);
        // The sum of all values before each column. The difference of two of these sums is exactly 0 where
        // all values between them are 0, which is where all pixels are transparent.
        let mut before = vec![0.0; self.n_columns + 1];
        let rows = self.values.chunks_exact(self.n_columns);
        for (row, sums) in rows.zip(sums.values.chunks_exact_mut(self.n_columns)) {
            for (column, &value) in row.iter().enumerate() {
                before[column + 1] = before[column] + f64::from(value);
            }
            for (column, sum) in sums.iter_mut().enumerate() {
                let end = (column + radius + 1).min(self.n_columns);
                *sum = (before[end] - before[column.saturating_sub(radius)]) as f32;
            }
        }
        sums
    }

    fn transposed(&self) -> Self {
        let values = (0..self.n_columns)
            .flat_map(|column| self.values.iter().skip(column).step_by(self.n_columns).copied());
        Self { n_columns: self.n_rows, n_rows: self.n_columns, values: values.collect() }
    }

    /// The values of one row of pixels, interpolated between two rows of cells.
    fn row(&self, at: Position) -> Vec<f32> {
        let row = |number: usize| &self.values[number * self.n_columns..][..self.n_columns];
        row(at.first).iter().zip(row(at.second)).map(|(a, b)| a + (b - a) * at.share).collect()
    }
}
