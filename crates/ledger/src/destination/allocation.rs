//! Divides the send capacity of a claim among the lanes of the destinations. The allocation is round robin:
//! it consists of turns, in each of which every lane gets at most one webhook, until no lane can take another
//! webhook. In each turn, the lane that has been ready longest comes first. A destination gets no further
//! webhook while its number of leased webhooks has reached a threshold: see [`DeliveryLimits::threshold`].

use super::DeliveryLimits;

/// One of the two queues (lanes) in which the webhooks of a destination wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// The lane of the webhooks without a completed attempt: either no attempt has started, or every attempt
    /// was interrupted.
    First,
    /// The lane of the webhooks that have a completed attempt, and of the ended webhooks that a user resends.
    Retry,
}

/// How many webhooks one claim may lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendCapacity {
    /// The largest number of webhooks that a claim may lease, from both lanes together.
    pub n_total: u32,
    /// The largest number of webhooks that a claim may lease from the retry lane. The remaining `n_total -
    /// n_retries` are reserved for first attempts.
    pub n_retries: u32,
}

/// One lane of one destination, if the lane contains due webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The index of the destination in the argument `loads` of [`allocate`].
    pub(crate) destination: usize,
    /// The index of the destination's address in the argument `n_at_address` of [`allocate`]. `None` if the
    /// address is unknown.
    pub(crate) address: Option<usize>,
    pub(crate) lane: Lane,
    /// The number of due webhooks of this lane that the claim has read.
    pub(crate) n_waiting: u32,
}

/// The number of leased webhooks of one destination, and the limits on further ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    /// The number of leased webhooks.
    pub(crate) n_leased: u32,
    /// The number of further webhooks that the concurrency limit and the circuit breaker allow.
    pub(crate) n_free: u32,
    /// The destination gets no further webhook while its IP address has this number of leased webhooks or
    /// more, summed over all authorities.
    pub(crate) address_limit: u32,
}

impl Lane {
    /// Returns the number that stands for the lane in the database.
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

/// Converts `n` into a capacity of `n` webhooks, all of which may be retries.
impl From<u32> for SendCapacity {
    fn from(n: u32) -> Self {
        Self { n_total: n, n_retries: n }
    }
}

/// Returns the number of webhooks that each candidate gets. In each turn, the candidates are served in the
/// order of `candidates`. `loads` contains the load of each destination, and `n_at_address` the number of
/// leased webhooks at each address. The function adds the allocated webhooks to the numbers in `loads` and in
/// `n_at_address`.
pub(crate) fn allocate(
    capacity: SendCapacity,
    limits: &DeliveryLimits,
    loads: &mut [Load],
    n_at_address: &mut [u32],
    candidates: &[Candidate],
) -> Vec<u32> {
    let mut shares = vec![0; candidates.len()];
    let (mut n_left, mut n_retries_left) = (capacity.n_total, capacity.n_retries);
    let mut has_progress = true;
    while has_progress && n_left > 0 {
        has_progress = false;
        for (share, candidate) in shares.iter_mut().zip(candidates) {
            let load = &mut loads[candidate.destination];
            let is_retry = candidate.lane == Lane::Retry;
            let n_of_lane_left = if is_retry { n_left.min(n_retries_left) } else { n_left };
            let address_is_full =
                candidate.address.is_some_and(|address| n_at_address[address] >= load.address_limit);
            let has_its_part = load.n_leased >= limits.threshold(n_of_lane_left);
            let is_full = n_of_lane_left == 0 || load.n_free == 0 || has_its_part || address_is_full;
            if is_full || *share >= candidate.n_waiting {
                continue;
            }
            *share += 1;
            load.n_leased += 1;
            load.n_free -= 1;
            if let Some(address) = candidate.address {
                n_at_address[address] += 1;
            }
            n_left -= 1;
            n_retries_left -= u32::from(is_retry);
            has_progress = true;
        }
    }
    shares
}
