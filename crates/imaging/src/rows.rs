//! Pictures that come row by row: what is made smaller need not be in memory as a whole.

use crate::Error;
use crate::color::Layout;
use crate::geometry::Size;

/// A picture in the colours of its file, from the top.
pub(crate) trait Rows {
    /// Its size.
    fn size(&self) -> Size;

    /// What a pixel is; never inks.
    fn layout(&self) -> Layout;

    /// Fills `rows` with as many of the next rows as it has room for. The caller keeps count.
    fn read(&mut self, rows: &mut [u8]) -> Result<(), Error>;
}
