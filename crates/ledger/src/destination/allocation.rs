//! Dividing the send capacity of a claim among the destinations, round robin: each lane gets one webhook in
//! turn, longest ready first, until no lane can take another.

/// The two lanes in which a destination's webhooks wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Webhooks of which no attempt has ended yet.
    First,
    /// Webhooks that were attempted before, or are sent again.
    Retry,
}

/// How many webhooks a claim may lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendCapacity {
    /// The number of webhooks of either lane.
    pub n_total: u32,
    /// The largest number of retries and resends among them. The rest is reserved for first attempts.
    pub n_retries: u32,
}

/// One lane of one destination with due webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The index of the destination in `n_free`.
    pub(crate) destination: usize,
    /// The index of the destination's address in `n_address_free`, if the address is known.
    pub(crate) address: Option<usize>,
    pub(crate) lane: Lane,
    /// The number of due webhooks in the lane, as far as the claim has read them.
    pub(crate) n_waiting: u32,
}

impl Lane {
    /// The lane's number in the database.
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

/// Capacity for `n` webhooks of either lane.
impl From<u32> for SendCapacity {
    fn from(n: u32) -> Self {
        Self { n_total: n, n_retries: n }
    }
}

/// Returns the number of webhooks for each candidate. `candidates` stand in the order of their turns. `n_free` is
/// the free capacity of each destination, and `n_address_free` of each address. The function reduces both by the
/// capacity that it gives out.
pub(crate) fn allocate(
    capacity: SendCapacity,
    n_free: &mut [u32],
    n_address_free: &mut [u32],
    candidates: &[Candidate],
) -> Vec<u32> {
    let mut shares = vec![0; candidates.len()];
    let (mut n_left, mut n_retries_left) = (capacity.n_total, capacity.n_retries);
    let mut has_progress = true;
    while has_progress && n_left > 0 {
        has_progress = false;
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
            has_progress = true;
        }
    }
    shares
}
