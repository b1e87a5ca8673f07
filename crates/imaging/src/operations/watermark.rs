//! The operation `watermark`: blends a second image over the image, at one position or as tiles. The blend is
//! the operator "over" of Porter and Duff (1984), and `opacity` scales the alpha of the second image.

use super::Context;
use super::channels::promote;
use super::picture::Picture;
use super::resample::resample;
use crate::alpha::over;
use crate::geometry::{Placed, Size, Span, Window};
use crate::plan::{Kernel, Watermark};
use crate::{Channels, Error, Image, Plan, Scratch, geometry};

pub(super) fn run(
    picture: Picture,
    plan: &Plan,
    context: &Context<'_>,
    scratch: &mut Scratch,
) -> Result<Picture, Error> {
    let (Some(options), Some(mark)) = (plan.watermark, context.watermark) else { return Ok(picture) };
    let image = picture.into_image(scratch);
    let fitted = fit(mark, &options, Size::of(&image), context, scratch)?;
    let mark = fitted.as_ref().unwrap_or(mark);
    let blended = blend_watermark(image, mark, &options, scratch);
    if let Some(fitted) = fitted {
        scratch.give(fitted.into_data());
    }
    Ok(blended.into())
}

/// Resamples the watermark `mark` to the size that the watermark must have in an image of the size `image`.
/// Returns `None` if `mark` already has this size.
///
/// # Errors
/// [`Error::Watermark`] with an [`Error::Limit`] inside, if the new size exceeds the limits.
pub(crate) fn fit(
    mark: &Image,
    options: &Watermark,
    image: Size,
    context: &Context<'_>,
    scratch: &mut Scratch,
) -> Result<Option<Image>, Error> {
    let own = Size::new(mark.width(), mark.height());
    let Placed { size, .. } = geometry::watermark(options, own, image);
    if size == own {
        return Ok(None);
    }
    let checked = context.limits.check_output(size.width, size.height);
    checked.map_err(|error| Error::Watermark(Box::new(error)))?;
    Ok(Some(resample(mark, Window::whole(own), size, Kernel::default(), scratch)))
}

/// Blends the watermark over the image. The watermark must already have its final size.
fn blend_watermark(image: Image, mark: &Image, options: &Watermark, scratch: &mut Scratch) -> Image {
    let alphas = alphas(options.opacity);
    let size = Size::of(&image);
    let placed = geometry::watermark(options, Size::new(mark.width(), mark.height()), size);
    if alphas[255] == 0 {
        return image;
    }
    let mut image = if is_gray(mark) { image } else { promote(image, Channels::Rgb, scratch) };
    for row in placed.rows(size) {
        for column in placed.columns(size) {
            for y in 0..row.length {
                let from = Position { y: row.in_mark + y, x: column.in_mark };
                let to = Position { y: row.in_image + y, x: column.in_image };
                blend_run(&mut image, to, mark, from, column, &alphas);
            }
        }
    }
    image
}

/// The column (`x`) and the row (`y`) of the first pixel of a horizontal run of pixels.
#[derive(Clone, Copy)]
struct Position {
    x: u32,
    y: u32,
}

fn blend_run(image: &mut Image, to: Position, mark: &Image, from: Position, span: Span, alphas: &[u8; 256]) {
    let at = |image: &Image, position: Position| {
        let n_bytes = image.channels().count();
        let start = (position.y as usize * image.width() as usize + position.x as usize) * n_bytes;
        start..start + span.length as usize * n_bytes
    };
    let source = &mark.data()[at(mark, from)];
    let (range, channels) = (at(image, to), image.channels());
    let target = &mut image.data_mut()[range];
    match mark.channels() {
        Channels::Gray => blend_pixels(target, channels, source.iter().map(|&v| [v, v, v, alphas[255]])),
        Channels::Rgb => {
            let pixels = source.as_chunks::<3>().0;
            blend_pixels(target, channels, pixels.iter().map(|&[r, g, b]| [r, g, b, alphas[255]]));
        }
        Channels::Rgba => {
            let pixels = source.as_chunks::<4>().0;
            blend_pixels(
                target,
                channels,
                pixels.iter().map(|&[r, g, b, a]| [r, g, b, alphas[usize::from(a)]]),
            );
        }
    }
}

fn blend_pixels(target: &mut [u8], channels: Channels, source: impl Iterator<Item = [u8; 4]>) {
    match channels {
        Channels::Gray => target.iter_mut().zip(source).for_each(|(v, from)| {
            [*v, _, _, _] = over(from, [*v, *v, *v, 255]);
        }),
        Channels::Rgb => {
            target.as_chunks_mut::<3>().0.iter_mut().zip(source).for_each(|(pixel, from)| {
                let [r, g, b] = *pixel;
                let [r, g, b, _] = over(from, [r, g, b, 255]);
                *pixel = [r, g, b];
            });
        }
        Channels::Rgba => {
            target.as_chunks_mut::<4>().0.iter_mut().zip(source).for_each(|(pixel, from)| {
                *pixel = over(from, *pixel);
            });
        }
    }
}

/// For each of the 256 alpha values: the product of the alpha value and the opacity (0–100 percent), rounded.
fn alphas(opacity: f64) -> [u8; 256] {
    let mut alphas = [0; 256];
    for (alpha, scaled) in (0_u8..=255).zip(&mut alphas) {
        *scaled = (f64::from(alpha) * opacity.clamp(0.0, 100.0) / 100.0).round() as u8;
    }
    alphas
}

/// Whether all visible pixels of the watermark are gray. If all are gray, a gray image stays gray.
fn is_gray(mark: &Image) -> bool {
    match mark.channels() {
        Channels::Gray => true,
        Channels::Rgb => mark.data().as_chunks::<3>().0.iter().all(|&[r, g, b]| r == g && g == b),
        Channels::Rgba => {
            mark.data().as_chunks::<4>().0.iter().all(|&[r, g, b, a]| a == 0 || (r == g && g == b))
        }
    }
}
