//! A picture of one format inside a file of another format: a PNG in an icon, a JPEG or a PNG in a bitmap.

use super::codec::{Decode, Frame, Header};
use super::memory::DecoderMemory;
use crate::format::Format;
use crate::geometry::Size;
use crate::{Error, Scratch};

/// The decoder of the inner file. The header that it returns names the outer format.
pub(super) struct NestedDecoder<D> {
    inner: D,
    header: Header,
}

impl<D: Decode> NestedDecoder<D> {
    /// Wraps `inner`, the decoder of the inner file, e.g. of the PNG in an icon.
    pub(super) fn new(inner: D, outer: Format) -> Self {
        let mut header = inner.header().clone();
        header.info.format = outer;
        // The result is never an animation, because the outer formats, ICO and BMP, have no animations.
        header.info.frames = 1;
        Self { inner, header }
    }
}

impl<D: Decode> Decode for NestedDecoder<D> {
    fn header(&self) -> &Header {
        &self.header
    }

    fn reduce_to(&mut self, needed: Size) {
        self.inner.reduce_to(needed);
    }

    fn memory(&self) -> DecoderMemory {
        self.inner.memory()
    }

    fn next_frame(&mut self, scratch: &mut Scratch) -> Result<Option<Frame>, Error> {
        let frame = self.inner.next_frame(scratch);
        self.header.warnings.clone_from(&self.inner.header().warnings);
        self.header.truncation = self.inner.header().truncation;
        frame
    }
}
