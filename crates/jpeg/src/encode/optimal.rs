//! Huffman tables made for the symbols at hand (T.81 annex K.2).

/// A table: codes of each length, and the symbols by length. `codes` tells code and length of each symbol.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) counts: [u8; 16],
    pub(super) symbols: Vec<u8>,
    pub(super) codes: [(u16, u8); 256],
}

impl Table {
    /// The shortest code for symbols that occur so often; `None` when there are none.
    pub(super) fn new(frequencies: &[u32; 256]) -> Option<Self> {
        let mut symbols: Vec<u8> = (0..=255).filter(|&s| frequencies[usize::from(s)] > 0).collect();
        if symbols.is_empty() {
            return None;
        }
        symbols.sort_by_key(|&s| (std::cmp::Reverse(frequencies[usize::from(s)]), s));
        let rising: Vec<u64> =
            symbols.iter().rev().map(|&symbol| u64::from(frequencies[usize::from(symbol)])).collect();
        let counts = limited(lengths(&rising));
        let mut codes = [(0, 0); 256];
        let (mut code, mut next) = (0_u16, symbols.iter());
        for (length, &count) in (1..).zip(&counts) {
            for &symbol in next.by_ref().take(usize::from(count)) {
                codes[usize::from(symbol)] = (code, length);
                code += 1;
            }
            code <<= 1;
        }
        Some(Self { counts, symbols, codes })
    }
}

/// How many codes there are of each length, for frequencies in rising order and one more symbol, the rarest, whose code
/// is that of ones only, which no symbol may have.
fn lengths(rising: &[u64]) -> Vec<u32> {
    // Two queues, both in rising order: leaves, and the nodes made of two others. A leaf is one less than its number.
    let n_leaves = rising.len() + 1;
    let mut weights: Vec<u64> = std::iter::once(0).chain(rising.iter().copied()).collect();
    let mut parents = vec![0; 2 * n_leaves - 1];
    let (mut leaf, mut node) = (0, n_leaves);
    for made in n_leaves..2 * n_leaves - 1 {
        let mut smallest = || {
            let is_leaf = leaf < n_leaves && (node >= weights.len() || weights[leaf] <= weights[node]);
            let taken = if is_leaf { &mut leaf } else { &mut node };
            *taken += 1;
            *taken - 1
        };
        let (first, second) = (smallest(), smallest());
        weights.push(weights[first] + weights[second]);
        (parents[first], parents[second]) = (made, made);
    }
    let mut depths = vec![0; 2 * n_leaves - 1];
    for i in (0..2 * n_leaves - 2).rev() {
        depths[i] = depths[parents[i]] + 1;
    }
    let mut counts = vec![0; 1 + depths.iter().max().copied().unwrap_or(0)];
    depths[..n_leaves].iter().for_each(|&depth| counts[depth] += 1);
    counts
}

/// Makes codes of more than 16 bits shorter at the least cost (T.81 figure K.3), and takes the code of ones away.
fn limited(mut counts: Vec<u32>) -> [u8; 16] {
    counts.resize(counts.len().max(17), 0);
    for length in (17..counts.len()).rev() {
        while counts[length] > 0 {
            let shorter = (1..length - 1).rev().find(|&shorter| counts[shorter] > 0);
            let shorter = shorter.expect("a tree with deep leaves has leaves above them");
            counts[length] -= 2;
            counts[length - 1] += 1;
            counts[shorter + 1] += 2;
            counts[shorter] -= 1;
        }
    }
    let longest = (1..=16).rev().find(|&length| counts[length] > 0);
    counts[longest.expect("there are two leaves at least")] -= 1;
    std::array::from_fn(|i| counts[i + 1] as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_short_complete_and_at_most_sixteen_bits() {
        // Frequencies that double make the deepest of trees.
        let mut frequencies = [0; 256];
        (0..30).for_each(|i| frequencies[i] = 1 << i);
        let table = Table::new(&frequencies).expect("there are symbols");
        assert_eq!(table.symbols.len(), 30);
        assert_eq!(table.codes[29].1, 1);
        let room: u32 = (1..).zip(table.counts).map(|(length, n)| u32::from(n) << (16 - length)).sum();
        assert!(room < 1 << 16, "the code of ones stays free");
        let one = Table::new(&std::array::from_fn(|i| u32::from(i == 3))).expect("there is a symbol");
        assert_eq!((one.counts[0], one.codes[3]), (1, (0, 1)));
    }
}
