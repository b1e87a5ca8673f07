//! Integration tests of the public API of the JPEG crate.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod damage;
mod decoding;
mod encoding;
mod helpers;
mod reduced;
