//! The operation `adjust`: changes tone and colour. Each attribute except `unsharp` computes a pixel only
//! from the old value of the same pixel. These attributes are combined into one pass with lookup tables, in
//! this order:
//!
//! exposure, temperature, tint → highlights, shadows → brightness, contrast → gamma → saturation, hue →
//! vibrance.
//!
//! `unsharp` follows as a second pass, because it reads neighbouring pixels. The order is that of a
//! photographic darkroom: first the exposure to light, then the tones, then the colours.

mod curves;
mod unsharp;
mod white_balance;

use super::Context;
use super::color_map::{ColorMap, rotate_hue, saturate};
use super::picture::Picture;
use crate::plan::Adjust;
use crate::{Error, Plan, Scratch};

pub(super) fn run(
    picture: Picture,
    plan: &Plan,
    _: &Context<'_>,
    scratch: &mut Scratch,
) -> Result<Picture, Error> {
    let Some(adjust) = plan.adjust.filter(|adjust| *adjust != Adjust::default()) else { return Ok(picture) };
    let mut image = picture.into_image(scratch);
    if (Adjust { unsharp: 0.0, ..adjust }) != Adjust::default() {
        image = color_map(&adjust).apply(image, scratch);
    }
    if adjust.unsharp > 0.0 {
        unsharp::sharpen(&mut image, adjust.unsharp);
    }
    Ok(image.into())
}

/// Combines all attributes except `unsharp` into one map. An attribute with the value 0 is skipped, because
/// rounding could change pixels even if the attribute has no effect.
fn color_map(adjust: &Adjust) -> ColorMap {
    let mut map = ColorMap::identity();
    if adjust.exposure != 0.0 || adjust.temperature != 0.0 || adjust.tint != 0.0 {
        let gains = white_balance::gains(adjust.temperature, adjust.tint);
        let exposure = curves::exposure_gain(adjust.exposure);
        map.curve_by_channel(|channel, value| curves::amplify(value, gains[channel] * exposure));
    }
    if adjust.highlights != 0.0 {
        map.curve(|value| curves::highlights(value, adjust.highlights / 100.0));
    }
    if adjust.shadows != 0.0 {
        map.curve(|value| curves::shadows(value, adjust.shadows / 100.0));
    }
    if adjust.brightness != 0.0 {
        map.curve(|value| curves::brightness(value, adjust.brightness / 100.0));
    }
    if adjust.contrast != 0.0 {
        map.curve(|value| curves::contrast(value, adjust.contrast / 100.0));
    }
    if adjust.gamma != 0.0 {
        map.curve(|value| curves::gamma(value, adjust.gamma / 100.0));
    }
    if adjust.saturation != 0.0 {
        map.matrix(saturate(1.0 + adjust.saturation / 100.0));
    }
    if adjust.hue != 0.0 {
        map.matrix(rotate_hue(adjust.hue));
    }
    map.vibrance(adjust.vibrance / 100.0);
    map
}
