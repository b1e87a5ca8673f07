//! Everything the crate promises, through its public face.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod damage;
mod decoding;
mod encoding;
mod pictures;
mod reduced;
