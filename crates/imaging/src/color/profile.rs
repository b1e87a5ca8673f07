//! Recognises sRGB profiles by their values, because many programs write such profiles with different names
//! and bytes. Most profiles in files are sRGB profiles, and pixels with such a profile need no conversion.

use moxcms::{ColorProfile, ToneReprCurve};

/// The largest difference between a colorant coordinate of a profile and that of sRGB at which the profile
/// still counts as sRGB. Profiles with the name sRGB differ by up to 0.0007. Display P3, the most similar
/// other colour space, differs by 0.08.
const MAX_COLORANT_DIFFERENCE: f64 = 0.002;

/// The largest difference between a tone curve of a profile and that of sRGB at which the profile still
/// counts as sRGB. The difference is measured in linear light from 0 to 1, where half of an 8-bit level is
/// 0.00015 for dark values and 0.0045 for bright values. The curve of gamma 2.2 differs from that of sRGB by
/// 0.007.
const MAX_CURVE_DIFFERENCE: f64 = 0.002;

/// The X, Y, Z coordinates of red, green and blue of sRGB, adapted to D50 (IEC 61966-2-1, Bradford transform
/// of ICC.1).
const SRGB_COLORANTS: [[f64; 3]; 3] =
    [[0.436_07, 0.222_49, 0.013_92], [0.385_15, 0.716_87, 0.097_08], [0.143_07, 0.060_61, 0.714_10]];

/// Whether the profile has the primaries and tone curves of sRGB, and no lookup tables.
pub(super) fn is_srgb(profile: &ColorProfile) -> bool {
    if profile.lut_a_to_b_perceptual.is_some() || profile.lut_a_to_b_colorimetric.is_some() {
        return false;
    }
    let colorants = [profile.red_colorant, profile.green_colorant, profile.blue_colorant];
    let same_primaries = colorants.iter().zip(SRGB_COLORANTS).all(|(colorant, srgb)| {
        [colorant.x, colorant.y, colorant.z]
            .iter()
            .zip(srgb)
            .all(|(a, b)| (a - b).abs() <= MAX_COLORANT_DIFFERENCE)
    });
    same_primaries
        && [&profile.red_trc, &profile.green_trc, &profile.blue_trc]
            .into_iter()
            .all(|curve| curve.as_ref().is_some_and(is_srgb_curve))
}

fn is_srgb_curve(curve: &ToneReprCurve) -> bool {
    (0..=32).all(|i| {
        let x = f64::from(i) / 32.0;
        evaluate(curve, x).is_some_and(|y| (y - srgb_to_linear(x)).abs() <= MAX_CURVE_DIFFERENCE)
    })
}

fn srgb_to_linear(x: f64) -> f64 {
    if x <= 0.040_45 { x / 12.92 } else { ((x + 0.055) / 1.055).powf(2.4) }
}

/// The value of a tone curve at `x`. A curve of ICC.1 is a table, a single exponent, or a formula of one of
/// the types 0 to 4, which differ in the number of parameters. `None` if no supported type has this number of
/// parameters.
pub(super) fn evaluate(curve: &ToneReprCurve, x: f64) -> Option<f64> {
    match curve {
        ToneReprCurve::Lut(table) => match table.as_slice() {
            [] => Some(x),
            [exponent] => Some(x.powf(f64::from(*exponent) / 256.0)),
            table => {
                let position = x * (table.len() - 1) as f64;
                let below = position.floor() as usize;
                let above = (below + 1).min(table.len() - 1);
                let (low, high) = (f64::from(table[below]), f64::from(table[above]));
                Some((low + (high - low) * position.fract()) / 65535.0)
            }
        },
        ToneReprCurve::Parametric(parameters) => {
            let parameters: Vec<f64> = parameters.iter().map(|&p| f64::from(p)).collect();
            match *parameters.as_slice() {
                [g] => Some(x.powf(g)),
                [g, a, b] => Some((a * x + b).max(0.0).powf(g)),
                [g, a, b, c] => Some((a * x + b).max(0.0).powf(g) + c),
                [g, a, b, c, d] => Some(if x >= d { (a * x + b).powf(g) } else { c * x }),
                [g, a, b, c, d, e, f] => Some(if x >= d { (a * x + b).powf(g) + e } else { c * x + f }),
                _ => None,
            }
        }
    }
}
