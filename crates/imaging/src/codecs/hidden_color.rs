//! Extends the colours of visible pixels into transparent areas, before a picture is coded with loss.
//!
//! The colour of a transparent pixel is not visible, and is black in most pictures. A lossy encoder codes the
//! step from the visible colour to black, and its errors are visible along the edge as an outline. If the
//! hidden colour continues the visible colour, there is no step. Lossless encoders do not need this, and keep
//! the hidden colours as they are.

use crate::{Channels, Image, Scratch};

/// The distance of a pixel from which no visible pixel was reached yet.
const UNKNOWN: u8 = u8::MAX;

/// The largest distance that is distinguished. The hidden colours of pixels at larger distances do not affect
/// the edge.
const FAR: u8 = UNKNOWN - 1;

/// Gives every pixel with the alpha value 0 the colour of a nearby visible pixel: the nearest one if the
/// number of rows and the number of columns between both pixels are added up. The alpha values stay
/// unchanged. Does nothing if the picture has no transparent or no visible pixels.
///
/// A forward pass takes colours from the left and from above, then a backward pass takes them from the right
/// and from below (Rosenfeld and Pfaltz, 1966).
pub(super) fn extend(image: &mut Image, scratch: &mut Scratch) {
    if image.channels() != Channels::Rgba {
        return;
    }
    let width = image.width() as usize;
    let pixels = image.data_mut().as_chunks_mut::<4>().0;
    if pixels.iter().all(|pixel| pixel[3] != 0) {
        return;
    }
    let mut distances = scratch.take(pixels.len());
    for (distance, pixel) in distances.iter_mut().zip(pixels.iter()) {
        *distance = if pixel[3] == 0 { UNKNOWN } else { 0 };
    }
    let height = pixels.len() / width;
    for y in 0..height {
        for x in 0..width {
            let at = y * width + x;
            if distances[at] > 0 {
                let left = (x > 0).then(|| at - 1);
                let above = (y > 0).then(|| at - width);
                take_nearest(at, [left, above], pixels, &mut distances);
            }
        }
    }
    for y in (0..height).rev() {
        for x in (0..width).rev() {
            let at = y * width + x;
            // A distance of 1 cannot become smaller.
            if distances[at] > 1 {
                let right = (x + 1 < width).then_some(at + 1);
                let below = (y + 1 < height).then_some(at + width);
                take_nearest(at, [right, below], pixels, &mut distances);
            }
        }
    }
    scratch.give(distances);
}

/// Copies the colour of the neighbour that is nearest to a visible pixel, if this neighbour brings the pixel
/// at the index `at` nearer to a visible pixel.
fn take_nearest(at: usize, neighbours: [Option<usize>; 2], pixels: &mut [[u8; 4]], distances: &mut [u8]) {
    let nearest = neighbours.into_iter().flatten().min_by_key(|&neighbour| distances[neighbour]);
    let Some(nearest) = nearest.filter(|&nearest| distances[nearest] != UNKNOWN) else { return };
    let distance = distances[nearest].saturating_add(1).min(FAR);
    if distance < distances[at] {
        distances[at] = distance;
        let [r, g, b, _] = pixels[nearest];
        pixels[at] = [r, g, b, 0];
    }
}
