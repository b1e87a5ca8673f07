//! The curve with which `brightness`, `shadows`, `highlights` and `sepia` change tones.

/// Multiplies the odds `v / (1 − v)` of a value by `factor`: `v·f / (1 + v·(f − 1))`. A factor above 1 makes
/// the middle tones lighter, a factor below 1 makes them darker. Black (0) and white (1) stay the same, the
/// slope is `factor` at black and `1 / factor` at white, and the curve with the factor `1 / f` is the inverse
/// of the curve with the factor `f`.
///
/// This is the function *bias* of Christophe Schlick: *Fast alternatives to Perlin's bias and gain
/// functions*, Graphics Gems IV, 1994, with `b = f / (1 + f)`.
pub(super) fn multiply_odds(value: f32, factor: f32) -> f32 {
    value * factor / (1.0 + value * (factor - 1.0))
}

/// A smooth transition: 0 up to `from`, 1 from `to` on, and the cubic `t²·(3 − 2t)` between them.
pub(super) fn smoothstep(from: f32, to: f32, value: f32) -> f32 {
    let t = ((value - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}
