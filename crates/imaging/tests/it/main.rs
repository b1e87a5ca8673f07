//! Integration tests of the public API of the crate.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod animation;
mod bmp_ico;
mod color;
mod corpus;
mod effort;
mod faces;
mod facts;
mod formats;
mod geometry;
mod helpers;
mod hidden_color;
mod jpeg;
mod layers;
mod limits;
mod malformed;
mod memory;
mod metadata;
mod modern;
mod operations;
mod orientation;
mod output;
mod probe;
mod psd;
mod quantised;
mod reduced_decoding;
mod scores;
mod second_decoders;
mod svg;
mod tiff;
mod truncated;
mod video;
