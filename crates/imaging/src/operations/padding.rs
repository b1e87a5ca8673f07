//! The operation `padding`: adds a margin to each side of the image.

use super::Context;
use super::canvas::surround;
use super::picture::Picture;
use crate::geometry::{Rect, Size};
use crate::{Error, Plan, Scratch, geometry};

pub(super) fn run(
    picture: Picture,
    plan: &Plan,
    context: &Context<'_>,
    scratch: &mut Scratch,
) -> Result<Picture, Error> {
    let Some(padding) = plan.padding else { return Ok(picture) };
    let Size { width, height } = picture.size();
    let canvas = geometry::pad(Size::new(width, height), padding);
    if canvas == Size::new(width, height) {
        return Ok(picture);
    }
    context.limits.check_output(canvas.width, canvas.height)?;
    let at = Rect { x: padding.left, y: padding.top, width, height };
    let image = picture.into_image(scratch);
    Ok(surround(image, at, canvas, context.backdrop(padding.background), scratch).into())
}
