//! The traits of decoders and encoders. A decoder delivers one composed frame after the other, and an encoder
//! consumes one frame after the other, so that only one frame is in memory at a time.

use super::memory::DecoderMemory;
use crate::color::Raster;
use crate::fonts::FontSource;
use crate::format::Format;
use crate::geometry::{Size, Window};
use crate::info::ImageInfo;
use crate::metadata::Metadata;
use crate::orientation::Orientation;
use crate::rows::Rows;
use crate::truncation::Truncation;
use crate::{Error, Image, Limits, Scratch};

/// The information that a decoder reads from a file before it decodes the first pixel.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    /// Size, kind of colours, number of frames and other facts about the file.
    pub(crate) info: ImageInfo,
    /// How the frames must be rotated or mirrored before they are shown.
    pub(crate) orientation: Orientation,
    /// The embedded ICC profile.
    pub(crate) profile: Option<Vec<u8>>,
    /// The metadata of the file: EXIF, XMP, and the author and copyright.
    pub(crate) metadata: Metadata,
    /// How many times an animation plays. `None` means that it repeats endlessly.
    pub(crate) plays: Option<u16>,
    /// Defects that the decoder tolerated, as sentences for the caller of the API. The list can grow while
    /// frames are decoded.
    pub(crate) warnings: Vec<String>,
    /// How much of the picture is missing because the file is cut off. The value can change while frames are
    /// decoded, because some decoders notice a missing end only then. The code that uses the decoder reports
    /// the value as a warning or as an error.
    pub(crate) truncation: Option<Truncation>,
}

/// One frame of an animation, or the picture of a file with a single picture.
#[derive(Debug)]
pub(crate) struct Frame {
    /// The whole canvas after this frame was drawn onto the canvas.
    pub(crate) raster: Raster,
    /// How long the frame is shown, in milliseconds.
    pub(crate) delay_ms: u32,
}

/// A decoder of one file. Opening a decoder reads headers only; memory for pixels is allocated by the first
/// call of [`Decode::next_frame`].
pub(crate) trait Decode {
    /// Returns the information that was read before the first pixel was decoded, and the warnings so far.
    fn header(&self) -> &Header;

    /// Allows the decoder to deliver frames that are smaller than the size in the header, but not smaller
    /// than `needed`. `needed` is a size before the orientation is applied. Called at most once, before the
    /// first frame. The default implementation ignores the call, because many decoders cannot save work by
    /// delivering smaller frames.
    fn reduce_to(&mut self, _needed: Size) {}

    /// The width and height of the visible picture inside a frame that [`Decode::reduce_to`] made smaller, in
    /// pixels of that frame. They can be fractions, because a pixel in the last column or row can represent
    /// fewer pixels of the file than the other pixels do. `None` means that the picture fills the frame.
    fn reduced_size(&self) -> Option<(f64, f64)> {
        None
    }

    /// Predicts the memory that the decoder needs, after the call of [`Decode::reduce_to`]. The prediction is an
    /// upper bound for usual files.
    fn memory(&self) -> DecoderMemory;

    /// Decodes the only picture row by row. Returns `None` if the decoder cannot deliver rows. Must be called
    /// before the first frame. If rows were returned, no frame may be requested afterwards.
    fn rows(&mut self) -> Result<Option<Box<dyn Rows + '_>>, Error> {
        Ok(None)
    }

    /// Returns the drawing of a vector format, which can be drawn at any size. `None` if the file consists of
    /// pixels.
    fn drawing(&mut self) -> Option<&mut dyn Draw> {
        None
    }

    /// The next frame, or `None` after the last one. All frames have the same size: the size in the header,
    /// or a smaller size after a call of [`Decode::reduce_to`].
    fn next_frame(&mut self, scratch: &mut Scratch) -> Result<Option<Frame>, Error>;
}

/// A picture of a vector format.
pub(crate) trait Draw {
    /// Draws a part of the picture. `part` is measured in pixels of the size in the header. The result
    /// has the size `to` and colours in sRGB. The caller must check `to` against the limits.
    fn draw(&mut self, part: Window, to: Size, scratch: &mut Scratch) -> Result<Image, Error>;
}

/// The type of a function that opens a decoder for a file of a known format.
pub(super) type OpenDecoder =
    for<'a> fn(Format, &'a [u8], &Limits, Option<&'a dyn FontSource>) -> Result<Box<dyn Decode + 'a>, Error>;

/// An encoded file.
#[derive(Debug)]
pub(crate) struct Encoded {
    /// Size, kind of colours, number of frames and other facts about the file.
    pub(crate) info: ImageInfo,
    /// The bytes of the encoded file.
    pub(crate) bytes: Vec<u8>,
}

/// An encoder of one file.
pub(crate) trait Encode {
    /// Adds a frame, shown for `delay_ms` milliseconds. All frames have the same size.
    fn push(&mut self, image: Image, delay_ms: u32, scratch: &mut Scratch) -> Result<(), Error>;

    /// Returns a sentence for the user if the encoder could not do exactly what the request asks for. Called
    /// once, after the last frame.
    fn warning(&mut self) -> Option<String> {
        None
    }

    /// Finishes the file and returns it. At least one frame must have been pushed before the call.
    fn finish(self: Box<Self>, scratch: &mut Scratch) -> Result<Encoded, Error>;
}

/// The facts about all frames that an encoder needs before the first frame arrives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sequence {
    /// The largest number of frames that the encoder can receive.
    pub(crate) n_frames: u32,
    /// How many times the animation plays. `None` means that it repeats endlessly.
    pub(crate) plays: Option<u16>,
    /// Whether a later frame can have an alpha channel even if the first frame has none.
    pub(crate) alpha: bool,
}

impl Sequence {
    /// Describes the frames of an output that has a single picture.
    pub(crate) const STILL: Self = Self { n_frames: 1, plays: Some(1), alpha: false };
}
