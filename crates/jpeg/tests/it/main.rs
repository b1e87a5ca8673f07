//! Integration tests of the public API of the JPEG crate.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod coded;
mod coding_processes;
mod colour;
mod damage;
mod decoding;
mod encoding;
mod helpers;
mod intervals;
mod large;
mod reduced;
