//! A JPEG (ITU-T T.81) decoder and encoder, optimised for making small images from large photographs.
//!
//! The decoder can reduce an image to 1/8 … 8/8 of its size. It computes only the pixels of the reduced
//! image, from the coefficients that these pixels depend on, and skips all other coefficients. Baseline files
//! are decoded one row of MCUs at a time, so that memory use is that of the result. This crate handles
//! samples only: the caller interprets metadata (ICC profile, orientation, colour transform).
//!
//! Damaged or missing data is not an error after the first scan, as in other JPEG libraries: the decoder
//! returns the image as far as the data goes and sets [`Outcome::damaged`].

mod decode;
mod encode;
mod simd;
mod tables;

pub use self::decode::{Coding, Colour, Component, Decoder, Frame, Outcome, Scale};
pub use self::encode::{Options, encode};

/// Why a file cannot be decoded or encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file violates the format.
    #[error("{0}")]
    Corrupt(&'static str),
    /// The file or the arguments need a part of the standard that this crate does not implement.
    #[error("{0}")]
    Unsupported(&'static str),
}
