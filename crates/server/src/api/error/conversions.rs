//! Converts errors of other modules, such as the ledger or the image pipeline, into errors of the API:
//! chooses the kind of each error and the message for the client.

use pixaven_net::{EncodingError, NetError, TooManyPieces};

use super::{ApiError, ErrorKind};
use crate::delivery::TestDeliveryError;
use crate::runtime::blocking::ComputationError;
use crate::work::error::{Cause, ImageError, ImageFault, LimitExceeded, WorkError};
use crate::work::memory_budget::BudgetExceeded;
use crate::work::request::RequestError;
use crate::work::store_failure::StoreFailure;

const OVERLOADED: &str = "too many images are waiting already; try again in a moment";

impl From<WorkError> for ApiError {
    fn from(error: WorkError) -> Self {
        match error {
            WorkError::Request(error) => error.into(),
            WorkError::UnknownWatermark { id } => {
                Self::invalid(format!("watermark.id {id:?} is no watermark of this account"))
            }
            WorkError::TooManyWatermarks { max } => Self::invalid(format!(
                "an account may keep {max} watermarks (the setting `watermarks.account_count`), and this one does; remove one first"
            )),
            WorkError::TooManyWatermarkBytes { max } => Self::invalid(format!(
                "the watermarks of an account may have {max} bytes together (the setting `watermarks.account_bytes`); with this one they would have more"
            )),
            WorkError::EmptyImage => {
                Self::new(ErrorKind::FormatUnsupported, "the image is empty: it has 0 bytes")
            }
            WorkError::Image(error) => error.into(),
            WorkError::LimitExceeded(exceeded) => exceeded.into(),
            WorkError::Fetch { attribute, source } => fetch_failed(attribute, source),
            WorkError::Store(failure) => store_failed(failure),
            WorkError::Overloaded => Self::new(ErrorKind::Overloaded, OVERLOADED),
            WorkError::LongQueue { wait } => Self::new(ErrorKind::Overloaded, OVERLOADED).retry_after(wait),
            WorkError::StorageWrite(cause) => unavailable("store files", cause),
            WorkError::StorageRead(cause) => unavailable("read its files", cause),
            WorkError::WorkerStart(cause) => unavailable("process images", cause),
            WorkError::Ledger(error) => error.into(),
            WorkError::WorkerCrashed(detail) => Self::new(
                ErrorKind::ProcessingFailed,
                "the image could not be processed: its worker ended unexpectedly",
            )
            .with_source(detail),
            WorkError::Internal(cause) => Self::internal(cause),
        }
    }
}

impl From<RequestError> for ApiError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Malformed(text) => Self::new(ErrorKind::MalformedRequest, text),
            RequestError::Invalid(text) => Self::invalid(text),
        }
    }
}

impl From<ComputationError> for ApiError {
    fn from(error: ComputationError) -> Self {
        Self::internal(error)
    }
}

impl From<TooManyPieces> for ApiError {
    fn from(error: TooManyPieces) -> Self {
        Self::new(ErrorKind::MalformedRequest, error.to_string())
    }
}

impl From<BudgetExceeded> for ApiError {
    fn from(BudgetExceeded: BudgetExceeded) -> Self {
        Self::new(ErrorKind::Overloaded, OVERLOADED)
    }
}

impl From<pixaven_ledger::Error> for ApiError {
    fn from(error: pixaven_ledger::Error) -> Self {
        if let pixaven_ledger::Error::WrongStatus(_) = error {
            return Self::new(ErrorKind::Conflict, error.to_string());
        }
        unavailable("take work", error)
    }
}

impl From<ImageError> for ApiError {
    fn from(ImageError { fault, message }: ImageError) -> Self {
        let kind = match fault {
            ImageFault::UnknownFormat => ErrorKind::FormatUnsupported,
            ImageFault::Corrupt => ErrorKind::ImageCorrupt,
            ImageFault::Truncated => ErrorKind::ImageTruncated,
            ImageFault::TooLarge => ErrorKind::ImageTooLarge,
            // A watermark of an unknown format gets status 422 and not 415, because a client would take
            // status 415 as a statement about the input image and not about the watermark.
            ImageFault::ImpossiblePlan | ImageFault::UnusableWatermark => ErrorKind::InvalidRequest,
            ImageFault::Encoder => return Self::internal(message),
        };
        Self::new(kind, message)
    }
}

impl From<LimitExceeded> for ApiError {
    fn from(exceeded: LimitExceeded) -> Self {
        match exceeded {
            LimitExceeded::Memory { max_bytes } => {
                let max_mib = max_bytes >> 20;
                Self::new(
                    ErrorKind::ProcessingFailed,
                    format!(
                        "processing this image takes more than the {max_mib} MiB of memory one image may use (the setting `images.memory_bytes`)"
                    ),
                )
            }
            LimitExceeded::CpuTime { max } => {
                let max_s = max.as_secs_f32();
                Self::new(
                    ErrorKind::ProcessingTimeout,
                    format!(
                        "processing this image takes more than the {max_s} s of CPU time one image may use (the setting `images.cpu_s`)"
                    ),
                )
            }
            LimitExceeded::WallTime { max } => {
                let max_s = max.as_secs_f32();
                Self::new(
                    ErrorKind::ProcessingTimeout,
                    format!(
                        "processing this image takes more than the {max_s} s one image may take (the setting `images.wall_s`)"
                    ),
                )
            }
        }
    }
}

