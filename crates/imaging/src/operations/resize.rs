//! The operation `resize`: changes the size of the image in one of six modes. [`crate::geometry`] computes
//! the sizes.

use super::Context;
use super::canvas::surround;
use super::picture::Picture;
use crate::geometry::{Rect, Resized};
use crate::plan::Color;
use crate::{Error, Plan, Scratch, geometry};

pub(super) fn run(
    picture: Picture,
    plan: &Plan,
    context: &Context<'_>,
    scratch: &mut Scratch,
) -> Result<Picture, Error> {
    let Some(resize) = plan.resize else { return Ok(picture) };
    let resized = geometry::resize(picture.size(), resize);
    context.limits.check_output(resized.canvas.width, resized.canvas.height)?;
    let picture = picture.resampled(resized.window, resized.picture, (resize.kernel, resize.light), scratch);
    Ok(on_canvas(picture, resized, resize.background, context, scratch))
}

/// Places the resampled image on its canvas.
pub(super) fn on_canvas(
    picture: Picture,
    resized: Resized,
    background: Option<Color>,
    context: &Context<'_>,
    scratch: &mut Scratch,
) -> Picture {
    let Resized { picture: to, canvas, x, y, .. } = resized;
    if canvas == to {
        return picture;
    }
    let at = Rect { x, y, width: to.width, height: to.height };
    let image = picture.into_image(scratch);
    surround(image, at, canvas, context.backdrop(background), scratch).into()
}
