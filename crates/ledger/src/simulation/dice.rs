//! Randomness that follows from a seed: SplitMix64 (Steele, Lea and Flood, 2014).

pub(super) struct Dice(u64);

impl Dice {
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

    /// In `[low, high)`.
    pub(super) fn range(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high - low).expect("a range is not empty");
        low + i64::try_from(self.next() % span).expect("less than the span")
    }

    /// Between `low` and `high`, as likely between 1 and 10 as between 10 and 100.
    pub(super) fn spread(&mut self, low: i64, high: i64) -> i64 {
        let mut top = high;
        while top > low * 2 && self.one_in(2) {
            top /= 4;
        }
        self.range(low, top.max(low + 1))
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }

    pub(super) fn index(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).expect("an index")
    }

    /// In `[0, 1)`.
    pub(super) fn unit(&mut self) -> f64 {
        f64::from(u32::try_from(self.next() >> 40).expect("24 bits")) / f64::from(1_u32 << 24)
    }
}
