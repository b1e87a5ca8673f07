//! The image processing of pixaven: takes the bytes of an image and a [`Plan`], and returns the bytes of
//! another image, together with information about both images.
//!
//! This crate neither does I/O nor reads a clock, the environment or a random source. Memory for pixels is
//! allocated only after [`Limits`] allowed the size. The caller decides where the bytes come from and in
//! which process this crate runs.
//!
//! # Layers
//!
//! A module may use only the modules on the lines above it and the modules to its left on the same line. A
//! module and its submodules count as one module.
//!
//! ```text
//! truncation          error     limits    fonts
//! image     alpha     scratch   bytes     isobmff
//! format    plan      geometry
//! color     orientation         rows      info      metadata            probe
//! codecs    operations          faces
//! process
//! ```

mod alpha;
mod bytes;
mod codecs;
mod color;
pub mod error;
mod faces;
pub mod fonts;
mod format;
pub mod geometry;
pub mod image;
pub mod info;
mod isobmff;
pub mod limits;
mod metadata;
pub mod operations;
mod orientation;
pub mod plan;
pub mod probe;
mod process;
mod rows;
mod scratch;
pub mod truncation;

pub use codecs::quality_scale::encoder_setting;
pub use error::Error;
pub use format::{Format, sniff};
pub use image::{Channels, Image};
pub use info::{Colorspace, FileInfo};
pub use limits::Limits;
pub use plan::Plan;
pub use process::{Input, Processed, encode, encode_animation, process};
pub use scratch::Scratch;
pub use truncation::{TruncatedInput, Truncation};
