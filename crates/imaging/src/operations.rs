//! What is done to the pixels between decoding and encoding. One file per hash of the API; the order is the table here.
//! Decoding, orientation and colour profiles come before, encoding comes after.

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

/// THE ORDER, whatever the order in the request. Each entry does nothing when the plan does not ask for it.
const ORDER: [(&str, Run); 11] = [
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

/// How an operation is run.
type Run = fn(Picture, &Plan, &Context<'_>, &mut Scratch) -> Result<Picture, Error>;

/// What operations have to know besides the plan.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Whether the output format can store alpha: decides what an absent `background` means.
    pub output_alpha: bool,
    /// The limits, checked before anything is allocated.
    pub limits: &'a Limits,
    /// The size of the upright picture in the file, where the decoder delivered it reduced. The plan's pixels are those
    /// of this size. `None`: the image is as large as the file says.
    pub full_size: Option<Size>,
    /// The picture of [`Plan::watermark`], at any size.
    pub watermark: Option<&'a Image>,
}

/// Does everything the plan asks for, in the one order that the table above gives. The image is upright and in sRGB.
///
/// # Errors
/// [`Error::Limit`] when a size on the way is too large, [`Error::Plan`] when the crop lies outside the image.
pub fn apply(
    image: Image,
    plan: &Plan,
    context: &Context<'_>,
    scratch: &mut Scratch,
) -> Result<Image, Error> {
    apply_to_part(image, None, plan, context, scratch)
}

/// As [`apply`], to an image that a decoder reduced and of which only `part` is the picture: a pixel at its edge may be
/// made of fewer pixels of the file than others.
///
/// # Errors
/// As [`apply`].
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

/// The size that [`apply`] will return for an upright picture of this size.
///
/// # Errors
/// As [`apply`], except for the limits.
pub fn final_size(width: u32, height: u32, plan: &Plan) -> Result<Size, Error> {
    Ok(Stages::of(Size::new(width, height), plan)?.padded)
}

/// The smallest size at which a decoder may deliver an upright picture of this size so that nothing is lost; see
/// [`crate::geometry::needed_size`].
///
/// # Errors
/// As [`final_size`].
pub fn needed_size(width: u32, height: u32, plan: &Plan) -> Result<Size, Error> {
    crate::geometry::needed_size(Size::new(width, height), plan)
}

/// A smaller copy of a whole picture.
pub(crate) fn shrunk(image: &Image, to: Size, kernel: Kernel, scratch: &mut Scratch) -> Image {
    let size = Size::of(image);
    resample::resample(image, Window::whole(size), to, kernel, scratch)
}
