//! Decodes the picture of a watermark: the first frame of a file in any readable format, converted to sRGB,
//! with its EXIF orientation applied.

use super::cut_off;
use super::first_frame::first_frame;
use super::memory;
use crate::fonts::FontSource;
use crate::geometry::{Placed, Size, Window};
use crate::operations::{self, Context};
use crate::plan::{Kernel, Watermark};
use crate::{Error, Image, Scratch, codecs, format, geometry};

/// Decodes a watermark and scales the watermark for an image of the size `image`. Adds a warning if the
/// watermark file is cut off but accepted.
///
/// # Errors
/// [`Error::Watermark`] when the watermark file cannot be decoded; another error when scaling fails, for
/// example [`Error::Limit`].
pub(super) fn decode(
    bytes: &[u8],
    asked: &Watermark,
    image: Size,
    context: &Context<'_>,
    fonts: Option<&dyn FontSource>,
    warnings: &mut Vec<String>,
    scratch: &mut Scratch,
) -> Result<Image, Error> {
    let decoded = read(bytes, asked, image, context, fonts, warnings, scratch)
        .map_err(|error| Error::Watermark(Box::new(error)))?;
    let scaled = operations::fit_watermark(&decoded, asked, image, context, scratch)?;
    Ok(match scaled {
        Some(scaled) => {
            scratch.give(decoded.into_data());
            scaled
        }
        None => decoded,
    })
}

/// Decodes a watermark. If the watermark is smaller in the output than in its file, the decoder may deliver a
/// reduced picture. A watermark of a vector format is drawn at its size in the output.
fn read(
    bytes: &[u8],
    asked: &Watermark,
    image: Size,
    context: &Context<'_>,
    fonts: Option<&dyn FontSource>,
    warnings: &mut Vec<String>,
    scratch: &mut Scratch,
) -> Result<Image, Error> {
    let Some(format) = format::sniff(bytes) else {
        return Err(Error::UnknownFormat { sniffed: format::sniff_foreign(bytes) });
    };
    let explained = |error| cut_off::explained(error, format, bytes);
    let mut decoder = codecs::open(format, bytes, context.limits, fonts).map_err(explained)?;
    let header = decoder.header();
    let (width, height) = (header.info.width, header.info.height);
    let orientation = header.orientation;
    context.limits.check_input(width, height, 1)?;
    let upright_size = orientation.turned(Size::new(width, height));
    let Placed { size, .. } = geometry::watermark(asked, upright_size, image);
    if let Some(drawing) = decoder.drawing() {
        context.limits.check_output(size.width, size.height)?;
        let drawn = drawing.draw(Window::whole(upright_size), size, scratch)?;
        warnings.extend(decoder.header().warnings.iter().map(|warning| format!("watermark: {warning}")));
        return Ok(drawn);
    }
    let needed = Size::new(size.width.min(upright_size.width), size.height.min(upright_size.height));
    // If the plan states neither a width nor a height, the watermark has the size of the picture in the file,
    // so the decoder must not reduce it.
    if asked.width.is_some() || asked.height.is_some() {
        decoder.reduce_to(orientation.turned(needed));
    }
    memory::check_watermark(decoder.as_ref(), bytes.len(), context.limits)?;
    let decoded = first_frame(decoder.as_mut(), orientation, scratch).map_err(explained)?;
    cut_off::check(decoder.header(), false, context.limits)?;
    let truncation = cut_off::of_used_frames(decoder.header(), false);
    warnings.extend(truncation.map(|truncation| format!("watermark: {truncation}")));
    if asked.width.is_some() != asked.height.is_some()
        && (decoded.width(), decoded.height()) != (upright_size.width, upright_size.height)
    {
        // If the plan states one side of the watermark, the other side must follow from the aspect ratio of
        // the picture in the file. The decoder rounds the sides of a reduced picture, which can change the
        // aspect ratio slightly, so the picture is resampled to the exact size.
        let reduced = operations::reduced(&decoded, needed, Kernel::default(), scratch);
        scratch.give(decoded.into_data());
        return Ok(reduced);
    }
    Ok(decoded)
}
