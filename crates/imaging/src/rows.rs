//! A picture that is decoded row by row. If the plan makes the picture smaller, its rows are resampled as
//! they arrive, so that the full-size picture is never in memory as a whole.

use crate::Error;
use crate::color::Layout;
use crate::geometry::Size;

/// The rows of a picture from top to bottom. Their colours are not yet converted to sRGB.
pub(crate) trait Rows {
    /// The size of the picture.
    fn size(&self) -> Size;

    /// The layout of each pixel. The layout is never [`Layout::Cmyk`].
    fn layout(&self) -> Layout;

    /// Fills the buffer `rows` with as many of the next rows as fit. The caller must not read more rows than
    /// the picture has.
    ///
    /// # Errors
    /// The errors of the decoder.
    fn read(&mut self, rows: &mut [u8]) -> Result<(), Error>;
}