impl From<TestDeliveryError> for ApiError {
    fn from(error: TestDeliveryError) -> Self {
        match error {
            TestDeliveryError::TooManyTests => {
                Self::new(ErrorKind::Overloaded, "too many addresses are being tried out already")
            }
            TestDeliveryError::SigningKeys(error) => Self::internal(error),
            TestDeliveryError::LocalTrouble(error) => {
                Self::new(ErrorKind::Unavailable, net_error_text(&error)).with_source(error)
            }
        }
    }
}

fn unavailable(action: &str, cause: impl Into<Cause>) -> ApiError {
    let message = format!("the server cannot {action} at the moment; try again later");
    ApiError::new(ErrorKind::Unavailable, message).with_source(cause)
}

/// Creates the failure for an image or a watermark that could not be fetched. `attribute` is the attribute of
/// the request that contains the URL.
fn fetch_failed(attribute: &str, error: NetError) -> ApiError {
    let kind = match error {
        NetError::Local(_) | NetError::Proxy(_) => ErrorKind::Unavailable,
        NetError::OutOfMemoryBudget => ErrorKind::Overloaded,
        NetError::TooLarge { .. } | NetError::Encoding(EncodingError::Ratio { .. }) => {
            ErrorKind::BodyTooLarge
        }
        NetError::Encoding(_)
        | NetError::TooManyPieces(_)
        | NetError::Status(_)
        | NetError::TooManyRedirects { .. } => ErrorKind::SourceRefused,
        NetError::InvalidUrl(_) => ErrorKind::InvalidRequest,
        NetError::BlockedAddress { .. }
        | NetError::Dns(_)
        | NetError::Refused(_)
        | NetError::Timeout
        | NetError::Tls(_)
        | NetError::Protocol(_)
        | NetError::ProtocolSwitch => ErrorKind::SourceUnreachable,
    };
    ApiError::new(kind, format!("{attribute}: {}", net_error_text(&error))).with_source(error)
}

/// Creates the failure for a result that was not stored in the bucket of the customer.
fn store_failed(failure: StoreFailure) -> ApiError {
    match failure {
        StoreFailure::Refused(reason) => ApiError::new(ErrorKind::StoreRefused, format!("store: {reason}")),
        StoreFailure::Unavailable(reason) => {
            ApiError::new(ErrorKind::StoreUnreachable, format!("store: {reason}"))
        }
        StoreFailure::Unreachable(error) => {
            let kind = match error {
                NetError::Local(_) | NetError::Proxy(_) => ErrorKind::Unavailable,
                _ => ErrorKind::StoreUnreachable,
            };
            ApiError::new(kind, format!("store: {}", net_error_text(&error))).with_source(error)
        }
    }
}

/// Returns the message for the client about a failed connection. The message about a blocked address names
/// the setting that forbids the address. With the setting `network.terse`, a blocked address and a closed
/// port get the same message, because a client could otherwise use this server to map the network around it.
pub(in crate::api) fn net_error_text(error: &NetError) -> String {
    match error {
        NetError::BlockedAddress { rule, is_terse: false } => {
            format!("the address policy of this server forbids a connection to the host: {rule}")
        }
        NetError::BlockedAddress { is_terse: true, .. } | NetError::Refused(_) => {
            "the host could not be reached".to_owned()
        }
        NetError::Dns(_) => "the host name could not be resolved".to_owned(),
        NetError::Timeout => "the host did not answer in time".to_owned(),
        NetError::Tls(failure) => {
            format!("no secure connection to the host could be made: {}", failure.reason())
        }
        NetError::Protocol(_) | NetError::ProtocolSwitch => {
            "the host hung up or answered something that is not HTTP".to_owned()
        }
        NetError::TooLarge { limit_bytes } => {
            format!("the answer has more than {limit_bytes} bytes (the setting `limits.body_bytes`)")
        }
        NetError::TooManyPieces(error) => format!("the answer of the host cannot be read: {error}"),
        NetError::Encoding(error) => format!("the answer of the host cannot be decoded: {error}"),
        NetError::OutOfMemoryBudget => "the server has no room for the image at the moment".to_owned(),
        NetError::Status(status) => format!("the host answered with status {status}"),
        NetError::TooManyRedirects { limit } => {
            format!("the host redirected more than {limit} times (the setting `fetch.redirects`)")
        }
        NetError::InvalidUrl(reason) => (*reason).to_owned(),
        NetError::Local(_) => "the server could not open a connection at the moment".to_owned(),
        NetError::Proxy(_) => "the server could not use its proxy at the moment".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind::ConnectionRefused;

    use pixaven_net::BlockedBy;

    use super::*;

    #[test]
    fn the_errors_for_a_closed_port_and_a_blocked_address_are_equal_only_if_network_terse_is_true() {
        let closed = NetError::Refused(ConnectionRefused.into());
        for rule in [BlockedBy::Address, BlockedBy::Deny, BlockedBy::Port(22)] {
            let text = |is_terse| net_error_text(&NetError::BlockedAddress { rule, is_terse });
            assert_eq!(net_error_text(&closed), text(true));
            assert!(text(false).starts_with("the address policy of this server forbids"), "{}", text(false));
            assert!(text(false).contains("`network."), "the text names the setting: {}", text(false));
        }
    }
}
