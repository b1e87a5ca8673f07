//! Writes MP4 (ISO/IEC 14496-12 and -15) with H.264 High, 4:2:0, BT.709, which every player supports.
//! OpenH264 codes the pictures. OpenH264 is a C++ library, but no byte of an input file reaches the library:
//! its only input is pixels from this crate. `boxes.rs` writes the boxes. This build does not read MP4.
//!
//! A video with 4:2:0 must have even sides, and OpenH264 needs at least 16 pixels on a side. If a side of the
//! picture is odd or shorter than 16 pixels, the last column or row is repeated. The file information states
//! the size after this enlargement.

mod boxes;
mod h264;
mod planes;

use self::boxes::Movie;
use self::h264::Coder;
use self::planes::Planes;
use super::codec::{Encode, Encoded};
use super::pixel_format::with_channels;
use super::video;
use crate::format::Format;
use crate::plan::Output;
use crate::{Channels, Error, Image, Scratch};

/// The quality that is used if `output.quality` is not set. This quality gives the quantiser 24, which is
/// close to 23, the usual quantiser for H.264.
const DEFAULT_QUALITY: u8 = 70;

fn failed(reason: &str) -> Error {
    Error::Encode { format: "MP4", reason: reason.to_owned() }
}

/// The encoder of an MP4 file.
pub(super) struct Encoder {
    output: Output,
    /// The encoder of the pictures, and the file that is written. Both are created when the first frame
    /// arrives, because this frame determines the size of the video.
    started: Option<(Coder, Movie)>,
}

impl Encoder {
    /// Creates an encoder that has not received a frame yet.
    pub(super) fn new(output: &Output) -> Self {
        Self { output: *output, started: None }
    }

    fn quality(&self) -> u8 {
        self.output.quality.unwrap_or(DEFAULT_QUALITY)
    }
}

impl Encode for Encoder {
    fn push(&mut self, image: Image, delay_ms: u32, scratch: &mut Scratch) -> Result<(), Error> {
        let quality = self.quality();
        let (coder, movie) = match &mut self.started {
            Some(started) => started,
            None => {
                let (width, height) = planes::size(image.width(), image.height());
                let coder = Coder::new(width, height, quality, self.output.effort)?;
                self.started.insert((coder, Movie::new(width, height)))
            }
        };
        let image = with_channels(image, Channels::Rgb, scratch);
        let planes = Planes::of(&image, scratch);
        scratch.give(image.into_data());
        let is_key = coder.encode(&planes, movie);
        scratch.give(planes.into_data());
        movie.end_sample(is_key?, video::duration_ms(delay_ms))
    }

    fn finish(self: Box<Self>, _scratch: &mut Scratch) -> Result<Encoded, Error> {
        let quality = self.quality();
        let (coder, movie) = self.started.expect("a frame was pushed before the end");
        let (size, n_frames) = (movie.size(), movie.n_samples());
        let bytes = movie.finish(coder.parameters())?;
        Ok(Encoded { info: video::describe(Format::Mp4, size, quality, n_frames), bytes })
    }
}
