//! An image during the first, geometric operations. `crop` only narrows the part that counts, so that the
//! following `resize` reads directly from the decoded pixels.

use super::resample::resample;
use crate::geometry::{Rect, Size, Window};
use crate::plan::Kernel;
use crate::{Image, Scratch};

/// An image, the part of it that counts, and the size that this part represents.
#[derive(Debug)]
pub(super) struct Picture {
    image: Image,
    /// The part that counts, in pixels of `image`.
    part: Window,
    /// The represented size, in pixels of the plan. Differs from the size of `part` if the decoder delivered
    /// a reduced image.
    size: Size,
}

impl Picture {
    /// A decoded image whose `part` (or else the whole image) represents an image of `full_size`.
    pub(super) fn new(image: Image, part: Option<Window>, full_size: Option<Size>) -> Self {
        let own = Size::of(&image);
        Self { image, part: part.unwrap_or(Window::whole(own)), size: full_size.unwrap_or(own) }
    }

    /// The size in pixels of the plan.
    pub(super) fn size(&self) -> Size {
        self.size
    }

    /// Changes all pixels in place, including those outside of `part`.
    pub(super) fn edited(mut self, edit: impl FnOnce(&mut Image)) -> Self {
        edit(&mut self.image);
        self
    }

    /// Keeps only `rect`, given in pixels of the plan.
    pub(super) fn narrow(&mut self, rect: Rect) {
        self.part = self.to_image_pixels(rect.into());
        self.size = rect.size();
    }

    /// Resamples `window`, given in pixels of the plan, to the size `to`. Only moves the pixels if they need
    /// not change.
    pub(super) fn resampled(self, window: Window, to: Size, kernel: Kernel, scratch: &mut Scratch) -> Self {
        let window = self.to_image_pixels(window);
        let rect = window.outer();
        if Window::from(rect) == window && rect.size() == to {
            return crop_in_place(self.image, rect).into();
        }
        let image = resample(&self.image, window, to, kernel, scratch);
        scratch.give(self.image.into_data());
        image.into()
    }

    /// An image of exactly the represented size.
    pub(super) fn into_image(self, scratch: &mut Scratch) -> Image {
        let size = self.size;
        self.resampled(Window::whole(size), size, Kernel::default(), scratch).image
    }

    /// Converts a window from pixels of the plan to pixels of the image.
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
