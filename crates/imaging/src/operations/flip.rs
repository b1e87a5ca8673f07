//! The operation `flip`: mirrors the image in place, without a second buffer.

use super::Context;
use super::picture::Picture;
use crate::{Channels, Error, Image, Plan, Scratch};

pub(super) fn run(picture: Picture, plan: &Plan, _: &Context<'_>, _: &mut Scratch) -> Result<Picture, Error> {
    let Some(flip) = plan.flip else { return Ok(picture) };
    Ok(picture.edited(|image| {
        if flip.horizontal {
            match image.channels() {
                Channels::Gray => mirror_rows::<1>(image),
                Channels::Rgb => mirror_rows::<3>(image),
                Channels::Rgba => mirror_rows::<4>(image),
            }
        }
        if flip.vertical {
            swap_rows(image);
        }
    }))
}

/// Mirrors every row, so that left and right are exchanged.
fn mirror_rows<const N: usize>(image: &mut Image) {
    let stride = image.width() as usize * N;
    for row in image.data_mut().chunks_exact_mut(stride) {
        row.as_chunks_mut::<N>().0.reverse();
    }
}

/// Exchanges the rows, so that top and bottom are exchanged.
fn swap_rows(image: &mut Image) {
    let stride = image.width() as usize * image.channels().count();
    let n_half = image.height() as usize / 2 * stride;
    let (upper, rest) = image.data_mut().split_at_mut(n_half);
    for (a, b) in upper.chunks_exact_mut(stride).zip(rest.rchunks_exact_mut(stride)) {
        a.swap_with_slice(b);
    }
}
