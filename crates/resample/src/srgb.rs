//! The sRGB transfer function of IEC 61966-2-1. The function is only used to build lookup tables, because it
//! is too slow to run for each pixel.

/// Converts an sRGB value (0–1) to linear light (0–1).
pub fn to_linear(value: f32) -> f32 {
    if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

/// Converts linear light (0–1) to an sRGB value (0–1).
pub fn from_linear(light: f32) -> f32 {
    if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
}
