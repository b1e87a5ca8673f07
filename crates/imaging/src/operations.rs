//! The operations on pixels between decoding and encoding. There is one file per hash of the API; the table
//! below defines the order. Decoding, orientation and colour profiles come before the operations, encoding
//! comes after them.

mod adjust;
mod border;
mod canvas;
mod channels;
mod color_map;
mod crop;
mod enhance;
mod filter;
mod flip;
mod gaussian;
mod mask;
mod outline;
mod padding;
mod picture;
mod resample;
mod resize;
mod scale;
mod srgb;
mod stream;
mod watermark;

use self::picture::Picture;
pub(crate) use self::stream::{apply_to_rows, takes_rows};
use crate::geometry::{Size, Stages, Window};
use crate::plan::Kernel;
use crate::{Error, Image, Limits, Plan, Scratch};

pub(crate) use self::watermark::fit as fit_watermark;

/// The order of the operations, whatever the order of the attributes in the request. An operation returns the
/// image unchanged if the plan does not contain it.
const ORDER: [(&str, RunOperation); 11] = [
    ("flip", flip::run),
    ("crop", crop::run),
    ("resize", resize::run),
    ("scale", scale::run),
    ("auto", enhance::run),
    ("adjust", adjust::run),
    ("filter", filter::run),
    ("watermark", watermark::run),
    ("mask", mask::run),
    ("border", border::run),
    ("padding", padding::run),
];

/// The function that runs an operation.
type RunOperation = fn(Picture, &Plan, &Context<'_>, &mut Scratch) -> Result<Picture, Error>;

/// What an operation needs besides the plan.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Whether the output format can store alpha. This decides the meaning of an absent `background`.
    pub output_alpha: bool,
    /// The limits, which are checked before any allocation.
    pub limits: &'a Limits,
    /// The full size of the upright image in the file, if the decoder delivered a reduced image. Coordinates
    /// of the plan refer to this size. `None` if the image has its full size.
    pub full_size: Option<Size>,
    /// The image of [`Plan::watermark`], at any size.
    pub watermark: Option<&'a Image>,
}

/// Runs all operations of the plan in the fixed order. The image must be upright and in sRGB.
///
/// # Errors
/// [`Error::Limit`] if an intermediate size is too large, [`Error::Plan`] if the crop lies outside the image.
pub fn apply(
    image: Image,
    plan: &Plan,
    context: &Context<'_>,
    scratch: &mut Scratch,
) -> Result<Image, Error> {
    apply_to_part(image, None, plan, context, scratch)
}

/// Like [`apply`], for an image that a decoder reduced. Only `part` of the image counts: a pixel at its right
/// or lower edge may stand for fewer pixels of the file than other pixels.
///
/// # Errors
/// As for [`apply`].
pub(crate) fn apply_to_part(
    image: Image,
    part: Option<Window>,
    plan: &Plan,
    context: &Context<'_>,
    scratch: &mut Scratch,
) -> Result<Image, Error> {
    let picture = Picture::new(image, part, context.full_size);
    Stages::of(picture.size(), plan)?.check(context.limits)?;
    let picture = ORDER.iter().try_fold(picture, |picture, (_, run)| run(picture, plan, context, scratch))?;
    Ok(picture.into_image(scratch))
}

/// The size that [`apply`] returns for an upright image of this size.
///
/// # Errors
/// As for [`apply`], except for the limits.
pub fn final_size(width: u32, height: u32, plan: &Plan) -> Result<Size, Error> {
    Ok(Stages::of(Size::new(width, height), plan)?.padded)
}

/// The smallest size to which a decoder may reduce an upright image of this size without loss; see
/// [`crate::geometry::needed_size`].
///
/// # Errors
/// As for [`final_size`].
pub fn needed_size(width: u32, height: u32, plan: &Plan) -> Result<Size, Error> {
    crate::geometry::needed_size(Size::new(width, height), plan)
}

/// A reduced copy of a whole image.
pub(crate) fn shrunk(image: &Image, to: Size, kernel: Kernel, scratch: &mut Scratch) -> Image {
    let size = Size::of(image);
    resample::resample(image, Window::whole(size), to, kernel, scratch)
}
