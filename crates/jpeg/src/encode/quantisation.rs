//! The quantisation tables, and how a quality scales them.
//!
//! The tables are a formula with a few parameters, which were chosen so that 16 photographs (Kodak and CID22)
//! need the fewest bytes at equal SSIMULACRA2 score. The steps rise more slowly with the frequency than those of
//! T.81 annex K: errors of high frequencies are less visible, but blocks without them look soft.

use std::sync::LazyLock;

/// A quantisation table as a formula: the step of the coefficient with the frequencies `u` and `v` is
/// `first · (1 + (√(u² + v²) / knee)^power)`.
struct Formula {
    /// The step of the DC coefficient.
    dc: f64,
    first: f64,
    knee: f64,
    power: f64,
}

const LUMA: Formula = Formula { dc: 10.0, first: 14.0, knee: 3.0, power: 1.5 };
const CHROMA: Formula = Formula { dc: 10.0, first: 10.0, knee: 1.5, power: 1.2 };

/// Returns the scale of the tables at a quality, which is near 1 at the quality 50. The IJG library scales its
/// tables by `5000 / quality` percent below 50 and by `200 - 2 · quality` percent from there on. The factor
/// `equal_look` gives photographs the same median SSIMULACRA2 score, within one point, as the tables of annex K with
/// the scale of the IJG library. Coefficients that are only rounded lose less than in the trellis, so that
/// larger steps look equally good.
pub(super) fn scale(quality: u8, only_rounded: bool) -> f64 {
    let quality = f64::from(quality.clamp(1, 100));
    let ijg = if quality < 50.0 { 50.0 / quality } else { 2.0 - quality / 50.0 };
    let equal_look = 0.9 + 0.17 * ((quality - 60.0) / 30.0).clamp(0.0, 1.0);
    ijg * equal_look * if only_rounded { 1.05 } else { 1.0 }
}

/// The steps for luma and chroma at the scale 1, in natural (row-major) order. They are computed once, because the
/// estimate of the quality of a file needs the tables of all qualities.
static STEPS: LazyLock<[[f64; 64]; 2]> = LazyLock::new(|| {
    [LUMA, CHROMA].map(|formula| {
        std::array::from_fn(|i| {
            let frequency = ((i % 8) as f64).hypot((i / 8) as f64);
            let step = formula.first * (1.0 + (frequency / formula.knee).powf(formula.power));
            if i == 0 { formula.dc } else { step }
        })
    })
});

/// Returns the quantisation tables for luma and chroma at a scale, in natural (row-major) order.
pub(super) fn tables(scale: f64) -> [[u8; 64]; 2] {
    STEPS.map(|steps| steps.map(|step| (step * scale).round().clamp(1.0, 255.0) as u8))
}
