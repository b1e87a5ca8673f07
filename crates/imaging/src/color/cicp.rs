//! Creates ICC profiles for colour spaces that a file specifies by the code points of ITU-T H.273.

use moxcms::TransferCharacteristics;
use moxcms::{CicpColorPrimaries, CicpProfile, ColorProfile, MatrixCoefficients};

use super::described::{gray_profile, set_curves};

/// The luminance of reference white in HDR video, in cd/m² (ITU-R BT.2408). The tone curve computes with
/// luminances that are divided by this value.
const WHITE: f64 = 203.0;

/// The peak luminance, in cd/m². This luminance and every higher luminance become white in sRGB. Most HDR
/// images are graded for this peak.
const PEAK: f64 = 1000.0;

/// The knee of the tone curve, as a multiple of reference white. Luminances up to the knee stay unchanged.
/// Luminances from the knee to [`PEAK`] are compressed into the range from the knee to 1.
const KNEE: f64 = 0.7;

/// Returns an ICC profile for the code points of the primaries and of the transfer function. An unknown code
/// point is treated as that of sRGB. `None` if both code points are those of sRGB. The profile is for gray
/// pixels if `is_gray`, else for RGB pixels. The primaries do not affect gray pixels.
///
/// The transfer functions of television (1, 6, 11, 12, 14, 15) are treated as the transfer function of sRGB,
/// because many programs write these code points by default into files whose values are sRGB. PQ (16) and HLG
/// (18) are mapped to the sRGB range by a curve that is linear up to a knee. Above the knee the curve
/// compresses luminance, so that [`PEAK`] becomes white.
pub(crate) fn cicp_profile(primaries: u16, transfer: u16, is_gray: bool) -> Option<Vec<u8>> {
    let known = match primaries {
        4 => Some(CicpColorPrimaries::Bt470M),
        5 => Some(CicpColorPrimaries::Bt470Bg),
        6 | 7 => Some(CicpColorPrimaries::Bt601),
        8 => Some(CicpColorPrimaries::GenericFilm),
        9 => Some(CicpColorPrimaries::Bt2020),
        11 => Some(CicpColorPrimaries::Smpte431),
        12 => Some(CicpColorPrimaries::Smpte432),
        22 => Some(CicpColorPrimaries::Ebu3213),
        _ => None,
    };
    let curve: Option<fn(f64) -> f64> = match transfer {
        4 => Some(|v| v.powf(2.2)),
        5 => Some(|v| v.powf(2.8)),
        8 => Some(|v| v),
        16 => Some(|v| compress(from_pq(v) / WHITE)),
        17 => Some(|v| (v.powf(2.6) * 52.37 / 48.0).min(1.0)),
        18 => Some(|v| compress(from_hlg(v) / WHITE)),
        _ => None,
    };
    if known.is_none() && curve.is_none() {
        return None;
    }
    if is_gray {
        return curve.and_then(gray_profile);
    }
    let mut profile = ColorProfile::new_from_cicp(CicpProfile {
        color_primaries: known.unwrap_or(CicpColorPrimaries::Bt709),
        transfer_characteristics: TransferCharacteristics::Srgb,
        matrix_coefficients: MatrixCoefficients::Identity,
        full_range: true,
    });
    if let Some(curve) = curve {
        set_curves(&mut profile, curve);
    }
    // Remove the code points from the profile, because readers of the profile would use the code points
    // instead of the curves.
    profile.cicp = None;
    profile.encode().ok()
}

/// Converts a PQ value (SMPTE ST 2084) to luminance in cd/m².
fn from_pq(value: f64) -> f64 {
    let (m1, m2) = (2610.0 / 16384.0, 2523.0 / 4096.0 * 128.0);
    let (c1, c2, c3) = (3424.0 / 4096.0, 2413.0 / 4096.0 * 32.0, 2392.0 / 4096.0 * 32.0);
    let root = value.powf(1.0 / m2);
    10_000.0 * ((root - c1).max(0.0) / (c2 - c3 * root)).powf(1.0 / m1)
}

/// Converts a gray HLG value to luminance in cd/m², on a display with a peak of 1000 cd/m² (ITU-R BT.2100).
fn from_hlg(value: f64) -> f64 {
    let (a, b, c) = (0.178_832_77, 0.284_668_92, 0.559_910_73);
    let scene = if value <= 0.5 { value * value / 3.0 } else { (((value - c) / a).exp() + b) / 12.0 };
    1000.0 * scene.powf(1.2)
}

/// Compresses a luminance so that [`PEAK`] becomes 1. `light` is the luminance divided by the luminance of
/// reference white.
fn compress(light: f64) -> f64 {
    if light <= KNEE {
        return light;
    }
    let (above, range) = ((light - KNEE) / (1.0 - KNEE), (PEAK / WHITE - KNEE) / (1.0 - KNEE));
    // This is the extended tone curve of Reinhard et al. (2002). Its slope at the knee is 1, so that it
    // continues the linear part of the curve smoothly.
    KNEE + (1.0 - KNEE) * (above * (1.0 + above / (range * range)) / (1.0 + above)).min(1.0)
}
