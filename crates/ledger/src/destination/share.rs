//! Who gets the room there is: one each in turn, whoever waited longest first, until nothing fits any more.

/// Which of the two lanes of a destination a webhook waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// No attempt of it has ended yet.
    First,
    /// It was tried before, or is sent again.
    Retry,
}

/// How many webhooks can be begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Of any kind.
    pub n: u32,
    /// Of those that were tried before or are sent again, at most: the rest is kept for first attempts.
    pub n_retries: u32,
}

/// One lane of one destination that has something due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Which destination: an index into what is free of each.
    pub(crate) destination: usize,
    /// Which address, if it is known: an index into what is free of each.
    pub(crate) address: Option<usize>,
    pub(crate) lane: Lane,
    /// How many wait in it, as far as was looked.
    pub(crate) n_waiting: u32,
}

impl Lane {
    /// The number of the database.
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::First => 0,
            Self::Retry => 1,
        }
    }

    pub(crate) fn from_number(number: i64) -> Self {
        if number == 0 { Self::First } else { Self::Retry }
    }
}

/// Room for this many of any kind.
impl From<u32> for Room {
    fn from(n: u32) -> Self {
        Self { n, n_retries: n }
    }
}

/// How many each candidate gets. `n_free` says what each destination can take, and is what it can still take afterwards;
/// `n_address_free` likewise for addresses. `candidates` come in the order of their turns.
pub(crate) fn share(
    room: Room,
    n_free: &mut [u32],
    n_address_free: &mut [u32],
    candidates: &[Candidate],
) -> Vec<u32> {
    let mut shares = vec![0; candidates.len()];
    let (mut n_left, mut n_retries_left) = (room.n, room.n_retries);
    let mut is_moving = true;
    while is_moving && n_left > 0 {
        is_moving = false;
        for (share, candidate) in shares.iter_mut().zip(candidates) {
            let is_retry = candidate.lane == Lane::Retry;
            let address_is_full = candidate.address.is_some_and(|address| n_address_free[address] == 0);
            let is_full = n_left == 0 || n_free[candidate.destination] == 0 || address_is_full;
            if is_full || *share >= candidate.n_waiting || is_retry && n_retries_left == 0 {
                continue;
            }
            *share += 1;
            n_free[candidate.destination] -= 1;
            if let Some(address) = candidate.address {
                n_address_free[address] -= 1;
            }
            n_left -= 1;
            n_retries_left -= u32::from(is_retry);
            is_moving = true;
        }
    }
    shares
}
