//! The resampling kernels: `fast_image_resize` for the three layouts pixaven has, behind functions that are not
//! generic.
//!
//! A crate of its own for one reason: the kernels are generic over views and precisions, and each user compiles some
//! ten thousand functions of them, which takes two minutes. Here that happens once, and not with every change to
//! `imaging`. What is resampled, and why, is decided there; this crate only forwards.

#![forbid(unsafe_code)]

pub use fast_image_resize::FilterType;
use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x3, U8x4};
use fast_image_resize::{MulDiv, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

const CHECKED: &str = "buffers are made for their size, and windows lie inside their image";

/// Rows of 8-bit pixels without padding.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// `width * height * n_channels` bytes.
    pub data: &'a [u8],
    /// Pixels of a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// 1, 3 or 4.
    pub n_channels: usize,
}

/// Whole pixels of a [`View`]: nothing outside them has an influence.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "a rectangle, in pixels")]
pub struct Cut {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

/// The part of a [`Cut`] that becomes the new image, relative to the cut, in pixels and fractions of them.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "a rectangle, in pixels")]
pub struct Part {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
}

/// Fills `made`, an image of `to_width` × `to_height` with the layout of `source`. Alpha is treated as any other
/// channel. Without a filter the nearest pixel is taken.
///
/// # Panics
/// When a buffer has another length than its size says, or a rectangle lies outside its image.
pub fn resample(
    source: View<'_>,
    cut: Cut,
    part: Part,
    filter: Option<FilterType>,
    to: (u32, u32),
    made: &mut [u8],
) {
    match source.n_channels {
        1 => run::<U8>(source, cut, part, filter, to, made),
        3 => run::<U8x3>(source, cut, part, filter, to, made),
        4 => run::<U8x4>(source, cut, part, filter, to, made),
        n => panic!("pixels have 1, 3 or 4 channels, not {n}"),
    }
}

fn run<P: PixelTrait>(
    source: View<'_>,
    cut: Cut,
    part: Part,
    filter: Option<FilterType>,
    (to_width, to_height): (u32, u32),
    made: &mut [u8],
) {
    let view = TypedImageRef::<P>::from_buffer(source.width, source.height, source.data).expect(CHECKED);
    let view = TypedCroppedImage::new(view, cut.x, cut.y, cut.width, cut.height).expect(CHECKED);
    let mut target = TypedImage::<P>::from_buffer(to_width, to_height, made).expect(CHECKED);
    let algorithm = filter.map_or(ResizeAlg::Nearest, ResizeAlg::Convolution);
    let options = ResizeOptions::new().resize_alg(algorithm).use_alpha(false).crop(
        part.left,
        part.top,
        part.width,
        part.height,
    );
    Resizer::new().resize_typed(&view, &mut target, &options).expect(CHECKED);
}

/// Fills `made` with the cut of an RGBA image, its colours multiplied by alpha.
///
/// # Panics
/// When a buffer has another length than its size says, or the cut lies outside the image.
pub fn premultiply(source: View<'_>, cut: Cut, made: &mut [u8]) {
    let view = TypedImageRef::<U8x4>::from_buffer(source.width, source.height, source.data).expect(CHECKED);
    let view = TypedCroppedImage::new(view, cut.x, cut.y, cut.width, cut.height).expect(CHECKED);
    let mut target = TypedImage::<U8x4>::from_buffer(cut.width, cut.height, made).expect(CHECKED);
    MulDiv::new().multiply_alpha_typed(&view, &mut target).expect(CHECKED);
}

/// Multiplies the colours of an RGBA image by alpha.
///
/// # Panics
/// When the buffer has another length than its size says.
pub fn premultiply_in_place(width: u32, height: u32, data: &mut [u8]) {
    let mut view = TypedImage::<U8x4>::from_buffer(width, height, data).expect(CHECKED);
    MulDiv::new().multiply_alpha_inplace_typed(&mut view).expect(CHECKED);
}

/// Divides the colours of an RGBA image by alpha.
///
/// # Panics
/// When the buffer has another length than its size says.
pub fn unpremultiply_in_place(width: u32, height: u32, data: &mut [u8]) {
    let mut view = TypedImage::<U8x4>::from_buffer(width, height, data).expect(CHECKED);
    MulDiv::new().divide_alpha_inplace_typed(&mut view).expect(CHECKED);
}
