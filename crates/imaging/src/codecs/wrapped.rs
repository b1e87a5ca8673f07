//! A picture of one format inside a file of another: PNG in icons, JPEG and PNG in bitmaps.

use super::{Decode, Frame, Header};
use crate::geometry::Size;
use crate::plan::Format;
use crate::{Error, Limits, Scratch};

/// The decoder of the inner file, under the name of the outer format.
pub(super) struct Wrapped<'a> {
    inner: Box<dyn Decode + 'a>,
    header: Header,
}

impl<'a> Wrapped<'a> {
    /// Opens `data`, a whole file of the format `inner`, as the picture of a file of the format `outer`.
    pub(super) fn open(inner: Format, data: &'a [u8], outer: Format, limits: &Limits) -> Result<Self, Error> {
        let inner = super::open(inner, data, limits)?;
        let mut header = inner.header().clone();
        header.description.format = outer;
        // Neither of the formats that wrap others has animations.
        header.description.frames = 1;
        Ok(Self { inner, header })
    }
}

impl Decode for Wrapped<'_> {
    fn header(&self) -> &Header {
        &self.header
    }

    fn reduce_to(&mut self, needed: Size) {
        self.inner.reduce_to(needed);
    }

    fn next_frame(&mut self, scratch: &mut Scratch) -> Result<Option<Frame>, Error> {
        let frame = self.inner.next_frame(scratch);
        self.header.warnings.clone_from(&self.inner.header().warnings);
        frame
    }
}
