//! Profiles for colours that a file names by code points (ITU-T H.273) instead of describing them.

use moxcms::TransferCharacteristics;
use moxcms::{CicpColorPrimaries, CicpProfile, ColorProfile, MatrixCoefficients, ToneReprCurve};

/// Luminance of the white of a text page in HDR video, in cd/m² (ITU-R BT.2408): what becomes white here.
const WHITE: f64 = 203.0;

/// Luminance that is still told apart; what is brighter becomes white. Most HDR pictures are graded for this.
const PEAK: f64 = 1000.0;

/// Share of the output range that is kept linear; what is above is compressed into the rest.
const KNEE: f64 = 0.7;

/// Samples of a tone curve.
const N_SAMPLES: u32 = 1024;

/// An ICC profile for these primaries and this transfer function; `None` for sRGB and for what means nothing to us, which
/// is taken as sRGB.
///
/// The transfer functions of television (1, 6, 11, 12, 14, 15) count as that of sRGB: files are tagged with them by
/// default, and are meant to look like it. PQ (16) and HLG (18) are brought into range by a curve of our own: linear up
/// to a knee, above it bent so that [`PEAK`] becomes white.
pub(crate) fn cicp_profile(primaries: u16, transfer: u16) -> Option<Vec<u8>> {
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
        16 => Some(|v| compressed(from_pq(v) / WHITE)),
        17 => Some(|v| (v.powf(2.6) * 52.37 / 48.0).min(1.0)),
        18 => Some(|v| compressed(from_hlg(v) / WHITE)),
        _ => None,
    };
    if known.is_none() && curve.is_none() {
        return None;
    }
    let mut profile = ColorProfile::new_from_cicp(CicpProfile {
        color_primaries: known.unwrap_or(CicpColorPrimaries::Bt709),
        transfer_characteristics: TransferCharacteristics::Srgb,
        matrix_coefficients: MatrixCoefficients::Identity,
        full_range: true,
    });
    if let Some(curve) = curve {
        let sample = |i: u32| {
            let value = curve(f64::from(i) / f64::from(N_SAMPLES - 1));
            (value.clamp(0.0, 1.0) * 65535.0).round() as u16
        };
        let table = ToneReprCurve::Lut((0..N_SAMPLES).map(sample).collect());
        profile.red_trc = Some(table.clone());
        profile.green_trc = Some(table.clone());
        profile.blue_trc = Some(table);
    }
    // It would be believed instead of the curves.
    profile.cicp = None;
    profile.encode().ok()
}

/// Luminance in cd/m² of a PQ value (SMPTE ST 2084).
fn from_pq(value: f64) -> f64 {
    let (m1, m2) = (2610.0 / 16384.0, 2523.0 / 4096.0 * 128.0);
    let (c1, c2, c3) = (3424.0 / 4096.0, 2413.0 / 4096.0 * 32.0, 2392.0 / 4096.0 * 32.0);
    let root = value.powf(1.0 / m2);
    10_000.0 * ((root - c1).max(0.0) / (c2 - c3 * root)).powf(1.0 / m1)
}

/// Luminance in cd/m² of a gray HLG value on a display of 1000 cd/m² (ITU-R BT.2100).
fn from_hlg(value: f64) -> f64 {
    let (a, b, c) = (0.178_832_77, 0.284_668_92, 0.559_910_73);
    let scene = if value <= 0.5 { value * value / 3.0 } else { (((value - c) / a).exp() + b) / 12.0 };
    1000.0 * scene.powf(1.2)
}

/// Bends luminances relative to white so that [`PEAK`] becomes 1.
fn compressed(light: f64) -> f64 {
    if light <= KNEE {
        return light;
    }
    let (above, range) = ((light - KNEE) / (1.0 - KNEE), (PEAK / WHITE - KNEE) / (1.0 - KNEE));
    // The extended curve of Reinhard et al. (2002), which has slope 1 at the knee.
    KNEE + (1.0 - KNEE) * (above * (1.0 + above / (range * range)) / (1.0 + above)).min(1.0)
}
