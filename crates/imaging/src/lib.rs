//! The pixel half of pixaven: the bytes of an image and a [`Plan`] go in, the bytes of another image and the
//! facts about both come out.
//!
//! Nothing here does I/O, reads a clock, the environment or a random source, and nothing allocates pixels before
//! [`Limits`] allowed it. What calls this crate decides where the bytes come from and in which process it runs.

mod codecs;
mod color;
pub mod error;
mod faces;
pub mod facts;
mod format;
pub mod geometry;
pub mod image;
pub mod limits;
mod metadata;
pub mod operations;
mod orientation;
pub mod plan;
mod process;
mod rows;
mod scratch;

pub use error::Error;
pub use facts::{Colorspace, Facts};
pub use format::sniff;
pub use image::{Channels, Image};
pub use limits::Limits;
pub use plan::{Format, Plan};
pub use process::{Input, Processed, encode, encode_animation, process};
pub use scratch::Scratch;
