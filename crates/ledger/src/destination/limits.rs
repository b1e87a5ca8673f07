//! The configured limits on concurrent webhooks and on pauses of destinations.

/// The limits on concurrent webhooks and on pauses of destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryLimits {
    /// The largest number of webhooks that the driver sends at the same time, to all destinations together.
    pub capacity: u32,
    /// The largest concurrency limit of a destination, at least 1. A webhook is leased from its claim until
    /// the result of its attempt is stored or the lease runs out.
    pub per_authority: u32,
    /// The concurrency limit of a new destination, at least 1. It is also the number of webhooks that every
    /// destination may have leased, however many the others have.
    pub per_authority_start: u32,
    /// The largest number of leased webhooks to one IP address, summed over all authorities, at least 1. A
    /// destination whose own concurrency limit has grown beyond this number is limited by that only.
    pub per_address: u32,
    /// The number of consecutive failures that opens the circuit breaker of a destination.
    pub n_failures_to_open: u32,
    /// The shortest pause of an open circuit breaker, in milliseconds.
    pub first_pause_ms: i64,
    /// The longest pause of an open circuit breaker, in milliseconds.
    pub max_pause_ms: i64,
    /// The longest pause that a receiver's `Retry-After` can cause, in milliseconds.
    pub max_retry_after_ms: i64,
    /// The longest latency of a receiver with which its concurrency limit may rise, in milliseconds: half the
    /// deadline of an attempt.
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

    /// The number of leased webhooks from which on a destination gets no further webhook, while `n_free` more
    /// webhooks can be sent. A destination may have as many leased webhooks as are still free (the dynamic
    /// threshold of Choudhury and Hahne, 1998), and at least its share. So `k` destinations that take all they
    /// can get leave `1 / (k + 1)` of the capacity to the others.
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
