//! Everything the crate promises, through its public face.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod animation;
mod bitmaps;
mod color;
mod corpus;
mod effort;
mod faces;
mod facts;
mod formats;
mod geometry;
mod hostile;
mod limits;
mod metadata;
mod modern;
mod operations;
mod orientation;
mod output;
mod pictures;
mod psd;
mod second_decoders;
mod svg;
mod tiff;
mod video;
