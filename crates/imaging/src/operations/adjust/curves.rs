//! The curves of `adjust`: functions that map an sRGB value (0–1) to another sRGB value, which the caller
//! clamps to 0–1. `amount` is from −1 to 1; an amount of 0 leaves the value unchanged.

use super::super::srgb::{from_linear, to_linear};

/// The factor by which `exposure` multiplies linear light. An exposure of 100 multiplies by 4, which is two
/// photographic stops.
pub(super) fn exposure_gain(exposure: f32) -> f32 {
    (exposure / 50.0).exp2()
}

/// Multiplies a value by `gain` in linear light, as a longer or shorter exposure does.
pub(super) fn amplify(value: f32, gain: f32) -> f32 {
    from_linear(to_linear(value) * gain)
}

/// Moves a value towards white or black: an amount of −1 gives black, 1 gives white. The curve is that of
/// GIMP's Brightness-Contrast tool, except that GIMP halves the amount.
pub(super) fn brightness(value: f32, amount: f32) -> f32 {
    if amount < 0.0 { value * (1.0 + amount) } else { value + (1.0 - value) * amount }
}

/// A line through the point (½, ½) with the slope `tan((amount + 1) · 45°)`: with an amount of −1 every value
/// becomes ½, with 1 every value becomes 0 or 1. The curve is that of GIMP's Brightness-Contrast tool.
pub(super) fn contrast(value: f32, amount: f32) -> f32 {
    // The tangent is computed in `f64`. The computed tangent of 90° is a very large positive number in `f64`,
    // but a negative number in `f32`.
    let slope = ((f64::from(amount) + 1.0) * std::f64::consts::FRAC_PI_4).tan();
    (value - 0.5) * slope as f32 + 0.5
}

/// The curve `v^(1/γ)`, with γ from 1/4 (amount −1) to 4 (amount 1).
pub(super) fn gamma(value: f32, amount: f32) -> f32 {
    value.powf((-2.0 * amount).exp2())
}

/// Makes dark tones lighter (positive amount) or darker (negative amount), and hardly changes black and light
/// tones: `v + amount·k·v·(1 − v)³`.
///
/// `k` is 2 for positive amounts and 1 for negative amounts. These are the largest whole numbers with which
/// the curve never falls.
pub(super) fn shadows(value: f32, amount: f32) -> f32 {
    let strength = if amount > 0.0 { 2.0 * amount } else { amount };
    value + strength * value * (1.0 - value).powi(3)
}

/// Makes light tones lighter (positive amount) or darker (negative amount): the curve of [`shadows`], rotated
/// by 180° around (½, ½).
pub(super) fn highlights(value: f32, amount: f32) -> f32 {
    1.0 - shadows(1.0 - value, -amount)
}
