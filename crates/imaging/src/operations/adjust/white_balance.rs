//! The attributes `temperature` and `tint`: computes the factors by which the linear light of each channel is
//! multiplied.

/// Colour temperature of the white point of sRGB (D65), in mired (10⁶ / kelvin).
const D65_MIRED: f32 = 153.75;

/// The number of mired per unit of `temperature`. A `temperature` of 100 means 4,100 K and −100 means 15,700
/// K. Both temperatures are within the range of the formula in [`daylight`].
const MIRED_PER_STEP: f32 = 0.9;

/// The number of photographic stops by which a `tint` of 100 darkens green. One stop halves the light.
const TINT_STOPS: f32 = 0.5;

/// Weights of linear R, G and B in luminance (IEC 61966-2-1).
const LUMINANCE: [f32; 3] = [0.2126, 0.7152, 0.0722];

/// Returns the factors for linear red, green and blue. Positive `temperature` makes the image more yellow,
/// positive `tint` makes it more magenta, as in Lightroom. Both arguments are from −100 to 100. The luminance
/// of gray stays the same.
pub(super) fn gains(temperature: f32, tint: f32) -> [f32; 3] {
    let light = daylight(D65_MIRED + MIRED_PER_STEP * temperature);
    let reference = daylight(D65_MIRED);
    let mut gains: [f32; 3] = std::array::from_fn(|i| light[i] / reference[i]);
    gains[1] *= (-TINT_STOPS * tint / 100.0).exp2();
    let luminance: f32 = gains.iter().zip(LUMINANCE).map(|(gain, weight)| gain * weight).sum();
    gains.map(|gain| gain / luminance)
}

/// The linear sRGB colour of daylight with a colour temperature of 40 to 250 mired (25,000 to 4,000 K). The
/// formulas are the daylight locus of CIE 15:2004, section 3.1, and the XYZ matrix of IEC 61966-2-1.
fn daylight(mired: f32) -> [f32; 3] {
    let t = mired / 1000.0;
    let x = if mired > 1e6 / 7000.0 {
        0.244_063 + t * (0.099_11 + t * (2.967_8 - 4.607_0 * t))
    } else {
        0.237_040 + t * (0.247_48 + t * (1.901_8 - 2.006_4 * t))
    };
    let y = -3.0 * x * x + 2.870 * x - 0.275;
    let [x, z] = [x / y, (1.0 - x - y) / y];
    [
        3.240_6 * x - 1.537_2 - 0.498_6 * z,
        -0.968_9 * x + 1.875_8 + 0.041_5 * z,
        0.055_7 * x - 0.204_0 + 1.057_0 * z,
    ]
}
