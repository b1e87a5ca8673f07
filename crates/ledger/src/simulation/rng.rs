//! A generator of random numbers with a seed: SplitMix64 (Steele, Lea and Flood, 2014).

pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a random number in `[low, high)`.
    pub(super) fn range(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high - low).expect("the range is not empty");
        low + i64::try_from(self.next() % span).expect("the remainder is less than the span")
    }

    /// Returns a random number in `[low, high)` that is more often near `low` than near `high`. The upper
    /// bound is divided by 4 with probability 1/2, again with probability 1/2, and so on.
    pub(super) fn log_range(&mut self, low: i64, high: i64) -> i64 {
        let mut top = high;
        while top > low * 2 && self.one_in(2) {
            top /= 4;
        }
        self.range(low, top.max(low + 1))
    }

    /// Returns `true` with probability `1 / n`.
    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }

    /// Returns a random index of a list with `n` elements.
    pub(super) fn index(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).expect("the index is less than n")
    }

    /// Returns a random number in `[0, 1)`.
    pub(super) fn unit(&mut self) -> f64 {
        f64::from(u32::try_from(self.next() >> 40).expect("the shift leaves 24 bits"))
            / f64::from(1_u32 << 24)
    }
}
