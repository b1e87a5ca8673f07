//! The operation `auto.enhance`: stretches the tones so that the darkest 0.5 % of the pixels become black and
//! the brightest 0.5 % white, then adds a little contrast and saturation. All channels use the same curve, so
//! that no colour cast appears or disappears.

use super::Context;
use super::channels::luma;
use super::color_map::{ColorMap, saturate};
use super::picture::Picture;
use super::tone_curve::smoothstep;
use crate::{Channels, Error, Image, Plan, Scratch};

/// The largest share of the pixels that the stretch may turn black, and the largest share that it may turn
/// white.
const CLIPPED_SHARE: f64 = 0.005;

/// The highest luma that may become black. The lowest luma that may become white is 255 minus this value.
/// Therefore the stretch at most doubles the contrast.
const MAX_LEVEL_SHIFT: f32 = 64.0;

/// The minimum number of levels between the luma that becomes black and the luma that becomes white. An image
/// with a smaller distance stays unchanged, because it is probably a flat graphic whose tones are
/// intentional.
const MIN_TONES: usize = 16;

const CONTRAST: f32 = 0.1;
const SATURATION: f32 = 1.05;

pub(super) fn run(
    picture: Picture,
    plan: &Plan,
    _: &Context<'_>,
    scratch: &mut Scratch,
) -> Result<Picture, Error> {
    if !plan.enhance {
        return Ok(picture);
    }
    let image = picture.into_image(scratch);
    let Some((black, white)) = levels(&histogram(&image)) else { return Ok(image.into()) };
    let mut map = ColorMap::identity();
    map.curve(|value| (value - black) / (white - black));
    // Adds contrast: a weighted mean of the value and the curve 3v² − 2v³, which keeps the values 0, ½ and 1.
    map.curve(|value| value + CONTRAST * (smoothstep(0.0, 1.0, value) - value));
    map.matrix(saturate(SATURATION));
    Ok(map.apply(image, scratch).into())
}

/// For each luma value, the number of visible pixels that have this luma.
fn histogram(image: &Image) -> [u64; 256] {
    let mut counts = [0; 256];
    match image.channels() {
        Channels::Gray => image.data().iter().for_each(|&value| counts[usize::from(value)] += 1),
        Channels::Rgb => {
            image.data().as_chunks::<3>().0.iter().for_each(|&pixel| counts[usize::from(luma(pixel))] += 1);
        }
        Channels::Rgba => {
            for &[r, g, b, a] in image.data().as_chunks::<4>().0 {
                counts[usize::from(luma([r, g, b]))] += u64::from(a > 0);
            }
        }
    }
    counts
}

/// Returns the luma (0–1) that becomes black, and the luma that becomes white. `None` if the two are fewer
/// than `MIN_TONES` levels apart, or if no pixel is visible.
fn levels(counts: &[u64; 256]) -> Option<(f32, f32)> {
    let n_clipped = (counts.iter().sum::<u64>() as f64 * CLIPPED_SHARE) as u64;
    let exceeds = |n_clipped: u64| {
        let mut n_seen = 0;
        move |count: &u64| {
            n_seen += count;
            n_seen > n_clipped
        }
    };
    let black = counts.iter().position(exceeds(n_clipped))?;
    let white = 255 - counts.iter().rev().position(exceeds(n_clipped))?;
    if white < black + MIN_TONES {
        return None;
    }
    let black = (black as f32).min(MAX_LEVEL_SHIFT);
    let white = (white as f32).max(255.0 - MAX_LEVEL_SHIFT);
    Some((black / 255.0, white / 255.0))
}
