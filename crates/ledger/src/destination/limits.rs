//! The configured limits on concurrent webhooks and on pauses of destinations.

/// The limits on concurrent webhooks and on pauses of destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryLimits {
    /// The largest number of webhooks that the driver sends at the same time, to all destinations together.
    pub capacity: u32,
    /// The largest concurrency limit of a destination, at least 1. A webhook is leased from its claim until
    /// the result of its attempt is stored or the lease runs out.
    pub per_authority: u32,
    /// The concurrency limit of a new destination, at least 1. Every destination may always have this number
    /// of leased webhooks, however many leased webhooks the other destinations have.
    pub per_authority_start: u32,
    /// The largest number of leased webhooks to one IP address, summed over all authorities, at least 1. If
    /// the concurrency limit of a destination has grown beyond this number, the destination may have leased
    /// webhooks up to its concurrency limit.
    pub per_address: u32,
    /// The number of consecutive failures that opens the circuit breaker of a destination.
    pub n_failures_to_open: u32,
    /// The shortest pause of an open circuit breaker, in milliseconds.
    pub first_pause_ms: i64,
    /// The longest pause of an open circuit breaker, in milliseconds.
    pub max_pause_ms: i64,
    /// The longest pause that a receiver's `Retry-After` can cause, in milliseconds.
    pub max_retry_after_ms: i64,
    /// The largest mean latency of a receiver, in milliseconds, at which the concurrency limit of its
    /// destination may rise: half the deadline of an attempt.
    pub max_latency_ms: u32,
    /// The longest time from the due time of the first attempt until a webhook expires, in milliseconds.
    /// `None` means no limit.
    pub give_up_ms: Option<i64>,
}

impl DeliveryLimits {
    /// The largest concurrency limit that a destination can reach.
    pub(crate) fn max_limit(&self) -> u32 {
        self.per_authority.min(self.capacity).max(1)
    }

    /// The concurrency limit of a new destination.
    pub(crate) fn start_limit(&self) -> u32 {
        self.per_authority_start.min(self.max_limit()).max(1)
    }

    /// The largest number of leased webhooks that a destination may have while `n_free` more webhooks can be
    /// sent. This number is `n_free` (the dynamic threshold of Choudhury and Hahne, 1998), but at least the
    /// concurrency limit of a new destination. If `k` destinations with many waiting webhooks have reached
    /// the threshold `n_free`, then `1 / (k + 1)` of the send capacity is left for other destinations.
    pub(crate) fn threshold(&self, n_free: u32) -> u32 {
        n_free.max(self.start_limit())
    }

    /// The longest possible pause of a destination, in milliseconds.
    pub(crate) fn max_any_pause_ms(&self) -> i64 {
        self.max_pause_ms.max(self.max_retry_after_ms).max(0)
    }

    /// The time from the due time of a webhook's first attempt until the webhook expires, in milliseconds:
    /// the request's `expires`, but at most `give_up_ms`. `None` means that the webhook never expires.
    pub(crate) fn retry_window_ms(&self, expires_ms: Option<i64>) -> Option<i64> {
        [expires_ms, self.give_up_ms].into_iter().flatten().min()
    }
}

impl Default for DeliveryLimits {
    fn default() -> Self {
        Self {
            capacity: 256,
            per_authority: 1_000,
            per_authority_start: 8,
            per_address: 64,
            n_failures_to_open: 5,
            first_pause_ms: 1_000,
            max_pause_ms: 300_000,
            max_retry_after_ms: 3_600_000,
            max_latency_ms: 5_000,
            give_up_ms: None,
        }
    }
}
