//! Effects that change each pixel independently of its neighbours: sepia, mono, invert, posterize, duotone.

use super::super::color_map::{ColorMap, saturate};
use super::super::tone_curve::multiply_odds;
use super::luma_map::LumaMap;
use crate::plan::Duotone;

/// The number of tones for a `posterize` amount of 1, and the number for an amount of 0, which changes
/// nothing.
const MIN_LEVELS: f32 = 4.0;
const MAX_LEVELS: f32 = 256.0;

/// The factors by which a full `sepia` multiplies the odds of red, green and blue.
const SEPIA_FACTORS: [f32; 3] = [1.4, 1.0, 0.65];

/// Replaces each colour by a brown of the same luma: the luma, of which the odds `v / (1 − v)` are multiplied
/// by another factor for each channel. Therefore black and white stay the same, and no tone is cut off.
/// `amount` is the share of the brown in the result (0–1).
pub(super) fn sepia(amount: f32) -> LumaMap {
    LumaMap::new(|luma| {
        let tone = f32::from(luma) / 255.0;
        (SEPIA_FACTORS.map(|factor| 255.0 * amount * multiply_odds(tone, factor)), 1.0 - amount)
    })
}

/// The `grayscale()` filter of the W3C Filter Effects Module.
pub(super) fn mono(amount: f32) -> ColorMap {
    let mut map = ColorMap::identity();
    map.matrix(saturate(1.0 - amount));
    map
}

/// Turns the image into its negative. Below an `amount` of 1 the result is a *solarised* photograph, as from
/// a print that got light while it was developed: tones up to `1 − amount` rise to white, and brighter tones
/// fall again. The result therefore has its full contrast at every amount.
///
/// The luma follows the line from `(0, max(0, 2·amount − 1))` to `(1 − amount, 1)` and the line from there to
/// `(1, max(0, 1 − 2·amount))`. The difference between each channel and the luma is multiplied by `1 −
/// 2·amount`. An amount of 1 is the `invert()` filter of the W3C Filter Effects Module.
pub(super) fn invert(amount: f32) -> LumaMap {
    let peak = 1.0 - amount;
    let (black, white) = ((2.0 * amount - 1.0).max(0.0), (1.0 - 2.0 * amount).max(0.0));
    let factor = 1.0 - 2.0 * amount;
    LumaMap::new(|luma| {
        let tone = f32::from(luma) / 255.0;
        let new = if amount > 0.0 && tone >= peak {
            1.0 - (1.0 - white) * (tone - peak) / amount
        } else {
            black + (1.0 - black) * tone / peak
        };
        ([(new - factor * tone) * 255.0; 3], factor)
    })
}

/// Reduces the luma to equally spaced tones from black to white, and keeps the differences between the
/// channels, so that no colour gets another hue. The number of tones is 4 divided by the amount: 16 for an
/// amount of 0.25, 8 for 0.5, and 4 for 1.
pub(super) fn posterize(amount: f32) -> LumaMap {
    let n_levels = (MIN_LEVELS / amount).round().min(MAX_LEVELS);
    LumaMap::new(|luma| {
        // Each tone replaces a range of luma values. All ranges have the same width.
        let level = (f32::from(luma) / 255.0 * n_levels).floor().min(n_levels - 1.0);
        ([255.0 * level / (n_levels - 1.0) - f32::from(luma); 3], 1.0)
    })
}

/// Replaces each colour by a mixture of two colours: black becomes `shadows`, white becomes `highlights`, and
/// between them the mixture is linear in luma (Rec. 709). The alpha of the mixture is the strength of the
/// effect; the alpha of the image is kept.
pub(super) fn duotone(colors: Duotone) -> LumaMap {
    let [shadows, highlights] =
        [colors.shadows, colors.highlights].map(|color| [color.r, color.g, color.b, color.a].map(f32::from));
    LumaMap::new(|luma| {
        let share = f32::from(luma) / 255.0;
        let [r, g, b, alpha] = std::array::from_fn(|i| shadows[i] * (1.0 - share) + highlights[i] * share);
        let strength = alpha / 255.0;
        ([r, g, b].map(|tone| tone * strength), 1.0 - strength)
    })
}
