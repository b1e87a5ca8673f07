//! Webhooks: their statuses, the content of an attempt, and the results of attempts.

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
    /// The receiver accepted the webhook.
    Delivered,
    /// The webhook failed, and no further attempt follows.
    Failed,
}

/// A webhook whose next attempt is due, with the data that the attempt needs.
#[derive(Clone, PartialEq, Eq)]
pub struct DueWebhook {
    /// The id of the request. Every attempt sends the same id.
    pub id: Uuid,
    /// The account of the request.
    pub account: AccountId,
    /// The whole URL, including credentials.
    pub url: String,
    /// The host and port of the URL.
    pub authority: Authority,
    /// The headers to send, in order.
    pub headers: Vec<(String, String)>,
    /// The exact body to send.
    pub payload: String,
    /// Whether a failed attempt is retried.
    pub retry: bool,
    /// The time at which the request was accepted.
    pub created_ms: i64,
    /// The time at which processing ended.
    pub finished_ms: i64,
    /// The time from which on no attempt starts: the due time of the first attempt plus the request's
    /// `expires`. For an ended webhook that was resent, it is the time of the resend plus `expires`.
    pub expires_at_ms: Option<i64>,
    /// The number of earlier attempts that count against the retry schedule. Interrupted attempts do not
    /// count.
    pub n_counted_attempts: u32,
    /// Whether the attempt uses the send capacity for retries. This is so if an earlier attempt counts
    /// against the retry schedule, or if a user resent the webhook after it had ended.
    pub is_retry: bool,
}

/// One attempt at sending a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The time at which the attempt started.
    pub started_ms: i64,
    /// The duration in milliseconds, including the time to read the response body.
    pub duration_ms: u32,
    /// How the attempt ended.
    pub outcome: Outcome,
    /// The HTTP status of the response, if there was a response.
    pub status: Option<u16>,
    /// The IP address and port that the attempt connected to.
    pub address: Option<String>,
    /// The durations of the attempt's phases.
    pub timings: Timings,
    /// The first KiB of the response body, as text.
    pub response: Option<String>,
    /// The receiver's `Retry-After` in milliseconds, shortened to the longest wait that the retry schedule
    /// allows.
    pub retry_after_ms: Option<i64>,
}

/// The durations of an attempt's phases in milliseconds. `None` for a phase that did not take place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// The duration of the resolution of the host name.
    pub dns_ms: Option<u32>,
    /// The duration of opening the TCP connection.
    pub connect_ms: Option<u32>,
    /// The duration of the TLS handshake.
    pub tls_ms: Option<u32>,
    /// The duration from the start of the attempt to the first byte of the response.
    pub first_byte_ms: Option<u32>,
}

/// The way in which an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The receiver answered 2xx.
    Delivered,
    /// The connection was refused or reset.
    Refused,
    /// The deadline of the attempt passed before the attempt was complete.
    Timeout,
    /// The TLS handshake failed.
    Tls,
    /// The host name could not be resolved.
    Dns,
    /// The address policy forbids connections to all addresses of the host.
    BlockedAddress,
    /// The response was not valid HTTP.
    Protocol,
    /// This server stopped or lost the lease during the attempt. The receiver may or may not have received
    /// the webhook.
    Interrupted,
    /// The receiver answered with a status other than 2xx.
    Rejected,
}

/// The reason for the due time of the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DueReason {
    /// The attempt is the first one, and is due after the delay that the request specified.
    Delay,
    /// The retry schedule determines the due time.
    Retry,
    /// The receiver sent `Retry-After`.
    RetryAfter,
    /// An attempt was interrupted, so another attempt follows at once.
    Interrupted,
    /// An error on this machine prevented the attempt.
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
    /// The last attempt of the retry schedule failed.
    RetriesExhausted,
    /// An attempt failed, and the request allows no retry.
    RetryDisabled,
    /// The URL cannot be used for a request.
    UnusableUrl,
}

/// The way in which an attempt changes its webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// The receiver accepted the webhook. No attempt follows.
    Delivered,
    /// Another attempt follows.
    Retry {
        /// The due time of the next attempt.
        due_ms: i64,
    },
    /// The webhook failed. No attempt follows, unless a user resends the webhook.
    Failed {
        /// Why the webhook failed.
        reason: FailureReason,
    },
}

/// A text that is not a valid value of the type it was parsed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown word")]
pub struct ParseError;

/// Defines the word of each variant of an enum, as the API and the database write it.
macro_rules! words {
    ($enum:ident: $n:literal; $($variant:ident = $word:literal),+ $(,)?) => {
        impl $enum {
            /// Every variant.
            pub const ALL: [Self; $n] = [$(Self::$variant),+];

            /// The variant's word in the API and in the database.
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

// The variants are in the order in which a webhook can reach the statuses. Counters and bulk resends rely on
// this order.
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

/// Hides the URL and the headers, which may contain credentials, and the payload, which belongs to the
/// customer.
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
