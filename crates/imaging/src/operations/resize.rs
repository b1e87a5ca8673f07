//! `resize`: a new size by one of six rules, which stand in [`crate::geometry`].

use super::Context;
use super::canvas::surround;
use super::picture::Picture;
use crate::geometry::{Rect, Resized};
use crate::{Error, Plan, Scratch, geometry};

pub(super) fn run(
    picture: Picture,
    plan: &Plan,
    context: &Context<'_>,
    scratch: &mut Scratch,
) -> Result<Picture, Error> {
    let Some(resize) = plan.resize else { return Ok(picture) };
    let Resized { window, picture: to, canvas, x, y } = geometry::resize(picture.size(), resize);
    context.limits.check_output(canvas.width, canvas.height)?;

    let picture = picture.resampled(window, to, resize.kernel, scratch);
    if canvas == to {
        return Ok(picture);
    }
    let at = Rect { x, y, width: to.width, height: to.height };
    let image = picture.into_image(scratch);
    Ok(surround(image, at, canvas, context.backdrop(resize.background), scratch).into())
}
