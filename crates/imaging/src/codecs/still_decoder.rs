//! The decoder of a format that holds one picture: such a format implements [`DecodeStill`], and
//! [`StillDecoder`] converts the implementation to a [`Decode`].

use super::codec::{Decode, Draw, Frame, Header};
use super::memory::DecoderMemory;
use crate::color::Raster;
use crate::geometry::Size;
use crate::rows::Rows;
use crate::{Error, Scratch};

/// The decoder of a format that holds one picture. The functions `header`, `reduce_to`, `reduced_size`,
/// `memory`, `rows` and `drawing` have the same meaning as in [`Decode`].
pub(super) trait DecodeStill {
    /// As [`Decode::header`].
    fn header(&self) -> &Header;

    /// As [`Decode::reduce_to`].
    fn reduce_to(&mut self, _needed: Size) {}

    /// As [`Decode::reduced_size`].
    fn reduced_size(&self) -> Option<(f64, f64)> {
        None
    }

    /// As [`Decode::memory`].
    fn memory(&self) -> DecoderMemory;

    /// As [`Decode::rows`].
    fn rows(&mut self) -> Result<Option<Box<dyn Rows + '_>>, Error> {
        Ok(None)
    }

    /// As [`Decode::drawing`].
    fn drawing(&mut self) -> Option<&mut dyn Draw> {
        None
    }

    /// Decodes the picture. This method is called at most once.
    fn decode(&mut self, scratch: &mut Scratch) -> Result<Raster, Error>;
}

/// Delivers the picture of a [`DecodeStill`] as the only frame.
pub(super) struct StillDecoder<D> {
    decoder: D,
    done: bool,
}

impl<D: DecodeStill> StillDecoder<D> {
    /// Wraps a decoder that has not decoded its picture yet.
    pub(super) fn new(decoder: D) -> Self {
        Self { decoder, done: false }
    }
}

impl<D: DecodeStill> Decode for StillDecoder<D> {
    fn header(&self) -> &Header {
        self.decoder.header()
    }

    fn reduce_to(&mut self, needed: Size) {
        self.decoder.reduce_to(needed);
    }

    fn reduced_size(&self) -> Option<(f64, f64)> {
        self.decoder.reduced_size()
    }

    fn memory(&self) -> DecoderMemory {
        self.decoder.memory()
    }

    fn rows(&mut self) -> Result<Option<Box<dyn Rows + '_>>, Error> {
        self.decoder.rows()
    }

    fn drawing(&mut self) -> Option<&mut dyn Draw> {
        self.decoder.drawing()
    }

    fn next_frame(&mut self, scratch: &mut Scratch) -> Result<Option<Frame>, Error> {
        if std::mem::replace(&mut self.done, true) {
            return Ok(None);
        }
        let raster = self.decoder.decode(scratch)?;
        Ok(Some(Frame { raster, delay_ms: 0 }))
    }
}
