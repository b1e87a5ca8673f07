//! Creates ICC profiles for colour spaces that a file describes by the chromaticities of its primaries and by a
//! gamma value.

use moxcms::{Chromaticity, ColorPrimaries, ColorProfile, ToneReprCurve, XyY};

/// Number of samples in a tone curve.
const N_SAMPLES: u32 = 1024;

/// The gamma value that counts as the curve of sRGB, although that curve is not a power function. Most files
/// that state this value contain sRGB values.
const SRGB_GAMMA: f64 = 1.0 / 2.2;

/// The largest relative difference from [`SRGB_GAMMA`] at which a gamma value still counts as the curve of
/// sRGB. The value is the tolerance of libpng.
const MAX_GAMMA_DIFFERENCE: f64 = 0.05;

/// The largest difference between a chromaticity and that of sRGB at which the primaries still count as those
/// of sRGB. The value is the tolerance of libpng.
const MAX_CHROMATICITY_DIFFERENCE: f64 = 0.01;

/// The range of usable exponents. An exponent outside of this range makes nearly all values black or white.
const EXPONENTS: std::ops::RangeInclusive<f64> = 0.1..=10.0;

/// The chromaticities x and y of the white point and of the primaries of a colour space (CIE 1931).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chromaticities {
    pub(crate) white: [f64; 2],
    pub(crate) red: [f64; 2],
    pub(crate) green: [f64; 2],
    pub(crate) blue: [f64; 2],
}

impl Chromaticities {
    /// The chromaticities of sRGB (IEC 61966-2-1).
    const SRGB: Self =
        Self { white: [0.3127, 0.3290], red: [0.64, 0.33], green: [0.30, 0.60], blue: [0.15, 0.06] };

    fn all(&self) -> [[f64; 2]; 4] {
        [self.white, self.red, self.green, self.blue]
    }

    fn is_srgb(&self) -> bool {
        let mut pairs = self.all().into_iter().flatten().zip(Self::SRGB.all().into_iter().flatten());
        pairs.all(|(a, b)| (a - b).abs() <= MAX_CHROMATICITY_DIFFERENCE)
    }

    /// Whether the values describe a colour space: every chromaticity is inside of the triangle of all
    /// chromaticities, and the primaries are the corners of a triangle.
    fn is_valid(&self) -> bool {
        let [rx, ry] = self.red;
        let [[gx, gy], [bx, by]] = [self.green, self.blue];
        let doubled_area = (gx - rx) * (by - ry) - (bx - rx) * (gy - ry);
        self.all().iter().all(|&[x, y]| x >= 0.0 && y > 0.0 && x + y <= 1.0) && doubled_area.abs() > 0.001
    }
}

/// Returns an ICC profile for a colour space. `gamma` is the exponent with which the values of the file were
/// computed from light, for example 1 for linear values; without it, the curve is that of sRGB. Without
/// `chromaticities`, the primaries are those of sRGB. The profile is for gray pixels if `is_gray`, else for RGB
/// pixels. Returns `None` if the colour space is practically sRGB.
///
/// # Errors
/// An error is a message for the user of the API: which of the two values cannot be used.
pub(crate) fn gamma_profile(
    gamma: Option<f64>,
    chromaticities: Option<Chromaticities>,
    is_gray: bool,
) -> Result<Option<Vec<u8>>, &'static str> {
    let exponent = gamma
        .filter(|gamma| (gamma / SRGB_GAMMA - 1.0).abs() > MAX_GAMMA_DIFFERENCE)
        .map(|gamma| 1.0 / gamma);
    if exponent.is_some_and(|exponent| !EXPONENTS.contains(&exponent)) {
        return Err("its gamma value is invalid");
    }
    let curve = exponent.map(|exponent| move |v: f64| v.powf(exponent));
    if is_gray {
        return Ok(curve.and_then(gray_profile));
    }
    let primaries = chromaticities.filter(|chromaticities| !chromaticities.is_srgb());
    if primaries.is_some_and(|primaries| !primaries.is_valid()) {
        return Err("its chromaticities are invalid");
    }
    if curve.is_none() && primaries.is_none() {
        return Ok(None);
    }
    let mut profile = ColorProfile::new_srgb();
    if let Some(Chromaticities { white, red, green, blue }) = primaries {
        let point = |[x, y]: [f64; 2]| Chromaticity::new(x as f32, y as f32);
        let primaries = ColorPrimaries { red: point(red), green: point(green), blue: point(blue) };
        profile.update_rgb_colorimetry(XyY { x: white[0], y: white[1], yb: 1.0 }, primaries);
    }
    if let Some(curve) = curve {
        set_curves(&mut profile, curve);
    }
    // Remove the code points of sRGB, because readers of the profile would use them instead of the curves.
    profile.cicp = None;
    Ok(profile.encode().ok())
}

/// Sets the three tone curves of an RGB profile. `curve` maps a value of the file to light; both are in the
/// range from 0 to 1.
pub(super) fn set_curves(profile: &mut ColorProfile, curve: impl Fn(f64) -> f64) {
    let table = sampled(curve);
    profile.red_trc = Some(table.clone());
    profile.green_trc = Some(table.clone());
    profile.blue_trc = Some(table);
}

/// Returns a profile for gray pixels. `curve` maps a value of the file to light; both are in the range from 0
/// to 1.
pub(super) fn gray_profile(curve: impl Fn(f64) -> f64) -> Option<Vec<u8>> {
    let mut profile = ColorProfile::new_gray_with_gamma(1.0);
    profile.gray_trc = Some(sampled(curve));
    profile.encode().ok()
}

fn sampled(curve: impl Fn(f64) -> f64) -> ToneReprCurve {
    let sample = |i: u32| {
        let value = curve(f64::from(i) / f64::from(N_SAMPLES - 1));
        (value.clamp(0.0, 1.0) * 65535.0).round() as u16
    };
    ToneReprCurve::Lut((0..N_SAMPLES).map(sample).collect())
}
