//! The curves of `adjust`: functions that map an sRGB value (0–1) to another sRGB value (0–1). `amount` is
//! from −1 to 1; an amount of 0 leaves the value unchanged. All curves rise with the value. All curves keep
//! black, and all curves except a shorter exposure keep white.

use super::super::tone_curve::multiply_odds;
use pixaven_resample::srgb::{from_linear, to_linear};

/// The factor by which the amounts 1 and −1 of `brightness` multiply and divide the odds of a value.
const BRIGHTNESS_FACTOR: f32 = 4.0;

/// The steepness of the sigmoid of `contrast` at an amount of 1. The slope in the middle tone is 2.1.
const MAX_STEEPNESS: f32 = 8.0;

/// The exponents of `gamma` at the amounts −1 and 1 are this number and its reciprocal.
const MAX_GAMMA: f32 = 2.5;

/// The linear light up to which a longer exposure multiplies the light exactly. The sRGB value is 137.
const KNEE: f32 = 0.25;

/// The factor by which `exposure` multiplies linear light. An exposure of 100 multiplies by 4, which is two
/// photographic stops.
pub(super) fn exposure_gain(exposure: f32) -> f32 {
    (exposure / 50.0).exp2()
}

/// Multiplies a value by `gain` in linear light, as a longer or shorter exposure does. With a gain above 1,
/// light that would exceed [`KNEE`] follows a curve that continues the line without a kink and ends in white.
/// Therefore no tone is cut off. This curve is the rational function of [`multiply_odds`] between the knee
/// and white.
pub(super) fn amplify(value: f32, gain: f32) -> f32 {
    let light = to_linear(value) * gain;
    if gain <= 1.0 || light <= KNEE {
        return from_linear(light);
    }
    let (room, excess) = (1.0 - KNEE, gain - KNEE);
    from_linear(KNEE + room * multiply_odds((light - KNEE) / excess, excess / room))
}

/// Makes the middle tones darker or lighter: multiplies the odds of the value by `4^amount`.
pub(super) fn brightness(value: f32, amount: f32) -> f32 {
    multiply_odds(value, BRIGHTNESS_FACTOR.powf(amount))
}

/// Spreads the middle tones by a sigmoid through (0, 0), (½, ½) and (1, 1), or brings them closer together by
/// the inverse of the same sigmoid: `½ + tanh(β/2·(v − ½)) / (2·tanh(β/4))`, with `β = 8·√|amount|`. The
/// slope at ½ grows almost linearly with the amount. The formula is that of the option `-sigmoidal-contrast`
/// of ImageMagick, written with the hyperbolic tangent.
pub(super) fn contrast(value: f32, amount: f32) -> f32 {
    let steepness = MAX_STEEPNESS * amount.abs().sqrt();
    let end = (steepness / 4.0).tanh();
    if amount > 0.0 {
        0.5 + 0.5 * (steepness / 2.0 * (value - 0.5)).tanh() / end
    } else {
        0.5 + 2.0 / steepness * ((2.0 * value - 1.0) * end).atanh()
    }
}

/// The curve `v^(1/γ)`, with `γ = 2.5^amount`.
pub(super) fn gamma(value: f32, amount: f32) -> f32 {
    value.powf(MAX_GAMMA.powf(-amount))
}
