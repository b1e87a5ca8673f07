//! Reduces a frame with more than 256 colours to the colours of a GIF. Frames share one palette where its
//! colours are good enough, because a colour table of its own costs a frame up to 768 bytes.

use crate::codecs::palette::Indexed;
use crate::codecs::quantise::{Histogram, Palette};
use crate::{Image, Scratch};

/// A frame uses the shared palette if the mean squared distance is at most this many times the distance that
/// a palette of its own would have.
const SHARED_FACTOR: f32 = 1.5;

/// The largest difference of a channel between a pixel and the pixel that the canvas already shows, for which
/// the canvas is left unchanged.
const TOLERANCE: u8 = 3;

/// Chooses the palette of each frame, and maps the frame to it.
pub(super) struct ColorReducer {
    is_animation: bool,
    /// The palette of the first frame that was reduced.
    shared: Option<Palette>,
}

impl ColorReducer {
    pub(super) fn new(is_animation: bool) -> Self {
        Self { is_animation, shared: None }
    }

    /// Converts an RGBA image, in which every alpha is 0 or 255, to at most 256 colours.
    pub(super) fn reduce(&mut self, image: &Image, scratch: &mut Scratch) -> Indexed {
        let any_transparent = image.data().as_chunks::<4>().0.iter().any(|pixel| pixel[3] == 0);
        let mut histogram =
            Histogram::of(image).expect("an image with more than 256 colours is not transparent");
        // In an animation, one entry is for unchanged pixels of later frames.
        let max_colors = if self.is_animation || any_transparent { 255 } else { 256 };
        let own = histogram.palette(max_colors);
        match &self.shared {
            Some(shared) if histogram.error(shared) <= own.error * SHARED_FACTOR => {
                shared.map(image, scratch)
            }
            Some(_) => own.map(image, scratch),
            None => self.shared.insert(own).map(image, scratch),
        }
    }
}

/// Compares each pixel of `image` with the pixel of `before` at the same place. If the two pixels look the
/// same, copies the pixel of `before` into `image`, and the encoder then treats the pixel as unchanged. Both images are RGBA, and every alpha is 0 or 255.
pub(super) fn settle(image: &mut Image, before: &Image) {
    let before = before.data().as_chunks::<4>().0;
    for (pixel, old) in image.data_mut().as_chunks_mut::<4>().0.iter_mut().zip(before) {
        let differs = pixel.iter().zip(old).any(|(a, b)| a.abs_diff(*b) > TOLERANCE);
        if !differs {
            *pixel = *old;
        }
    }
}
