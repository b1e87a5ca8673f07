//! The types of webhooks: the status of a webhook, its attempts, and the outcome of an attempt.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::account::AccountId;
use super::authority::Authority;

/// The status of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WebhookStatus {
    /// The request was accepted, and its image is still being processed.
    Created,
    /// The webhook waits until its first attempt or its next attempt is due.
    Scheduled,
    /// The webhook is being sent.
    Dispatched,
    /// The receiver answered with a 2xx status.
    Delivered,
    /// The webhook failed, and no further attempt follows.
    Failed,
}

/// A webhook whose attempt is due, with the data that the attempt needs.
#[derive(Clone, PartialEq, Eq)]
pub struct DueWebhook {
    /// The id of the request, which is also the id of the webhook. Every attempt sends the same id.
    pub id: Uuid,
    /// The account that owns the webhook.
    pub account: AccountId,
    /// The whole URL of the webhook, including credentials.
    pub url: String,
    /// The host and port of the URL.
    pub authority: Authority,
    /// The headers that the attempt sends, in the order in which they are sent.
    pub headers: Vec<(String, String)>,
    /// The request body, exactly as the attempt must send it.
    pub payload: String,
    /// Whether the server tries again after a failed attempt.
    pub retry: bool,
    /// The time at which the request was accepted.
    pub created_ms: i64,
    /// The time at which the processing of the image ended.
    pub finished_ms: i64,
    /// The expiry of the webhook: the time from which on no attempt starts. The expiry is the due time of the
    /// first attempt plus the request's `expires`. For an ended webhook that was resent, the expiry is the
    /// time of the resend plus `expires`. `None` means that the webhook never expires.
    pub expires_at_ms: Option<i64>,
    /// The number of earlier attempts that count against the retry schedule. Interrupted attempts do not
    /// count.
    pub n_counted_attempts: u32,
    /// Whether the attempt uses the send capacity for retries. This is the case if an earlier attempt counts
    /// against the retry schedule, or if a user resent the webhook after the webhook had ended.
    pub is_retry: bool,
}

/// One attempt at sending a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The time at which the attempt started.
    pub started_ms: i64,
    /// The duration of the attempt in milliseconds, including the time to read the response body.
    pub duration_ms: u32,
    /// The outcome of the attempt.
    pub outcome: Outcome,
    /// The HTTP status of the response. `None` if no response arrived.
    pub status: Option<u16>,
    /// The IP address and port to which the attempt connected.
    pub address: Option<String>,
    /// The durations of the attempt's phases.
    pub timings: Timings,
    /// The first KiB of the response body, as text.
    pub response: Option<String>,
    /// The time in the receiver's `Retry-After` in milliseconds, but at most the longest wait that the retry
    /// schedule allows.
    pub retry_after_ms: Option<i64>,
}

/// The durations of an attempt's phases in milliseconds. A duration is `None` if its phase did not take
/// place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// The duration of the DNS lookup of the host name.
    pub dns_ms: Option<u32>,
    /// The duration of the TCP connect.
    pub connect_ms: Option<u32>,
    /// The duration of the TLS handshake.
    pub tls_ms: Option<u32>,
    /// The duration from the start of the request, on an open connection, to the first byte of the response.
    pub first_byte_ms: Option<u32>,
}

/// The outcome of an attempt: how the attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The receiver answered with a 2xx status.
    Delivered,
    /// The connection to the receiver was refused or reset.
    Refused,
    /// The deadline of the attempt passed before the exchange was complete.
    Timeout,
    /// The TLS handshake with the receiver failed.
    Tls,
    /// The host name of the receiver could not be resolved.
    Dns,
    /// The address policy forbids connections to every address of the host.
    BlockedAddress,
    /// The response of the receiver was not valid HTTP.
    Protocol,
    /// This server stopped or lost the lease during the attempt. It is unknown whether the receiver got the
    /// webhook.
    Interrupted,
    /// The receiver answered with a status other than 2xx.
    Rejected,
}

/// The reason why the next attempt is due at its due time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DueReason {
    /// The next attempt is the first attempt. It is due after the delay that the request specified.
    Delay,
    /// The retry schedule determines the due time.
    Retry,
    /// The receiver sent `Retry-After`, which determines the due time.
    RetryAfter,
    /// The last attempt was interrupted, so the next attempt is due at once.
    Interrupted,
    /// An error on this machine prevented the last attempt.
    LocalTrouble,
    /// A user asked to send the webhook again.
    Resend,
    /// The receiver failed several times in a row, so the circuit breaker of the destination is open.
    Breaker,
}

/// The reason why a webhook failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureReason {
    /// A user of the account cancelled the webhook.
    Cancelled,
    /// The webhook expired before it was delivered.
    Expired,
    /// The receiver answered 410 Gone.
    Gone,
    /// The last attempt that the retry schedule allows failed.
    RetriesExhausted,
    /// An attempt failed, and the request does not allow a retry.
    RetryDisabled,
    /// The URL cannot be used for a request.
    UnusableUrl,
}

/// The change of a webhook after one of its attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// The receiver accepted the webhook. No attempt follows.
    Delivered,
    /// Another attempt follows.
    Retry {
        /// The due time of the next attempt.
        due_ms: i64,
    },
    /// The webhook failed. No attempt follows unless a user resends the webhook.
    Failed {
        /// The reason why the webhook failed.
        reason: FailureReason,
    },
}

/// The error for a text that is not a valid value of the parsed type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown word")]
pub struct ParseError;

/// Defines the word that stands for each variant of an enum in the API and in the database.
macro_rules! words {
    ($enum:ident: $n:literal; $($variant:ident = $word:literal),+ $(,)?) => {
        impl $enum {
            /// Every variant.
            pub const ALL: [Self; $n] = [$(Self::$variant),+];

            /// Returns the word that stands for this variant in the API and in the database.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl FromStr for $enum {
            type Err = ParseError;

            fn from_str(word: &str) -> Result<Self, ParseError> {
                Self::ALL.into_iter().find(|variant| variant.as_str() == word).ok_or(ParseError)
            }
        }

        impl fmt::Display for $enum {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

// The variants stand in the order in which a webhook can reach these statuses. The counters and the bulk
// resends rely on this order.
words! { WebhookStatus: 5;
    Created = "created",
    Scheduled = "scheduled",
    Dispatched = "dispatched",
    Delivered = "delivered",
    Failed = "failed",
}

words! { Outcome: 9;
    Delivered = "delivered",
    Refused = "refused",
    Timeout = "timeout",
    Tls = "tls",
    Dns = "dns",
    BlockedAddress = "blocked_address",
    Protocol = "protocol",
    Interrupted = "interrupted",
    Rejected = "rejected",
}

words! { DueReason: 7;
    Delay = "delay",
    Retry = "retry",
    RetryAfter = "retry_after",
    Interrupted = "interrupted",
    LocalTrouble = "local_trouble",
    Resend = "resend",
    Breaker = "breaker",
}

words! { FailureReason: 6;
    Cancelled = "cancelled",
    Expired = "expired",
    Gone = "gone",
    RetriesExhausted = "retries_exhausted",
    RetryDisabled = "retry_disabled",
    UnusableUrl = "unusable_url",
}

/// Hides the URL, the headers and the payload in debug output. The URL and the headers may contain
/// credentials, and the payload belongs to the customer.
impl fmt::Debug for DueWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DueWebhook")
            .field("id", &self.id)
            .field("account", &self.account)
            .field("authority", &self.authority)
            .field("expires_at_ms", &self.expires_at_ms)
            .finish_non_exhaustive()
    }
}
