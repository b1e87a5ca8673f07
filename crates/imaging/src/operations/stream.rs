//! Applies a plan to a picture whose rows arrive one after the other. If the plan makes the picture smaller,
//! the full-size picture is never in memory as a whole.

use super::resample::{can_resample_rows, resample_light_rows, resample_rows};
use super::{AFTER_RESIZE, Context, resize, run_all};
use crate::color::{Layout, ToSrgb};
use crate::geometry::{Resized, Size, Stages, Window};
use crate::plan::{Light, Resize};
use crate::rows::Rows;
use crate::{Channels, Error, Image, Plan, Scratch, geometry};

/// Computes the combined effect of `crop` and `resize`: the part of the picture that is kept, in pixels of
/// the picture, and the size to which this part is resampled. `None` if the plan has a flip, if the plan has
/// no resize, or if [`can_resample_rows`] is false for this part and size.
fn reduction(size: Size, plan: &Plan) -> Result<Option<(Resize, Resized)>, Error> {
    let (None, Some(asked)) = (plan.flip, plan.resize) else { return Ok(None) };
    let (left, top, cropped) = match plan.crop {
        Some(crop) => {
            let rect = geometry::crop(size, crop)?;
            (rect.x, rect.y, rect.size())
        }
        None => (0, 0, size),
    };
    let resized = geometry::resize(cropped, asked);
    let Window { left: x, top: y, .. } = resized.window;
    let window = Window { left: x + f64::from(left), top: y + f64::from(top), ..resized.window };
    Ok(can_resample_rows(window, resized.picture, asked.kernel)
        .then_some((asked, Resized { window, ..resized })))
}

/// Whether [`apply_to_rows`] can apply the plan to a picture of this size. [`super::apply`] can apply every
/// plan, but needs more memory.
///
/// # Errors
/// [`Error::Plan`] when the crop lies outside the picture.
pub(crate) fn takes_rows(size: Size, plan: &Plan) -> Result<bool, Error> {
    Ok(reduction(size, plan)?.is_some())
}

/// Does the same as [`super::apply`], but reads the picture row by row and converts the colours of the rows
/// to sRGB. The EXIF orientation of the rows must already be applied, and [`takes_rows`] must be true for the
/// plan.
///
/// # Errors
/// The errors of [`super::apply`], and the errors of `rows`.
pub(crate) fn apply_to_rows(
    rows: &mut dyn Rows,
    to_srgb: &ToSrgb,
    plan: &Plan,
    context: &Context<'_>,
    scratch: &mut Scratch,
) -> Result<Image, Error> {
    let (size, layout) = (rows.size(), rows.layout());
    let (asked, resized) = reduction(size, plan)?.expect("`takes_rows` returned true for this plan");
    Stages::of(size, plan)?.check(context.limits)?;
    let channels = match layout {
        Layout::Gray => Channels::Gray,
        Layout::Rgba => Channels::Rgba,
        Layout::Rgb | Layout::Cmyk => Channels::Rgb,
    };
    let mut read = |data: &mut [u8]| {
        rows.read(data)?;
        to_srgb.apply_in_place(data, layout);
        Ok(())
    };
    let how = (resized.window, resized.picture, asked.kernel);
    let image = match asked.light {
        Light::Srgb => resample_rows(&mut read, size, channels, how, scratch)?,
        Light::Linear => resample_light_rows(&mut read, size, channels, how, scratch)?,
    };
    let picture = resize::on_canvas(image.into(), resized, asked.background, context, scratch);
    Ok(run_all(&AFTER_RESIZE, picture, plan, context, scratch)?.into_image(scratch))
}

#[cfg(test)]
mod tests {
    use crate::operations::UP_TO_RESIZE;

    #[test]
    fn flip_and_crop_are_the_only_image_operations_that_run_before_resize() {
        let names: Vec<&str> = UP_TO_RESIZE.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["flip", "crop", "resize"], "`reduction` must know every operation up to `resize`");
    }
}
