//! `auto.enhance`: levels by percentile, then a little contrast and saturation. The same curve for all channels, so
//! that no colour cast appears or disappears.

use super::Context;
use super::channels::luma;
use super::color_map::{ColorMap, saturate};
use super::picture::Picture;
use crate::{Channels, Error, Image, Plan, Scratch};

/// This share of the pixels may become black, and as many white.
const CLIPPED: f64 = 0.005;

/// The stretch begins no higher than this value and ends no lower than 255 less it: at most a doubling of contrast.
const MOST_STRETCHED: f32 = 64.0;

/// A picture with fewer tones than this between the percentiles is a flat graphic, and its levels are meant.
const FEWEST_TONES: usize = 16;

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
    // Part of the way to the smooth step 3v² − 2v³, which leaves black, white and the middle where they are.
    map.curve(|value| value + CONTRAST * (value * value * (3.0 - 2.0 * value) - value));
    map.matrix(saturate(SATURATION));
    Ok(map.apply(image, scratch).into())
}

/// How often each luma occurs among the pixels that can be seen.
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

/// The values (0–1) that become black and white, or nothing for a picture without enough tones.
fn levels(counts: &[u64; 256]) -> Option<(f32, f32)> {
    let spared = (counts.iter().sum::<u64>() as f64 * CLIPPED) as u64;
    let beyond = |spared: u64| {
        let mut seen = 0;
        move |count: &u64| {
            seen += count;
            seen > spared
        }
    };
    let black = counts.iter().position(beyond(spared))?;
    let white = 255 - counts.iter().rev().position(beyond(spared))?;
    if white < black + FEWEST_TONES {
        return None;
    }
    let black = (black as f32).min(MOST_STRETCHED);
    let white = (white as f32).max(255.0 - MOST_STRETCHED);
    Some((black / 255.0, white / 255.0))
}
