//! Computes optimal Huffman tables for the symbols of a scan (T.81 annex K.2).

/// A Huffman table: the number of codes of each length, the symbols in the order of their codes, and for each
/// symbol its code and the length of the code.
#[derive(Debug, Clone)]
pub(super) struct HuffmanTable {
    pub(super) counts: [u8; 16],
    pub(super) symbols: Vec<u8>,
    pub(super) codes: [(u16, u8); 256],
}

impl HuffmanTable {
    /// Computes the optimal code for symbols with these frequencies. Returns `None` if no symbol occurs.
    pub(super) fn new(frequencies: &[u32; 256]) -> Option<Self> {
        let mut symbols: Vec<u8> = (0..=255).filter(|&s| frequencies[usize::from(s)] > 0).collect();
        if symbols.is_empty() {
            return None;
        }
        symbols.sort_by_key(|&s| (std::cmp::Reverse(frequencies[usize::from(s)]), s));
        let ascending: Vec<u64> =
            symbols.iter().rev().map(|&symbol| u64::from(frequencies[usize::from(symbol)])).collect();
        let counts = limit_lengths(count_lengths(&ascending));
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

/// Computes the number of codes of each length, for frequencies in ascending order. An additional symbol with
/// the frequency 0 reserves the code that consists only of ones, because T.81 forbids this code.
fn count_lengths(ascending: &[u64]) -> Vec<u32> {
    // The nodes of the Huffman tree form two queues in ascending order of weight. One queue contains the
    // leaves; the other queue contains the inner nodes, each of which joins two nodes. Leaf 0 is the
    // additional symbol; leaf `i + 1` has the frequency `ascending[i]`.
    let n_leaves = ascending.len() + 1;
    let mut weights: Vec<u64> = std::iter::once(0).chain(ascending.iter().copied()).collect();
    let mut parents = vec![0; 2 * n_leaves - 1];
    let (mut leaf, mut node) = (0, n_leaves);
    for parent in n_leaves..2 * n_leaves - 1 {
        let mut smallest = || {
            let is_leaf = leaf < n_leaves && (node >= weights.len() || weights[leaf] <= weights[node]);
            let queue = if is_leaf { &mut leaf } else { &mut node };
            *queue += 1;
            *queue - 1
        };
        let (first, second) = (smallest(), smallest());
        weights.push(weights[first] + weights[second]);
        (parents[first], parents[second]) = (parent, parent);
    }
    let mut depths = vec![0; 2 * n_leaves - 1];
    for i in (0..2 * n_leaves - 2).rev() {
        depths[i] = depths[parents[i]] + 1;
    }
    let mut counts = vec![0; 1 + depths.iter().max().copied().unwrap_or(0)];
    depths[..n_leaves].iter().for_each(|&depth| counts[depth] += 1);
    counts
}

/// Shortens codes of more than 16 bits so that the total length grows as little as possible (T.81 figure
/// K.3). Removes the reserved code that consists only of ones.
fn limit_lengths(mut counts: Vec<u32>) -> [u8; 16] {
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
    counts[longest.expect("the reserved symbol and one other give two leaves")] -= 1;
    std::array::from_fn(|i| counts[i + 1] as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jpeg_huffman_codes_have_at_most_16_bits_and_no_code_consists_only_of_one_bits() {
        // If the frequency doubles from each symbol to the next, the Huffman tree has the greatest possible
        // depth.
        let mut frequencies = [0; 256];
        (0..30).for_each(|i| frequencies[i] = 1 << i);
        let table = HuffmanTable::new(&frequencies).expect("the frequencies have symbols");
        assert_eq!(table.symbols.len(), 30);
        assert_eq!(table.codes[29].1, 1);
        let used_code_space: u32 =
            (1..).zip(table.counts).map(|(length, n)| u32::from(n) << (16 - length)).sum();
        assert!(used_code_space < 1 << 16, "the code of all ones must stay free");
        let single = HuffmanTable::new(&std::array::from_fn(|i| u32::from(i == 3)))
            .expect("the frequencies have one symbol");
        assert_eq!((single.counts[0], single.codes[3]), (1, (0, 1)));
    }
}
