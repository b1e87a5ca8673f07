//! The first operations on a picture that comes row by row: where a plan begins with making it smaller, the picture itself
//! never exists.

use super::picture::Picture;
use super::resample::{pays, resample_rows};
use super::{Context, ORDER, resize};
use crate::color::{Layout, ToSrgb};
use crate::geometry::{Resized, Size, Stages, Window};
use crate::plan::Resize;
use crate::rows::Rows;
use crate::{Channels, Error, Image, Plan, Scratch, geometry};

/// What is left to do after them.
const AFTER: &str = "resize";

/// The part of a picture that counts, in its pixels, and what becomes of it; `None` when the plan does not begin with a
/// crop and a resize to fewer rows.
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
    Ok(pays(window, resized.picture, asked.kernel).then_some((asked, Resized { window, ..resized })))
}

/// Whether [`apply_to_rows`] can do the plan to a picture of this size, and needs less memory by it.
///
/// # Errors
/// [`Error::Plan`] when the crop lies outside the picture.
pub(crate) fn takes_rows(size: Size, plan: &Plan) -> Result<bool, Error> {
    Ok(reduction(size, plan)?.is_some())
}

/// As [`super::apply`] with rows that are upright, for a plan that [`takes_rows`].
///
/// # Errors
/// As [`super::apply`], and those of the rows.
pub(crate) fn apply_to_rows(
    rows: &mut dyn Rows,
    to_srgb: &ToSrgb,
    plan: &Plan,
    context: &Context<'_>,
    scratch: &mut Scratch,
) -> Result<Image, Error> {
    let (size, layout) = (rows.size(), rows.layout());
    let (asked, resized) = reduction(size, plan)?.expect("the plan was found to begin with a reduction");
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
    let image = resample_rows(&mut read, size, channels, how, scratch)?;
    let picture = resize::on_canvas(image.into(), resized, asked, context, scratch);
    let rest = ORDER.iter().skip_while(|(name, _)| *name != AFTER).skip(1);
    let mut rest = rest.map(|(_, run)| run);
    let picture = rest.try_fold(picture, |picture: Picture, run| run(picture, plan, context, scratch))?;
    Ok(picture.into_image(scratch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_comes_before_the_reduction_that_it_does_not_do() {
        let before: Vec<&str> =
            ORDER.iter().map(|(name, _)| *name).take_while(|name| *name != AFTER).collect();
        assert_eq!(before, ["flip", "crop"], "`reduction` has to look at every operation before `resize`");
    }
}
