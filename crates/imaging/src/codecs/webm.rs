//! Writing WebM: VP8 (RFC 6386), 4:2:0, BT.601 as the format has it. Nothing is read.
//!
//! Every picture is coded by itself, by libwebp, whose lossy pictures are VP8 key frames; one that equals its
//! predecessor becomes a frame of a few bytes that changes nothing. See ADR 0008 for why it is not AV1.

mod ebml;
mod matroska;
mod tables;
mod unchanged;

use self::matroska::{Block, Movie};
use super::{Encode, Encoded, video, webp, with_channels};
use crate::plan::{Format, Output};
use crate::{Channels, Error, Image, Scratch};

/// Lower than for a still picture: nobody looks at a frame for long, and all are coded in full.
const DEFAULT_QUALITY: u8 = 65;

/// A file being written.
pub(super) struct Encoder {
    output: Output,
    /// Begun with the first frame, whose size is that of all.
    movie: Option<Movie>,
    /// The pixels of the frame before.
    last: Option<Image>,
}

impl Encoder {
    /// A file without frames.
    pub(super) fn new(output: &Output) -> Self {
        Self { output: *output, movie: None, last: None }
    }

    fn quality(&self) -> u8 {
        self.output.quality.unwrap_or(DEFAULT_QUALITY)
    }
}

impl Encode for Encoder {
    fn push(&mut self, image: Image, delay_ms: u32, scratch: &mut Scratch) -> Result<(), Error> {
        let quality = self.quality();
        let image = with_channels(image, Channels::Rgb, scratch);
        let (width, height) = (image.width(), image.height());
        let key = self.last.as_ref() != Some(&image);
        let data = if key {
            webp::key_frame(&image, quality, Format::Webm)?
        } else {
            unchanged::frame(width, height)
        };
        if let Some(last) = self.last.replace(image) {
            scratch.give(last.into_data());
        }
        let movie = self.movie.get_or_insert_with(|| Movie::new(width, height));
        movie.push(Block { data, key, shown_ms: video::shown_ms(delay_ms) });
        Ok(())
    }

    fn finish(self: Box<Self>, scratch: &mut Scratch) -> Result<Encoded, Error> {
        let quality = self.quality();
        let movie = self.movie.expect("a frame was pushed before the end");
        if let Some(last) = self.last {
            scratch.give(last.into_data());
        }
        let description = video::describe(Format::Webm, movie.size(), quality, movie.n_blocks());
        Ok(Encoded { description, bytes: movie.finish() })
    }
}
