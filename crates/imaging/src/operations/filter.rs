//! The operation `filter`: runs the effects, each of which has its own submodule or function, in the order
//! that the function `run` defines. A strength of 0 leaves the image unchanged, and a strength of 100 gives
//! the full effect.

mod convolution;
mod luma_map;
mod motion;
mod noise;
mod pixelate;
mod tones;
mod vignette;

use super::Context;
use super::gaussian::{self, Mean};
use super::picture::Picture;
use crate::plan::{Blur, Filter};
use crate::{Error, Image, Plan, Scratch};

pub(super) fn run(
    picture: Picture,
    plan: &Plan,
    _: &Context<'_>,
    scratch: &mut Scratch,
) -> Result<Picture, Error> {
    let Some(filter) = plan.filter.filter(|filter| *filter != Filter::default()) else { return Ok(picture) };
    let mut image = picture.into_image(scratch);
    if let Some(kind) = filter.blur {
        image = blur(image, kind, scratch);
    }
    if let Some(side_px) = filter.pixelate {
        pixelate::pixelate(&mut image, side_px);
    }
    if let Some(value) = filter.sepia {
        image = tones::sepia(value / 100.0).apply(image, scratch);
    }
    if let Some(value) = filter.mono {
        image = tones::mono(value / 100.0).apply(image, scratch);
    }
    if let Some(value) = filter.invert {
        image = tones::invert(value / 100.0).apply(image, scratch);
    }
    if let Some(value) = filter.vignette {
        vignette::darken(&mut image, value / 100.0);
    }
    if let Some(value) = filter.posterize {
        image = tones::posterize(value / 100.0).apply(image, scratch);
    }
    if let Some(colors) = filter.duotone {
        image = tones::duotone(colors).apply(image, scratch);
    }
    if let Some(value) = filter.noise {
        noise::add(&mut image, value / 100.0);
    }
    if let Some(value) = filter.emboss {
        convolution::emboss(&mut image, value / 100.0, scratch);
    }
    if let Some(value) = filter.edges {
        convolution::edges(&mut image, value / 100.0, scratch);
    }
    Ok(image.into())
}

/// Blurs in the requested mode. The radius of `gaussian` is its standard deviation, as in CSS `blur()` and in
/// Photoshop.
fn blur(mut image: Image, kind: Blur, scratch: &mut Scratch) -> Image {
    match kind {
        Blur::Gaussian { radius } => gaussian::blur(&mut image, radius),
        Blur::Box { radius } => gaussian::smooth(&mut image, &[Mean::of_radius(radius)]),
        Blur::Motion { radius, angle } => return motion::blur(image, radius, angle, scratch),
    }
    image
}
