//! The operation `crop`: keeps a rectangle of the image. The operation only records the rectangle and copies
//! no pixels; [`Picture`] explains how the rectangle is used.

use super::Context;
use super::picture::Picture;
use crate::{Error, Plan, Scratch, geometry};

pub(super) fn run(
    mut picture: Picture,
    plan: &Plan,
    _: &Context<'_>,
    _: &mut Scratch,
) -> Result<Picture, Error> {
    if let Some(crop) = plan.crop {
        let rect = geometry::crop(picture.size(), crop)?;
        picture.narrow(rect);
    }
    Ok(picture)
}
