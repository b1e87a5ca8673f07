//! Applies a plan to a picture of a vector format. The part that the plan keeps is drawn directly at its final
//! size, so that no pixels are ever enlarged.

use super::{AFTER_RESIZE, Context, flip, resize, run_all};
use crate::geometry::{Rect, Resized, Size, Stages, Window};
use crate::plan::Flip;
use crate::{Error, Image, Limits, Plan, Scratch, geometry};

/// The combined effect of `flip`, `crop`, `resize` and `scale` on a picture of a vector format.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DrawnPart {
    /// The part of the picture that is drawn, in pixels of the size in the header and before the flip.
    pub(crate) part: Window,
    /// The size at which this part is drawn.
    pub(crate) size: Size,
    /// Where the drawn part is placed on the canvas of the mode `fill`.
    placed: Resized,
}

/// Computes which part of a picture of the size `size` is drawn, and at which size.
///
/// # Errors
/// [`Error::Plan`] when the crop lies outside the picture. [`Error::Limit`] when a size after an operation is
/// too large.
pub(crate) fn drawn_part(size: Size, plan: &Plan, limits: &Limits) -> Result<DrawnPart, Error> {
    Stages::of(size, plan)?.check(limits)?;
    let cropped = plan.crop.map(|options| geometry::crop(size, options)).transpose()?;
    let kept = cropped.map_or(Window::whole(size), Window::from);
    let kept_size = cropped.map_or(size, Rect::size);
    let resized = match plan.resize {
        Some(options) => geometry::resize(kept_size, options),
        None => Resized::whole(kept_size, kept_size),
    };
    let placed = plan.scale.map_or(resized, |options| geometry::scale_resized(resized, options));
    let window = placed.window;
    let flipped = Window { left: kept.left + window.left, top: kept.top + window.top, ..window };
    let part = unflipped(flipped, size, plan.flip);
    Ok(DrawnPart { part, size: placed.picture, placed })
}

/// Returns the part of the picture that a flip moves to `window`.
fn unflipped(window: Window, size: Size, flip: Option<Flip>) -> Window {
    let Some(Flip { horizontal, vertical }) = flip else { return window };
    let mirrored = |start: f64, length: f64, side: u32| f64::from(side) - start - length;
    Window {
        left: if horizontal { mirrored(window.left, window.width, size.width) } else { window.left },
        top: if vertical { mirrored(window.top, window.height, size.height) } else { window.top },
        ..window
    }
}

/// Does the same as [`super::apply`], but for an image that was drawn as [`drawn_part`] describes.
///
/// # Errors
/// The errors of [`super::apply`].
pub(crate) fn apply_to_drawing(
    image: Image,
    drawn: DrawnPart,
    plan: &Plan,
    context: &Context<'_>,
    scratch: &mut Scratch,
) -> Result<Image, Error> {
    let flipped = flip::run(image.into(), plan, context, scratch)?;
    let background = plan.resize.and_then(|options| options.background);
    let picture = resize::on_canvas(flipped, drawn.placed, background, context, scratch);
    let (_, after_scale) = AFTER_RESIZE.split_first().expect("the list is not empty");
    Ok(run_all(after_scale, picture, plan, context, scratch)?.into_image(scratch))
}

#[cfg(test)]
mod tests {
    use crate::operations::AFTER_RESIZE;

    #[test]
    fn the_operation_scale_is_the_first_operation_after_the_operation_resize() {
        assert_eq!(AFTER_RESIZE[0].0, "scale", "`apply_to_drawing` leaves out the first operation");
    }
}
