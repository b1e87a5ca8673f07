//! Rows of samples of one component: all of them, or those of one row of MCUs with the row before.

use super::idct::LANES;
use super::layout::Laid;

/// A window of rows onto a component. Rows are as long as whole groups of blocks.
#[derive(Debug, Default)]
pub(super) struct Samples {
    data: Vec<u8>,
    stride: usize,
    /// The row that `data` begins with is row `first - 1` of the component.
    first: usize,
    /// Rows of a band, which is what the window moves by.
    band: usize,
    /// Of the component, in samples.
    width: usize,
    height: usize,
}

impl Samples {
    /// `n_mcus` is how many rows of MCUs the window holds.
    pub(super) fn new(laid: &Laid, mcus_wide: usize, n_mcus: usize) -> Self {
        let stride = (mcus_wide * laid.horizontal).next_multiple_of(LANES * laid.horizontal) * laid.side_x;
        let band = laid.vertical * laid.side_y * n_mcus;
        Self {
            data: vec![128; stride * (band + 1)],
            stride,
            first: 0,
            band,
            width: laid.width,
            height: laid.height,
        }
    }

    /// Where a transform puts its rows: behind column `x` of row `y` of the window.
    #[inline(always)]
    pub(super) fn at(&mut self, x: usize, y: usize) -> (&mut [u8], usize) {
        (&mut self.data[(y + 1) * self.stride + x..], self.stride)
    }

    /// Moves the window down by its band. The last row is kept.
    pub(super) fn advance(&mut self) {
        self.data.copy_within(self.band * self.stride.., 0);
        self.first += self.band;
    }

    /// The samples of a row of the component. Beyond its edges are copies of its first and last row.
    pub(super) fn row(&self, y: usize) -> &[u8] {
        let at = (y.min(self.height - 1) + 1 - self.first) * self.stride;
        &self.data[at..at + self.width]
    }

    /// Below which row the samples are known.
    pub(super) fn end(&self) -> usize {
        self.first + self.band
    }
}
