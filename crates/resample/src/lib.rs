//! Resampling kernels of the crate `fast_image_resize` for the three pixel layouts of pixaven, as functions
//! that are not generic.
//!
//! These functions are in a separate crate to save compile time. The kernels of `fast_image_resize` are
//! generic over views and precisions, so that each crate that uses the kernels compiles about ten thousand
//! functions, which takes two minutes. Only this crate compiles the kernels, and a change of the crate
//! `imaging` does not compile them again. The crate `imaging` decides which images are resampled. The module `light` has kernels of our
//! own, because `fast_image_resize` resamples values of 16 or 32 bits much slower than bytes.

mod light;
mod simd;
pub mod srgb;
mod weights;

pub use self::light::LightResampler;
pub use self::weights::KernelFunction;
pub use fast_image_resize::FilterType;
use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x3, U8x4};
use fast_image_resize::{MulDiv, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

const CHECKED: &str = "every buffer matches its size, and every rectangle lies inside its image";

/// An image with 8-bit channels, stored in rows without padding.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The pixels: `width * height * n_channels` bytes.
    pub data: &'a [u8],
    /// The number of pixels in each row.
    pub width: u32,
    /// The number of rows.
    pub height: u32,
    /// The number of channels of each pixel: 1, 3 or 4.
    pub n_channels: usize,
}

/// A rectangle of whole pixels in a [`View`]. Pixels outside the rectangle do not affect the result.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "a rectangle, in pixels")]
pub struct Region {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

/// The part of a [`Region`] that becomes the new image, in pixels relative to the region. The edges may lie
/// between pixels.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "a rectangle, in pixels")]
pub struct SourceWindow {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
}

/// Resamples a part of `source` into `resampled`, an image of the size `to` (width, height) with the same
/// channels as `source`. Alpha is resampled like any other channel. Without a filter, each new pixel is a
/// copy of the nearest old pixel.
///
/// # Panics
/// If the length of a buffer does not match its size, or if a rectangle lies outside its image.
pub fn resample(
    source: View<'_>,
    region: Region,
    window: SourceWindow,
    filter: Option<FilterType>,
    to: (u32, u32),
    resampled: &mut [u8],
) {
    match source.n_channels {
        1 => resample_typed::<U8>(source, region, window, filter, to, resampled),
        3 => resample_typed::<U8x3>(source, region, window, filter, to, resampled),
        4 => resample_typed::<U8x4>(source, region, window, filter, to, resampled),
        n => panic!("pixels have 1, 3 or 4 channels, not {n}"),
    }
}

fn resample_typed<P: PixelTrait>(
    source: View<'_>,
    region: Region,
    window: SourceWindow,
    filter: Option<FilterType>,
    (to_width, to_height): (u32, u32),
    resampled: &mut [u8],
) {
    let view = TypedImageRef::<P>::from_buffer(source.width, source.height, source.data).expect(CHECKED);
    let view = TypedCroppedImage::new(view, region.x, region.y, region.width, region.height).expect(CHECKED);
    let mut target = TypedImage::<P>::from_buffer(to_width, to_height, resampled).expect(CHECKED);
    let algorithm = filter.map_or(ResizeAlg::Nearest, ResizeAlg::Convolution);
    let options = ResizeOptions::new().resize_alg(algorithm).use_alpha(false).crop(
        window.left,
        window.top,
        window.width,
        window.height,
    );
    Resizer::new().resize_typed(&view, &mut target, &options).expect(CHECKED);
}

/// Copies a region of an RGBA image into `premultiplied`, and multiplies the colours by alpha.
///
/// # Panics
/// If the length of a buffer does not match its size, or if the region lies outside the image.
pub fn premultiply(source: View<'_>, region: Region, premultiplied: &mut [u8]) {
    let view = TypedImageRef::<U8x4>::from_buffer(source.width, source.height, source.data).expect(CHECKED);
    let view = TypedCroppedImage::new(view, region.x, region.y, region.width, region.height).expect(CHECKED);
    let mut target =
        TypedImage::<U8x4>::from_buffer(region.width, region.height, premultiplied).expect(CHECKED);
    MulDiv::new().multiply_alpha_typed(&view, &mut target).expect(CHECKED);
}

/// Multiplies the colours of an RGBA image by alpha.
///
/// # Panics
/// If the length of the buffer does not match the size.
pub fn premultiply_in_place(width: u32, height: u32, data: &mut [u8]) {
    let mut view = TypedImage::<U8x4>::from_buffer(width, height, data).expect(CHECKED);
    MulDiv::new().multiply_alpha_inplace_typed(&mut view).expect(CHECKED);
}

/// Divides the colours of an RGBA image by alpha.
///
/// # Panics
/// If the length of the buffer does not match the size.
pub fn unpremultiply_in_place(width: u32, height: u32, data: &mut [u8]) {
    let mut view = TypedImage::<U8x4>::from_buffer(width, height, data).expect(CHECKED);
    MulDiv::new().divide_alpha_inplace_typed(&mut view).expect(CHECKED);
}
