//! Writes WebM with VP8 (RFC 6386), 4:2:0, BT.601. VP8 allows no other chroma subsampling and no other
//! matrix. This build does not read WebM.
//!
//! libwebp codes every picture as a key frame, because a lossy WebP picture is a VP8 key frame. A picture
//! that equals the previous picture is coded as an interframe of a few bytes, which repeats the previous
//! picture. ADR 0008 says why the codec is not AV1.

mod ebml;
mod matroska;
mod tables;
mod unchanged_frame;

use self::matroska::{Block, Movie};
use super::codec::{Encode, Encoded};
use super::pixel_format::with_channels;
use super::{video, webp};
use crate::format::Format;
use crate::plan::Output;
use crate::{Channels, Error, Image, Scratch};

/// The quality that is used if `output.quality` is not set. It is lower than the quality of a still WebP
/// picture, because a frame is visible only for a short time, and because a changed frame is always coded as
/// a key frame, which needs many bytes.
const DEFAULT_QUALITY: u8 = 65;

/// The encoder of a WebM file.
pub(super) struct Encoder {
    output: Output,
    /// The file. It is created when the first frame arrives, because this frame determines the size of the
    /// video.
    movie: Option<Movie>,
    /// The frame that was pushed last. `None` before the first frame.
    previous: Option<Image>,
}

impl Encoder {
    /// Creates an encoder that has not received a frame yet.
    pub(super) fn new(output: &Output) -> Self {
        Self { output: *output, movie: None, previous: None }
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
        let key = self.previous.as_ref() != Some(&image);
        let data = if key {
            webp::key_frame(&image, quality, Format::Webm)?
        } else {
            unchanged_frame::encode(width, height)
        };
        if let Some(previous) = self.previous.replace(image) {
            scratch.give(previous.into_data());
        }
        let movie = self.movie.get_or_insert_with(|| Movie::new(width, height));
        movie.push(Block { data, key, duration_ms: video::duration_ms(delay_ms) });
        Ok(())
    }

    fn finish(self: Box<Self>, scratch: &mut Scratch) -> Result<Encoded, Error> {
        let quality = self.quality();
        let movie = self.movie.expect("a frame was pushed before the end");
        if let Some(previous) = self.previous {
            scratch.give(previous.into_data());
        }
        let info = video::describe(Format::Webm, movie.size(), quality, movie.n_blocks());
        Ok(Encoded { info, bytes: movie.finish() })
    }
}
