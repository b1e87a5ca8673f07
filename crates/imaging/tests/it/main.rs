//! Everything the crate promises, through its public face.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod animation;
mod color;
mod corpus;
mod facts;
mod formats;
mod geometry;
mod hostile;
mod operations;
mod orientation;
mod pictures;
mod reduced;
