//! The operation `mask`: makes the pixels outside of a shape transparent, or fills them with the background
//! colour. The shape touches all four edges of the image.

use super::Context;
use super::canvas::{channels_for, fade};
use super::channels::promote;
use super::outline::Outline;
use super::picture::Picture;
use crate::plan::Shape;
use crate::{Error, Plan, Scratch};

pub(super) fn run(
    picture: Picture,
    plan: &Plan,
    context: &Context<'_>,
    scratch: &mut Scratch,
) -> Result<Picture, Error> {
    let Some(mask) = plan.mask else { return Ok(picture) };
    let image = picture.into_image(scratch);
    let outline = match mask.shape {
        Shape::Rounded { radius: 0 } => return Ok(image.into()),
        Shape::Rounded { radius } => Outline::rounded(image.width(), image.height(), 0, radius),
        Shape::Ellipse => Outline::ellipse(image.width(), image.height()),
    };
    let background = context.backdrop(mask.background);
    let mut image = promote(image, channels_for(background), scratch);
    fade(&mut image, background, |y, kept| outline.cover(y, kept));
    Ok(image.into())
}
