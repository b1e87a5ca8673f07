//! Computes which share of each pixel a rectangle with elliptic corners covers. If the corner radii are half
//! the sides, the rectangle is an ellipse.

/// The number of horizontal sample lines in each row of pixels. The coverage along each line is computed
/// exactly.
const N_SAMPLES: u32 = 16;

/// A rectangle with rounded corners. The fields contain the distances of its edges from the left or upper
/// edge of the image, and the radii of its corners, in pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outline {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
    radius_x: f64,
    radius_y: f64,
}

impl Outline {
    /// The ellipse that touches all four edges of an image.
    pub(super) fn ellipse(width: u32, height: u32) -> Self {
        let (right, bottom) = (f64::from(width), f64::from(height));
        Self { left: 0.0, top: 0.0, right, bottom, radius_x: right / 2.0, radius_y: bottom / 2.0 }
    }

    /// The rectangle whose edges are `inset` pixels inside of the edges of the image. If `radius` is larger
    /// than half the shorter side of the rectangle, that half is used instead. The rectangle may be empty.
    pub(super) fn rounded(width: u32, height: u32, inset: u32, radius: u32) -> Self {
        let inset = f64::from(inset);
        let (right, bottom) = (f64::from(width) - inset, f64::from(height) - inset);
        let half = ((right - inset).min(bottom - inset) / 2.0).max(0.0);
        let radius = f64::from(radius).min(half);
        Self { left: inset, top: inset, right, bottom, radius_x: radius, radius_y: radius }
    }

    /// Writes the coverage of each pixel in row `y` to `row`: 0 for a pixel outside of the shape, 255 for a
    /// pixel inside of the shape, and a value between for a pixel on the outline.
    pub(super) fn cover(&self, y: u32, row: &mut [u8]) {
        let spans: [(f64, f64); N_SAMPLES as usize] =
            std::array::from_fn(|i| self.span(f64::from(y) + (i as f64 + 0.5) / f64::from(N_SAMPLES)));
        let fold = |start: f64, pick: fn(f64, f64) -> f64, of: fn(&(f64, f64)) -> f64| {
            spans.iter().map(of).fold(start, pick)
        };
        let (min_left, max_left) = (fold(f64::MAX, f64::min, |s| s.0), fold(0.0, f64::max, |s| s.0));
        let (min_right, max_right) = (fold(f64::MAX, f64::min, |s| s.1), fold(0.0, f64::max, |s| s.1));

        row.fill(0);
        let touched = (min_left as usize).min(row.len())..(max_right.ceil() as usize).min(row.len());
        let inner = max_left.ceil() as usize..min_right as usize;
        for x in touched {
            row[x] = if inner.contains(&x) { 255 } else { mean_overlap(&spans, x as f64) };
        }
    }

    /// The left and the right end of the shape on the horizontal line at `y`, as x coordinates. If the line
    /// does not cross the shape, both ends are equal.
    fn span(&self, y: f64) -> (f64, f64) {
        if y <= self.top || y >= self.bottom || self.left >= self.right {
            return (self.left, self.left);
        }
        let into_corner = (self.top + self.radius_y - y).max(y - (self.bottom - self.radius_y));
        let inset = if into_corner > 0.0 {
            let share = into_corner / self.radius_y;
            self.radius_x * (1.0 - (1.0 - share * share).max(0.0).sqrt())
        } else {
            0.0
        };
        (self.left + inset, self.right - inset)
    }
}

/// The share of the pixel from `x` to `x + 1` that the spans cover: the mean over all spans. 255 means that
/// the whole pixel is covered.
fn mean_overlap(spans: &[(f64, f64)], x: f64) -> u8 {
    let sum: f64 = spans.iter().map(|(from, to)| (to.min(x + 1.0) - from.max(x)).max(0.0)).sum();
    (sum / spans.len() as f64 * 255.0 + 0.5) as u8
}
