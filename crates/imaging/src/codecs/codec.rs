//! What a decoder and an encoder are. A decoder delivers composed frames and an encoder takes them, so that
//! one frame is in memory at a time, however long the animation is.

use crate::color::Raster;
use crate::format::Format;
use crate::geometry::Size;
use crate::info::ImageInfo;
use crate::metadata::Metadata;
use crate::orientation::Orientation;
use crate::rows::Rows;
use crate::{Error, Image, Limits, Scratch};

/// What a decoder reads from a file before it decodes the first pixel.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    /// Size, colours and number of frames.
    pub(crate) info: ImageInfo,
    /// How to turn and mirror the frames so that they are upright.
    pub(crate) orientation: Orientation,
    /// The embedded ICC profile.
    pub(crate) profile: Option<Vec<u8>>,
    /// EXIF and XMP.
    pub(crate) metadata: Metadata,
    /// How many times an animation plays; `None`: endlessly.
    pub(crate) plays: Option<u16>,
    /// Defects that the decoder tolerated, as sentences for the caller of the API. Decoding can add warnings.
    pub(crate) warnings: Vec<String>,
}

/// One frame of an animation, or the picture of a file with a single picture.
#[derive(Debug)]
pub(crate) struct Frame {
    /// The whole canvas after this frame was composed onto it.
    pub(crate) raster: Raster,
    /// How long the frame is shown, in milliseconds.
    pub(crate) delay_ms: u32,
}

/// A decoder of one file. Opening a decoder reads headers only; memory for pixels is allocated by the first
/// call of [`Decode::next_frame`].
pub(crate) trait Decode {
    /// What was read before the first pixel.
    fn header(&self) -> &Header;

    /// Allows the decoder to deliver frames that are smaller than the header says, but not smaller than
    /// `needed`, a size before orientation. Called at most once, before the first frame. A decoder that
    /// cannot save work by it does nothing.
    fn reduce_to(&mut self, _needed: Size) {}

    /// The width and height of the picture inside a frame that [`Decode::reduce_to`] made smaller, in pixels
    /// of the frame. The numbers have a fraction where the last column or row stands for fewer pixels of the
    /// file than the others do. `None`: the picture fills the frame.
    fn reduced_size(&self) -> Option<(f64, f64)> {
        None
    }

    /// The only picture row by row, if the decoder can deliver rows. Must be called before the first frame;
    /// then no frame may be requested.
    fn rows(&mut self) -> Result<Option<Box<dyn Rows + '_>>, Error> {
        Ok(None)
    }

    /// The next frame, or `None` after the last one. All frames have the size in the header, or the smaller
    /// size that [`Decode::reduce_to`] led to.
    fn next_frame(&mut self, scratch: &mut Scratch) -> Result<Option<Frame>, Error>;
}

/// A function that opens a decoder for a file of a known format.
pub(super) type OpenDecoder = for<'a> fn(Format, &'a [u8], &Limits) -> Result<Box<dyn Decode + 'a>, Error>;

/// An encoded file.
#[derive(Debug)]
pub(crate) struct Encoded {
    /// Size, colours and number of frames.
    pub(crate) info: ImageInfo,
    /// The bytes of the file.
    pub(crate) bytes: Vec<u8>,
}

/// An encoder of one file.
pub(crate) trait Encode {
    /// Adds a frame, shown for `delay_ms` milliseconds. All frames have the same size.
    fn push(&mut self, image: Image, delay_ms: u32, scratch: &mut Scratch) -> Result<(), Error>;

    /// Finishes the file. At least one frame must have been pushed.
    fn finish(self: Box<Self>, scratch: &mut Scratch) -> Result<Encoded, Error>;
}

/// What an encoder must know about the frames before the first one arrives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sequence {
    /// The largest possible number of frames.
    pub(crate) n_frames: u32,
    /// How many times the animation plays; `None`: endlessly.
    pub(crate) plays: Option<u16>,
    /// Whether a later frame can have alpha where the first frame has none.
    pub(crate) alpha: bool,
}

impl Sequence {
    /// The sequence of a single picture.
    pub(crate) const STILL: Self = Self { n_frames: 1, plays: Some(1), alpha: false };
}
