//! JPEG (ITU-T T.81) in Rust, made for one job: large photographs become small pictures.
//!
//! Decoding to eighths of the size computes only the pixels of the reduced picture, from the coefficients it needs;
//! the others are skipped without being looked at. Baseline files are decoded a row of blocks at a time, so that the
//! memory used is that of the result. What metadata says (profiles, orientation, colour transform) is the caller's
//! business: this crate knows samples.
//!
//! What is damaged or missing in a file does not stop it from being decoded, as with the common libraries: the picture
//! is as good as the data.

mod decode;
mod encode;
mod tables;
mod vectors;

pub use self::decode::{Coding, Colour, Component, Decoder, Frame, Outcome, Scale};
pub use self::encode::{Options, encode};

/// Why there is no picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes make no sense.
    #[error("{0}")]
    Corrupt(&'static str),
    /// A process or precision of the standard that is not built here.
    #[error("{0}")]
    Unsupported(&'static str),
}
