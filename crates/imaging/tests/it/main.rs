//! Everything the crate promises, through its public face.

mod geometry;
mod operations;
