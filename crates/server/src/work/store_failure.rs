//! The reasons why a result was not stored in the bucket that a request names.

use pixaven_net::NetError;

/// The reason why an object was not stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreFailure {
    /// The provider refused the object. A repetition would be refused as well.
    #[error("the bucket refuses the result: {0}")]
    Refused(String),
    /// The provider failed or asked for a pause. The same request can succeed later.
    #[error("the bucket cannot take the result at the moment: {0}")]
    Unavailable(String),
    /// The provider could not be reached.
    #[error("the bucket cannot be reached")]
    Unreachable(#[source] NetError),
}

impl StoreFailure {
    /// Returns whether the same request can succeed later.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Refused(_) => false,
            Self::Unavailable(_) => true,
            Self::Unreachable(error) => match error {
                // If the answer hides which addresses are blocked, a blocked address takes as long as a closed
                // port.
                NetError::BlockedAddress { is_terse, .. } => *is_terse,
                NetError::InvalidUrl(_) | NetError::Tls(_) => false,
                _ => true,
            },
        }
    }
}
