//! Gray images, the input of the face detector.

use super::WINDOW;

/// A gray image with one byte per pixel; `data.len() == width * height`, and both sides are at least 1.
#[derive(Debug, Clone)]
pub(super) struct GrayImage {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) data: Vec<u8>,
}

impl GrayImage {
    /// Resizes the image by bilinear interpolation.
    pub(super) fn resized(&self, width: usize, height: usize) -> Self {
        let columns = taps(self.width, width);
        let mut data = Vec::with_capacity(width * height);
        for (y, weight_y) in taps(self.height, height) {
            let upper = &self.data[y * self.width..][..self.width];
            let lower = &self.data[(y + 1).min(self.height - 1) * self.width..][..self.width];
            data.extend(columns.iter().map(|&(x, weight_x)| {
                let right = (x + 1).min(self.width - 1);
                let mix =
                    |row: &[u8]| f32::from(row[x]) + (f32::from(row[right]) - f32::from(row[x])) * weight_x;
                let (above, below) = (mix(upper), mix(lower));
                (above + (below - above) * weight_y) as u8
            }));
        }
        Self { width, height, data }
    }

    /// Resizes a square of the image to the size of a detection window. `side` (at least 2) is the side of
    /// the square in pixels. Pixels outside of the image are black.
    pub(super) fn window(&self, left: i32, top: i32, side: u32) -> [u8; WINDOW * WINDOW] {
        let value = |x: usize, y: usize| {
            let column =
                usize::try_from(i64::from(left) + x as i64).ok().filter(|&column| column < self.width);
            let row = usize::try_from(i64::from(top) + y as i64).ok().filter(|&row| row < self.height);
            column.zip(row).map_or(0.0, |(column, row)| f32::from(self.data[row * self.width + column]))
        };
        let taps = taps(side as usize, WINDOW);
        let mut window = [0; WINDOW * WINDOW];
        for (row, &(y, weight_y)) in window.chunks_exact_mut(WINDOW).zip(&taps) {
            for (pixel, &(x, weight_x)) in row.iter_mut().zip(&taps) {
                let mix = |y: usize| value(x, y) + (value(x + 1, y) - value(x, y)) * weight_x;
                let (above, below) = (mix(y), mix(y + 1));
                *pixel = (above + (below - above) * weight_y) as u8;
            }
        }
        window
    }
}

/// For each of the `to` output pixels: the first of the two source pixels between which the output pixel is
/// interpolated, and the weight of the second source pixel (0–1).
fn taps(from: usize, to: usize) -> Vec<(usize, f32)> {
    let step = from as f64 / to as f64;
    let tap = |i: usize| {
        let exact = step * i as f64;
        let first = (exact as usize).min(from.saturating_sub(2));
        (first, (exact - first as f64) as f32)
    };
    (0..to).map(tap).collect()
}
