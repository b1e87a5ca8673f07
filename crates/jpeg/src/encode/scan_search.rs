//! Finds the progressive scans that need the fewest bytes.

use super::blocks::ComponentBlocks;
use super::scans::{Scan, all_components, scan};
use super::tokens::Tokens;

/// The last coefficients of the first of two scans that share the coefficients of a component. 63 stands for a
/// single scan.
const SPLITS: [usize; 4] = [63, 2, 5, 8];

/// The largest bit position that a first scan may leave to refinement scans.
const MAX_LOW: u32 = 2;

/// Returns the scans that need the fewest bytes: for each component, how many bits refinement scans add, and
/// whether the coefficients share a scan.
pub(super) fn smallest(components: &[ComponentBlocks]) -> Vec<Scan> {
    let mut sizes = Sizes { components, tokens: Tokens::default() };
    let all = all_components(components.len());
    let dc = [vec![scan(all, (0, 0), (0, 0))], vec![scan(all, (0, 0), (0, 1)), scan(all, (0, 0), (1, 0))]];
    let mut scans = sizes.smallest(dc).0;
    for component in 0..components.len() {
        scans.extend(sizes.smallest_ac(&all[component..=component]));
    }
    // The sort is stable: first scans come first, then refinements from the most to the least significant bit.
    scans.sort_by_key(|scan| (scan.high > 0, std::cmp::Reverse(scan.high)));
    scans
}

/// Computes the sizes of scans.
struct Sizes<'a> {
    components: &'a [ComponentBlocks],
    tokens: Tokens,
}

impl Sizes<'_> {
    /// Returns the number of bytes that a scan needs, with its tables.
    fn bytes(&mut self, scan: &Scan) -> usize {
        self.tokens.clear();
        scan.tokens(self.components, &mut self.tokens);
        self.tokens.n_bytes()
    }

    /// Returns the smallest of several lists of scans, and its size in bytes.
    fn smallest(&mut self, lists: impl IntoIterator<Item = Vec<Scan>>) -> (Vec<Scan>, usize) {
        let sized = lists.into_iter().map(|list| {
            let n_bytes = list.iter().map(|scan| self.bytes(scan)).sum::<usize>();
            (list, n_bytes)
        });
        sized.min_by_key(|&(_, n_bytes)| n_bytes).expect("there is a list")
    }

    /// Returns the scans of the AC coefficients of a component.
    fn smallest_ac(&mut self, component: &'static [usize]) -> Vec<Scan> {
        let (mut best, mut fewest) = (Vec::new(), usize::MAX);
        let (mut refinements, mut refinement_bytes) = (Vec::new(), 0);
        for low in 0..=MAX_LOW {
            if low > 0 {
                let refinement = scan(component, (1, 63), (low, low - 1));
                refinement_bytes += self.bytes(&refinement);
                refinements.insert(0, refinement);
            }
            let first_scans = SPLITS.map(|split| {
                let mut scans = vec![scan(component, (1, split), (0, low))];
                scans.extend((split < 63).then(|| scan(component, (split + 1, 63), (0, low))));
                scans
            });
            let (first, n_bytes) = self.smallest(first_scans);
            if n_bytes + refinement_bytes < fewest {
                fewest = n_bytes + refinement_bytes;
                best = first.into_iter().chain(refinements.iter().copied()).collect();
            }
        }
        best
    }
}
