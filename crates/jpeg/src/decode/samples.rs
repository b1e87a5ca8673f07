//! Stores rows of decoded samples of one component: either all rows, or one row of MCUs and the sample row
//! above it.

use super::idct::LANES;
use super::layout::ComponentSizes;

/// A window of sample rows of one component. Rows are padded to whole groups of [`LANES`] blocks.
#[derive(Debug, Default)]
pub(super) struct Samples {
    data: Vec<u8>,
    stride: usize,
    /// The index of the first row of the window, counted from the top of the component. `data` begins one row
    /// earlier, with the row `first - 1`.
    first: usize,
    /// The height of the window in rows, which is also the number of rows by which the window moves.
    band: usize,
    /// The size of the component in samples.
    width: usize,
    height: usize,
}

impl Samples {
    /// Creates a window that is as high as `n_mcus` rows of MCUs. All samples are gray.
    pub(super) fn new(sizes: &ComponentSizes, mcus_wide: usize, n_mcus: usize) -> Self {
        let (stride, band) = Self::stride_and_band(sizes, mcus_wide, n_mcus);
        Self {
            data: vec![128; stride * (band + 1)],
            stride,
            first: 0,
            band,
            width: sizes.width,
            height: sizes.height,
        }
    }

    /// Returns the number of bytes that [`Samples::new`] allocates for the same arguments.
    pub(super) fn n_bytes(sizes: &ComponentSizes, mcus_wide: usize, n_mcus: usize) -> usize {
        let (stride, band) = Self::stride_and_band(sizes, mcus_wide, n_mcus);
        stride * (band + 1)
    }

    /// Returns the distance between the starts of two rows in bytes, and the height of the window in rows.
    fn stride_and_band(sizes: &ComponentSizes, mcus_wide: usize, n_mcus: usize) -> (usize, usize) {
        let stride =
            (mcus_wide * sizes.horizontal).next_multiple_of(LANES * sizes.horizontal) * sizes.block_width;
        (stride, sizes.vertical * sizes.block_height * n_mcus)
    }

    /// Returns the part of `data` that begins at column `x` of row `y` of the window, and the distance
    /// between the starts of two rows.
    #[inline(always)]
    pub(super) fn at(&mut self, x: usize, y: usize) -> (&mut [u8], usize) {
        (&mut self.data[(y + 1) * self.stride + x..], self.stride)
    }

    /// Moves the window down by its height. The last row of the old window is kept as the row above the new
    /// window.
    pub(super) fn advance(&mut self) {
        self.data.copy_within(self.band * self.stride.., 0);
        self.first += self.band;
    }

    /// Returns row `y` of the component. For a `y` below the component, returns its last row.
    pub(super) fn row(&self, y: usize) -> &[u8] {
        let at = (y.min(self.height - 1) + 1 - self.first) * self.stride;
        &self.data[at..at + self.width]
    }

    /// Returns the index of the first row below the window. This row is not decoded yet.
    pub(super) fn end(&self) -> usize {
        self.first + self.band
    }
}
