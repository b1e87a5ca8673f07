//! Handles restart markers (T.81 F.2.2.5). After each restart marker, the predictions of coefficients are
//! reset. Therefore, after damaged data, decoding can continue correctly at the next restart marker.

use super::entropy::EntropyReader;
use super::markers::next_marker;

/// Counts the MCUs of a scan and handles the restart markers between them.
#[derive(Debug)]
pub(super) struct Restarts {
    /// The number of MCUs between two restart markers; 0 for a scan without restart markers.
    interval: usize,
    /// The number of MCUs before the next restart marker.
    n_left: usize,
    /// The number of the next restart marker, 0–7.
    number: u8,
    /// Whether the data of the current restart interval has ended too early.
    lost: bool,
    /// Whether the data of the whole scan has ended.
    over: bool,
    /// Whether data was missing or a restart marker was at the wrong place.
    damaged: bool,
    /// The number of MCUs that precede the end of the file, or `None` if the file does not end within the
    /// scan.
    n_before_cut: Option<usize>,
}

impl Restarts {
    pub(super) fn new(interval: usize) -> Self {
        Self {
            interval,
            n_left: interval,
            number: 0,
            lost: false,
            over: false,
            damaged: false,
            n_before_cut: None,
        }
    }

    /// Returns whether the data of the current restart interval has ended too early. The remaining blocks of
    /// the interval keep the values that they have.
    #[inline(always)]
    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    /// Returns whether data was missing or a restart marker was at the wrong place.
    pub(super) fn damaged(&self) -> bool {
        self.damaged
    }

    /// Returns the number of MCUs that precede the end of the file, or `None` if the file does not end within
    /// the scan.
    pub(super) fn n_before_cut(&self) -> Option<usize> {
        self.n_before_cut
    }

    /// Returns whether neither the current restart interval nor a later one has more data.
    pub(super) fn is_over(&self) -> bool {
        self.over || (self.lost && self.interval == 0)
    }

    /// If a restart marker is due before the MCU with the number `index`, skips the marker and calls the
    /// function `reset` to reset the predictions.
    #[inline(always)]
    pub(super) fn before_mcu(&mut self, reader: &mut impl EntropyReader, index: usize, reset: impl FnOnce()) {
        if self.interval != 0 {
            if self.n_left == 0 {
                self.pass_marker(reader, index);
                reset();
            }
            self.n_left -= 1;
        }
    }

    /// Returns how many of the next MCUs, at most `n`, are in the current restart interval. This includes the
    /// MCU for which [`Restarts::before_mcu`] was called last.
    #[inline(always)]
    pub(super) fn n_until_marker(&self, n: usize) -> usize {
        if self.interval == 0 { n } else { n.min(self.n_left + 1) }
    }

    /// Passes `n` MCUs for which [`Restarts::before_mcu`] was not called.
    #[inline(always)]
    pub(super) fn pass(&mut self, n: usize) {
        self.n_left = self.n_left.saturating_sub(n);
    }

    /// Marks the restart interval as lost if the MCU with the number `index` needed more data than the
    /// restart interval has.
    #[inline(always)]
    pub(super) fn after_mcu(&mut self, reader: &impl EntropyReader, index: usize) {
        if reader.exhausted() {
            self.lose(reader, index);
        }
    }

    #[cold]
    #[inline(never)]
    fn lose(&mut self, reader: &impl EntropyReader, index: usize) {
        self.lost = true;
        self.damaged = true;
        if reader.ends_with_file() {
            self.n_before_cut.get_or_insert(index);
        }
    }

    /// Finds the restart marker that is due, by the rule of other JPEG libraries. If the number of the next
    /// marker is one or two greater than the due number, the current interval is missing, and the marker is
    /// kept for the interval that it introduces. A marker whose number is one or two smaller than the due
    /// number is skipped.
    #[cold]
    #[inline(never)]
    fn pass_marker(&mut self, reader: &mut impl EntropyReader, index: usize) {
        self.n_left = self.interval;
        let due = self.number;
        self.number = (due + 1) % 8;
        self.lost = false;
        if self.over {
            self.lost = true;
            return;
        }
        let mut at = reader.position();
        while let Some((marker, end)) = next_marker(reader.data(), at) {
            let ahead = match marker {
                0xd0..=0xd7 => (marker - 0xd0).wrapping_sub(due) % 8,
                0x01..0xc0 => 7,
                _ => 1,
            };
            match ahead {
                0 => return reader.restart(end),
                1 | 2 => {
                    self.lost = true;
                    self.over = !matches!(marker, 0xd0..=0xd7);
                    self.damaged = true;
                    return reader.restart(end - 2);
                }
                3..=5 => {
                    // The number of the next marker differs so much from the due number that it is unknown
                    // whether an interval is missing. The decoder treats this marker as the marker that is
                    // due.
                    self.damaged = true;
                    return reader.restart(end);
                }
                _ => at = end,
            }
            self.damaged = true;
        }
        (self.lost, self.over, self.damaged) = (true, true, true);
        self.n_before_cut.get_or_insert(index);
        reader.restart(reader.data().len());
    }
}
