//! The operation `adjust`: changes tone and colour, in this order:
//!
//! exposure, temperature, tint → highlights, shadows → brightness, contrast → gamma → saturation, hue →
//! vibrance → unsharp.
//!
//! The order is that of a photographic darkroom: first the exposure to light, then the tones, then the
//! colours. `highlights`, `shadows` and `unsharp` read the surroundings of a pixel. All other attributes
//! compute a pixel only from the old value of the same pixel. Successive attributes of this kind are combined
//! into one pass with lookup tables.

mod base_tone;
mod curves;
mod local_tones;
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
    let mut map = ColorMap::identity();
    let mut has_map = add_light(&mut map, &adjust);
    if adjust.highlights != 0.0 || adjust.shadows != 0.0 {
        if has_map {
            image = map.apply(image, scratch);
            map = ColorMap::identity();
        }
        local_tones::change(&mut image, adjust.shadows / 100.0, adjust.highlights / 100.0);
        has_map = false;
    }
    has_map |= add_tones_and_colors(&mut map, &adjust);
    if has_map {
        image = map.apply(image, scratch);
    }
    if adjust.unsharp > 0.0 {
        unsharp::sharpen(&mut image, adjust.unsharp);
    }
    Ok(image.into())
}

/// Appends the attributes that change the light of the photograph. Returns `false` if all of them are 0. An
/// attribute with the value 0 is skipped, because rounding could change pixels even if the attribute has no
/// effect.
fn add_light(map: &mut ColorMap, adjust: &Adjust) -> bool {
    if adjust.exposure == 0.0 && adjust.temperature == 0.0 && adjust.tint == 0.0 {
        return false;
    }
    let gains = white_balance::gains(adjust.temperature, adjust.tint);
    let exposure = curves::exposure_gain(adjust.exposure);
    map.curve_by_channel(|channel, value| curves::amplify(value, gains[channel] * exposure));
    true
}

/// Appends the attributes that change the tones of all pixels, then those that change the colours. Returns
/// `false` if all of them are 0.
fn add_tones_and_colors(map: &mut ColorMap, adjust: &Adjust) -> bool {
    let Adjust { brightness, contrast, gamma, saturation, hue, vibrance, .. } = *adjust;
    if brightness != 0.0 {
        map.curve(|value| curves::brightness(value, brightness / 100.0));
    }
    if contrast != 0.0 {
        map.curve(|value| curves::contrast(value, contrast / 100.0));
    }
    if gamma != 0.0 {
        map.curve(|value| curves::gamma(value, gamma / 100.0));
    }
    if saturation != 0.0 {
        map.matrix(saturate(1.0 + saturation / 100.0));
    }
    if hue != 0.0 {
        map.matrix(rotate_hue(hue));
    }
    map.vibrance(vibrance / 100.0);
    [brightness, contrast, gamma, saturation, hue, vibrance] != [0.0; 6]
}
