//! The operation `border`: draws a frame along the edges of the image, over its outermost pixels, with
//! optional rounded corners.

use super::Context;
use super::canvas::{channels_for, fade};
use super::channels::promote;
use super::outline::Outline;
use super::picture::Picture;
use crate::plan::Color;
use crate::{Error, Plan, Scratch};

pub(super) fn run(
    picture: Picture,
    plan: &Plan,
    context: &Context<'_>,
    scratch: &mut Scratch,
) -> Result<Picture, Error> {
    let Some(border) = plan.border else { return Ok(picture) };
    let mut image = picture.into_image(scratch);
    let (width, height) = (image.width(), image.height());
    if border.size > 0 && border.color.a > 0 {
        // A translucent frame is blended over the image. The alpha of `border.color` determines the weight of
        // the frame in this blend, and `color` is the same colour without transparency.
        let color = Color { a: 255, ..border.color };
        let alpha = u32::from(border.color.a);
        let inner = Outline::rounded(width, height, border.size, border.radius.saturating_sub(border.size));
        image = promote(image, channels_for(color), scratch);
        fade(&mut image, color, |y, kept| {
            inner.cover(y, kept);
            for kept in kept {
                *kept = 255 - ((u32::from(255 - *kept) * alpha + 127) / 255) as u8;
            }
        });
    }
    if border.radius > 0 {
        let background = context.backdrop(border.background);
        let outer = Outline::rounded(width, height, 0, border.radius);
        image = promote(image, channels_for(background), scratch);
        fade(&mut image, background, |y, kept| outer.cover(y, kept));
    }
    Ok(image.into())
}
