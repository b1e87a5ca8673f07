//! Writing MP4 (ISO/IEC 14496-12 and -15): H.264 High, 4:2:0, BT.709, playable everywhere. The pictures are coded by
//! OpenH264, a C++ library that sees only our own pixels; the boxes around them are written here. Nothing is read.
//!
//! 4:2:0 has whole pairs of rows and columns only, and OpenH264 nothing below 16 pixels: a picture of an odd or smaller
//! side gets its last column or row again until it fits, and the facts say the size that results.

mod boxes;
mod h264;
mod planes;

use self::boxes::Movie;
use self::h264::Coder;
use self::planes::Planes;
use super::{Encode, Encoded, video, with_channels};
use crate::plan::{Format, Output};
use crate::{Channels, Error, Image, Scratch};

/// Comes to a quantiser of 24, next to the usual choice of 23 for H.264.
const DEFAULT_QUALITY: u8 = 70;

fn failed(reason: &str) -> Error {
    Error::Encode { format: "MP4", reason: reason.to_owned() }
}

/// A file being written.
pub(super) struct Encoder {
    output: Output,
    /// Begun with the first frame, whose size is that of all.
    begun: Option<(Coder, Movie)>,
}

impl Encoder {
    /// A file without frames.
    pub(super) fn new(output: &Output) -> Self {
        Self { output: *output, begun: None }
    }

    fn quality(&self) -> u8 {
        self.output.quality.unwrap_or(DEFAULT_QUALITY)
    }
}

impl Encode for Encoder {
    fn push(&mut self, image: Image, delay_ms: u32, scratch: &mut Scratch) -> Result<(), Error> {
        let quality = self.quality();
        let (coder, movie) = match &mut self.begun {
            Some(begun) => begun,
            None => {
                let (width, height) = planes::size(image.width(), image.height());
                let coder = Coder::new(width, height, quality, self.output.effort)?;
                self.begun.insert((coder, Movie::new(width, height)))
            }
        };
        let image = with_channels(image, Channels::Rgb, scratch);
        let planes = Planes::of(&image, scratch);
        scratch.give(image.into_data());
        let coded = coder.encode(&planes, movie);
        scratch.give(planes.into_data());
        movie.end_sample(coded?, video::shown_ms(delay_ms))
    }

    fn finish(self: Box<Self>, _scratch: &mut Scratch) -> Result<Encoded, Error> {
        let quality = self.quality();
        let (coder, movie) = self.begun.expect("a frame was pushed before the end");
        let (size, n_frames) = (movie.size(), movie.n_samples());
        let bytes = movie.finish(coder.parameters())?;
        Ok(Encoded { description: video::describe(Format::Mp4, size, quality, n_frames), bytes })
    }
}
