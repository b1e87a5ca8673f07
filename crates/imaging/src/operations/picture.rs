//! An image during the geometric operations, which run before all other operations. `crop` only records which
//! part of the image is kept, so that the following `resize` can read this part directly from the decoded
//! pixels.
//!
//! A *plan pixel* is a pixel of the full-size image, to which the sizes and positions in a plan refer. If the
//! decoder delivered a reduced image, a plan pixel is smaller than a pixel of this image.

use super::resample::{resample, resample_light};
use crate::geometry::{Rect, Size, Window};
use crate::plan::{Kernel, Light};
use crate::{Image, Scratch};

/// A decoded image, the part of it that is kept, and the size of this part in plan pixels.
#[derive(Debug)]
pub(super) struct Picture {
    image: Image,
    /// The part that is kept, in pixels of `image`.
    part: Window,
    /// The size of `part` in plan pixels. Differs from `part.width` and `part.height` if the decoder
    /// delivered a reduced image.
    size: Size,
}

impl Picture {
    /// Creates a picture from a decoded image. `part` is the part that is kept, and `full_size` is the size
    /// of this part in plan pixels. If `part` is `None`, the whole image is kept. If `full_size` is `None`,
    /// the size in plan pixels is the size of the image.
    pub(super) fn new(image: Image, part: Option<Window>, full_size: Option<Size>) -> Self {
        let own = Size::of(&image);
        Self { image, part: part.unwrap_or(Window::whole(own)), size: full_size.unwrap_or(own) }
    }

    /// The size of the part that is kept, in plan pixels.
    pub(super) fn size(&self) -> Size {
        self.size
    }

    /// Runs a function that changes all pixels in place, including those outside of `part`.
    pub(super) fn edited(mut self, edit: impl FnOnce(&mut Image)) -> Self {
        edit(&mut self.image);
        self
    }

    /// Keeps only the rectangle `rect`, whose unit is plan pixels.
    pub(super) fn narrow(&mut self, rect: Rect) {
        self.part = self.to_image_pixels(rect.into());
        self.size = rect.size();
    }

    /// Resamples `window`, whose unit is plan pixels, to the size `to`. If no resampling is necessary, the
    /// function only moves the pixels of the window to the start of the buffer.
    pub(super) fn resampled(
        self,
        window: Window,
        to: Size,
        (kernel, light): (Kernel, Light),
        scratch: &mut Scratch,
    ) -> Self {
        let window = self.to_image_pixels(window);
        let rect = window.outer();
        if Window::from(rect) == window && rect.size() == to {
            return crop_in_place(self.image, rect).into();
        }
        let image = match light {
            Light::Linear if kernel != Kernel::Nearest => {
                resample_light(&self.image, window, to, kernel, scratch)
            }
            _ => resample(&self.image, window, to, kernel, scratch),
        };
        scratch.give(self.image.into_data());
        image.into()
    }

    /// Returns the picture as an image whose size is the size in plan pixels. If the decoder delivered a
    /// reduced image, the image is resampled to this size.
    pub(super) fn into_image(self, scratch: &mut Scratch) -> Image {
        let size = self.size;
        self.resampled(Window::whole(size), size, (Kernel::default(), Light::Srgb), scratch).image
    }

    /// Converts a window from plan pixels to pixels of the image.
    fn to_image_pixels(&self, window: Window) -> Window {
        let (part, bounds) = (self.part, Size::of(&self.image));
        let x = part.width / f64::from(self.size.width);
        let y = part.height / f64::from(self.size.height);
        let moved = Window { left: window.left + part.left / x, top: window.top + part.top / y, ..window };
        moved.stretched(x, y, bounds)
    }
}

impl From<Image> for Picture {
    fn from(image: Image) -> Self {
        Self::new(image, None, None)
    }
}

/// Moves the rows of `rect` to the start of the buffer of the image.
fn crop_in_place(image: Image, rect: Rect) -> Image {
    if rect.size() == Size::of(&image) {
        return image;
    }
    let (channels, n_bytes) = (image.channels(), image.channels().count());
    let stride = image.width() as usize * n_bytes;
    let n_kept = rect.width as usize * n_bytes;
    let mut data = image.into_data();
    for row in 0..rect.height as usize {
        let start = (rect.y as usize + row) * stride + rect.x as usize * n_bytes;
        data.copy_within(start..start + n_kept, row * n_kept);
    }
    data.truncate(n_kept * rect.height as usize);
    Image::new(rect.width, rect.height, channels, data)
}
