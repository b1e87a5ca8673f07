//! The operation `scale`: multiplies the size of the image by a factor.

use super::Context;
use super::picture::Picture;
use crate::geometry::Window;
use crate::plan::{Kernel, Light};
use crate::{Error, Plan, Scratch, geometry};

pub(super) fn run(
    picture: Picture,
    plan: &Plan,
    context: &Context<'_>,
    scratch: &mut Scratch,
) -> Result<Picture, Error> {
    let Some(scale) = plan.scale else { return Ok(picture) };
    let size = picture.size();
    let to = geometry::scale(size, scale);
    if to == size {
        return Ok(picture);
    }
    context.limits.check_output(to.width, to.height)?;
    Ok(picture.resampled(Window::whole(size), to, (Kernel::default(), Light::Srgb), scratch))
}
