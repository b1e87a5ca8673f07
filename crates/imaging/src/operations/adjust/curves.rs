//! The curves of `adjust`. They map sRGB values from 0–1 to 0–1 (the caller clamps). `amount` is from −1 to
//! 1, and 0 is the identity.

use super::super::srgb::{from_linear, to_linear};

/// The factor of linear light for `exposure`: 100 means two photographic stops, which is four times the
/// light.
pub(super) fn exposure_gain(exposure: f32) -> f32 {
    (exposure / 50.0).exp2()
}

/// Multiplies the linear light of a value, like a longer or shorter exposure.
pub(super) fn amplify(value: f32, gain: f32) -> f32 {
    from_linear(to_linear(value) * gain)
}

/// Moves a value towards white or black: an amount of −1 gives black, 1 gives white. The curve of GIMP's
/// Brightness-Contrast, without its halving of the amount.
pub(super) fn brightness(value: f32, amount: f32) -> f32 {
    if amount < 0.0 { value * (1.0 + amount) } else { value + (1.0 - value) * amount }
}

/// A line through the middle with the slope `tan((amount + 1) · 45°)`: −1 gives flat gray, 1 gives two tones.
/// The curve of GIMP's Brightness-Contrast.
pub(super) fn contrast(value: f32, amount: f32) -> f32 {
    // Computed in `f64`, whose tangent of 90° is very large and positive. The tangent of `f32` is negative
    // there.
    let slope = ((f64::from(amount) + 1.0) * std::f64::consts::FRAC_PI_4).tan();
    (value - 0.5) * slope as f32 + 0.5
}

/// The curve `v^(1/γ)`, with γ from 1/4 (amount −1) to 4 (amount 1).
pub(super) fn gamma(value: f32, amount: f32) -> f32 {
    value.powf((-2.0 * amount).exp2())
}

/// Raises (or lowers) dark tones most and keeps black and light tones: `v + k·v·(1 − v)³`.
///
/// `k` is 2 for positive amounts and 1 for negative amounts: the largest round numbers for which the curve is
/// monotonic.
pub(super) fn shadows(value: f32, amount: f32) -> f32 {
    let strength = if amount > 0.0 { 2.0 * amount } else { amount };
    value + strength * value * (1.0 - value).powi(3)
}

/// The curve of [`shadows`] rotated by 180°: an amount of −1 lowers the light tones, 1 raises them.
pub(super) fn highlights(value: f32, amount: f32) -> f32 {
    1.0 - shadows(1.0 - value, -amount)
}
