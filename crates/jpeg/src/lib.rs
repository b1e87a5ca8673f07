//! A JPEG (ITU-T T.81) decoder and encoder, optimised for making small images from large photographs.
//!
//! The decoder can reduce an image to 1/8 … 8/8 of its size. The decoder computes the pixels of the reduced
//! image from only those DCT coefficients on which these pixels depend, and skips all other coefficients.
//! Baseline files are decoded one row of MCUs at a time, so that the decoder needs little memory besides the
//! pixels of the result. This crate handles samples only: the caller interprets metadata (ICC profile,
//! orientation, colour transform).
//!
//! As in other JPEG libraries, damaged or missing data after the start of the first scan is not an error. The
//! decoder returns the image up to the damage and sets [`Outcome::damaged`].

mod decode;
mod encode;
mod simd;
mod tables;

pub use self::decode::{Coding, Colour, Component, Decoder, EntropyCoding, Frame, Outcome, Scale};
pub use self::encode::{Effort, Options, encode, quantisation_tables};

/// The reason why a file cannot be decoded or encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file violates the format.
    #[error("{0}")]
    Corrupt(&'static str),
    /// The file or the arguments need a feature of the JPEG standard that this crate does not implement.
    #[error("{0}")]
    Unsupported(&'static str),
}
