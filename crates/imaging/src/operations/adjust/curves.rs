//! The curves of `adjust`: sRGB values from 0–1 to 0–1 (the caller clamps), `amount` from −1 to 1, 0 being the identity.

use super::super::srgb::{from_linear, to_linear};

/// Factor of the light for `exposure`: 100 is two photographic stops, four times the light.
pub(super) fn exposure_gain(exposure: f32) -> f32 {
    (exposure / 50.0).exp2()
}

/// More light or less, in linear light, as a longer or shorter exposure would have given.
pub(super) fn amplify(value: f32, gain: f32) -> f32 {
    from_linear(to_linear(value) * gain)
}

/// Towards white or black: −1 is black, 1 white. The curve of GIMP's Brightness-Contrast, without its halving.
pub(super) fn brightness(value: f32, amount: f32) -> f32 {
    if amount < 0.0 { value * (1.0 + amount) } else { value + (1.0 - value) * amount }
}

/// A line through the middle with the slope `tan((amount + 1) · 45°)`: −1 is flat gray, 1 two tones. The curve of GIMP's
/// Brightness-Contrast.
pub(super) fn contrast(value: f32, amount: f32) -> f32 {
    // In `f64`, whose tangent of a right angle is very large and positive: that of `f32` is negative.
    let slope = ((f64::from(amount) + 1.0) * std::f64::consts::FRAC_PI_4).tan();
    (value - 0.5) * slope as f32 + 0.5
}

/// `v^(1/γ)` with γ from 1/4 (amount −1) to 4 (amount 1).
pub(super) fn gamma(value: f32, amount: f32) -> f32 {
    value.powf((-2.0 * amount).exp2())
}

/// Lifts (or lowers) the dark tones most, and leaves black and the light ones: `v + k·v·(1 − v)³`.
///
/// `k` is 2 upwards and 1 downwards, the largest round numbers for which the curve never falls.
pub(super) fn shadows(value: f32, amount: f32) -> f32 {
    let strength = if amount > 0.0 { 2.0 * amount } else { amount };
    value + strength * value * (1.0 - value).powi(3)
}

/// [`shadows`] turned by 180°: −1 brings the light tones down, 1 drives them up.
pub(super) fn highlights(value: f32, amount: f32) -> f32 {
    1.0 - shadows(1.0 - value, -amount)
}
