//! Restart markers (T.81 F.2.2.5): where coding begins anew, and where decoding finds its way again after damage.

use super::bits::Bits;
use super::markers::next_marker;

/// Counts the MCUs of a scan.
#[derive(Debug)]
pub(super) struct Restarts {
    /// MCUs between markers; 0: there are none.
    interval: usize,
    /// MCUs to the next one.
    n_left: usize,
    /// The number of the next one, 0–7.
    number: u8,
    /// Whether the data of this interval is at its end.
    lost: bool,
    /// Whether that of the scan is.
    over: bool,
    /// Whether any data was missing or any marker was not where it belongs.
    damaged: bool,
}

impl Restarts {
    pub(super) fn new(interval: usize) -> Self {
        Self { interval, n_left: interval, number: 0, lost: false, over: false, damaged: false }
    }

    /// Whether the rest of the interval has no data: its blocks stay as they are.
    #[inline(always)]
    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    /// Whether anything was missing.
    pub(super) fn damaged(&self) -> bool {
        self.damaged
    }

    /// Whether nothing will come any more, in this interval or a later one.
    pub(super) fn is_over(&self) -> bool {
        self.over || (self.lost && self.interval == 0)
    }

    /// Passes the restart marker where one is due, and has the decoder begin anew.
    #[inline(always)]
    pub(super) fn before_mcu(&mut self, bits: &mut Bits<'_>, begin: impl FnOnce()) {
        if self.interval != 0 {
            if self.n_left == 0 {
                self.pass(bits);
                begin();
            }
            self.n_left -= 1;
        }
    }

    /// Notes when an MCU used more bits than there are.
    #[inline(always)]
    pub(super) fn after_mcu(&mut self, bits: &Bits<'_>) {
        if bits.exhausted() {
            self.lost = true;
            self.damaged = true;
        }
    }

    /// The rule of the common libraries: the marker that is due is passed. One that comes a little later is left where
    /// it is, for this interval is the one that is missing; others are passed over, up to one that makes sense.
    #[cold]
    #[inline(never)]
    fn pass(&mut self, bits: &mut Bits<'_>) {
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
                    // Too far away to tell: taken for the one that is due.
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
