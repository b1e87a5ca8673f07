//! The picture of a watermark: the first frame of any file that can be read, upright and in sRGB.

use super::run::still;
use crate::geometry::{Placed, Size};
use crate::operations::{self, Context};
use crate::plan::Watermark;
use crate::{Error, Image, Scratch, codecs, format, geometry};

/// Decodes a watermark and gives it the size at which it lies in an image of this size.
///
/// # Errors
/// [`Error::Watermark`], whatever is wrong with it.
pub(super) fn decode(
    bytes: &[u8],
    asked: &Watermark,
    image: Size,
    context: &Context<'_>,
    scratch: &mut Scratch,
) -> Result<Image, Error> {
    let mark =
        read(bytes, asked, image, context, scratch).map_err(|error| Error::Watermark(Box::new(error)))?;
    let fitted = operations::fit_watermark(&mark, asked, image, context, scratch)?;
    Ok(match fitted {
        Some(fitted) => {
            scratch.give(mark.into_data());
            fitted
        }
        None => mark,
    })
}

fn read(
    bytes: &[u8],
    asked: &Watermark,
    image: Size,
    context: &Context<'_>,
    scratch: &mut Scratch,
) -> Result<Image, Error> {
    let Some(format) = format::sniff(bytes) else {
        return Err(Error::UnknownFormat { sniffed: format::sniff_foreign(bytes) });
    };
    let mut decoder = codecs::open(format, bytes, context.limits)?;
    let header = decoder.header();
    let (width, height) = (header.description.width, header.description.height);
    let orientation = header.orientation;
    context.limits.check_input(width, height, 1)?;
    let own = orientation.turned(Size::new(width, height));
    let Placed { size, .. } = geometry::watermark(asked, own, image);
    let needed = Size::new(size.width.min(own.width), size.height.min(own.height));
    // A mark that is shown at its own size must have it: its place follows from it.
    if asked.width.is_some() || asked.height.is_some() {
        decoder.reduce_to(orientation.turned(needed));
    }
    let decoded = still(decoder.as_mut(), orientation, scratch)?;
    if asked.width.is_some() != asked.height.is_some()
        && (decoded.width(), decoded.height()) != (own.width, own.height)
    {
        // The side that follows must follow from the aspect ratio of the file, not from that of a reduced picture.
        let shrunk = operations::shrunk(&decoded, needed, crate::plan::Kernel::default(), scratch);
        scratch.give(decoded.into_data());
        return Ok(shrunk);
    }
    Ok(decoded)
}
