//! Restart markers (T.81 F.2.2.5). Coding starts anew at each marker, so the decoder can resynchronise there
//! after damage.

use super::bits::BitReader;
use super::markers::next_marker;

/// Counts the MCUs of a scan and handles the restart markers between them.
#[derive(Debug)]
pub(super) struct Restarts {
    /// MCUs between two markers; 0 for a scan without markers.
    interval: usize,
    /// MCUs before the next marker.
    n_left: usize,
    /// Number of the next marker, 0–7.
    number: u8,
    /// Whether the data of the current interval has ended.
    lost: bool,
    /// Whether the data of the whole scan has ended.
    over: bool,
    /// Whether data was missing or a marker was not at its place.
    damaged: bool,
}

impl Restarts {
    pub(super) fn new(interval: usize) -> Self {
        Self { interval, n_left: interval, number: 0, lost: false, over: false, damaged: false }
    }

    /// Whether the rest of the current interval has no data. Its blocks keep their values.
    #[inline(always)]
    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    /// Whether data was missing or a marker was not at its place.
    pub(super) fn damaged(&self) -> bool {
        self.damaged
    }

    /// Whether no more data will follow, neither in this interval nor in a later one.
    pub(super) fn is_over(&self) -> bool {
        self.over || (self.lost && self.interval == 0)
    }

    /// Passes a restart marker if one is due before this MCU, and then calls `reset` to reset the
    /// predictions.
    #[inline(always)]
    pub(super) fn before_mcu(&mut self, bits: &mut BitReader<'_>, reset: impl FnOnce()) {
        if self.interval != 0 {
            if self.n_left == 0 {
                self.pass_marker(bits);
                reset();
            }
            self.n_left -= 1;
        }
    }

    /// Marks the interval as lost if an MCU consumed more bits than the data has.
    #[inline(always)]
    pub(super) fn after_mcu(&mut self, bits: &BitReader<'_>) {
        if bits.exhausted() {
            self.lost = true;
            self.damaged = true;
        }
    }

    /// Passes the marker that is due, by the rule of other JPEG libraries. If the next marker is one or two
    /// numbers ahead, the current interval is missing, and the marker stays for its own interval. Other
    /// markers are skipped until one fits.
    #[cold]
    #[inline(never)]
    fn pass_marker(&mut self, bits: &mut BitReader<'_>) {
        self.n_left = self.interval;
        let due = self.number;
        self.number = (due + 1) % 8;
        self.lost = false;
        if self.over {
            self.lost = true;
            return;
        }
        let mut at = bits.position();
        while let Some((marker, end)) = next_marker(bits.data(), at) {
            let ahead = match marker {
                0xd0..=0xd7 => (marker - 0xd0).wrapping_sub(due) % 8,
                0x01..0xc0 => 7,
                _ => 1,
            };
            match ahead {
                0 => return bits.restart(end),
                1 | 2 => {
                    self.lost = true;
                    self.over = !matches!(marker, 0xd0..=0xd7);
                    self.damaged = true;
                    return bits.restart(end - 2);
                }
                3..=5 => {
                    // Too far ahead or behind to decide: treat this marker as the one that is due.
                    self.damaged = true;
                    return bits.restart(end);
                }
                _ => at = end,
            }
            self.damaged = true;
        }
        (self.lost, self.over, self.damaged) = (true, true, true);
        bits.restart(bits.data().len());
    }
}
