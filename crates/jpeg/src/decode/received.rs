//! Measures how much of an image lies beyond the end of a file that is cut off.

use super::layout::Layout;
use super::markers::Scan;

/// Records how much of the image the scans of a file have delivered so far. A scan of a component delivers
/// the first bits of a range of coefficients, or one more bit of each coefficient in the range.
#[derive(Debug)]
pub(super) struct Received {
    components: Vec<ReceivedComponent>,
}

#[derive(Debug)]
struct ReceivedComponent {
    n_blocks: usize,
    /// For each coefficient in zigzag order, the share of its bits that no scan has delivered, from 0 to 1.
    missing: [f64; 64],
    /// For each coefficient in zigzag order, the number of scans that are necessary to deliver all bits of
    /// the coefficient. The first scan of the coefficient determines this number.
    n_scans: [u32; 64],
}

impl Received {
    pub(super) fn nothing(layout: &Layout) -> Self {
        let component = |sizes: &super::layout::ComponentSizes| ReceivedComponent {
            n_blocks: sizes.blocks_wide * sizes.blocks_high,
            missing: [1.0; 64],
            n_scans: [1; 64],
        };
        Self { components: layout.components.iter().map(component).collect() }
    }

    /// Adds a scan. `delivered` is the share of the scan that the file contains, from 0 to 1.
    pub(super) fn add(&mut self, scan: &Scan, delivered: f64) {
        for scanned in &scan.components {
            let component = &mut self.components[scanned.index];
            for k in scan.first..=scan.last {
                if scan.high == 0 {
                    component.n_scans[k] = scan.low + 1;
                    component.missing[k] = 1.0;
                }
                component.missing[k] -= delivered / f64::from(component.n_scans[k]);
            }
        }
    }

    /// Returns the share of the image that is missing, in thousandths. The result is 0 only if nothing is
    /// missing.
    pub(super) fn missing_permille(&self) -> u16 {
        /// The smallest share that counts as missing. A smaller share is a rounding error.
        const LEAST: f64 = 1e-9;
        let n_blocks: usize = self.components.iter().map(|component| component.n_blocks).sum();
        let missing = |component: &ReceivedComponent| {
            let share = component.missing.iter().map(|share| share.max(0.0)).sum::<f64>() / 64.0;
            share * component.n_blocks as f64
        };
        let share = self.components.iter().map(missing).sum::<f64>() / n_blocks.max(1) as f64;
        if share < LEAST { 0 } else { ((share * 1000.0).round() as u16).clamp(1, 1000) }
    }
}
