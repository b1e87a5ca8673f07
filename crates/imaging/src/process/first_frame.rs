//! Decodes the first frame of a file and converts it to an sRGB picture to which the EXIF orientation was
//! applied.

use crate::codecs::{Decode, Header};
use crate::color::ToSrgb;
use crate::info::Colorspace;
use crate::orientation::Orientation;
use crate::{Error, Image, Scratch};

/// Decodes the first frame, converts it to sRGB and applies its EXIF orientation.
pub(super) fn first_frame(
    decoder: &mut dyn Decode,
    orientation: Orientation,
    scratch: &mut Scratch,
) -> Result<Image, Error> {
    let Some(frame) = decoder.next_frame(scratch)? else { return Err(no_picture(decoder)) };
    let Header { profile, info, .. } = decoder.header();
    let is_gray = info.colorspace == Colorspace::Gray;
    let (to_srgb, _) = ToSrgb::new(profile.as_deref(), frame.raster.layout, is_gray);
    Ok(orientation.apply(to_srgb.apply(frame.raster, scratch), scratch))
}

/// The error of a file that has no frame.
pub(super) fn no_picture(decoder: &dyn Decode) -> Error {
    let format = decoder.header().info.format.name();
    Error::Corrupt { format, reason: "no picture".to_owned() }
}
