//! The operations on pixels between decoding and encoding. Every operation object of the API has its own
//! file; the two lists in this file define the order of the operations. Decoding, orientation and colour
//! conversion come before the operations, encoding comes after them.

mod adjust;
mod border;
mod canvas;
mod channels;
mod color_map;
mod crop;
mod drawing;
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
mod stream;
mod tone_curve;
mod watermark;

pub(crate) use self::drawing::{apply_to_drawing, drawn_part};
use self::picture::Picture;
pub(crate) use self::stream::{apply_to_rows, takes_rows};
pub(crate) use self::watermark::fit as fit_watermark;
use crate::geometry::{Size, Stages, Window};
use crate::plan::Kernel;
use crate::{Error, Image, Limits, Plan, Scratch};

/// Applies one operation. Does nothing when the plan does not contain the operation.
type Operation = fn(Picture, &Plan, &Context<'_>, &mut Scratch) -> Result<Picture, Error>;

/// The operations up to `resize`, in the order in which they run. For a picture that is decoded row by row,
/// the module `stream` replaces these operations: it computes their geometry in advance and produces the
/// resized picture directly from the rows. The module `drawing` does the same for a picture of a vector format,
/// and also replaces `scale`.
const UP_TO_RESIZE: [(&str, Operation); 3] =
    [("flip", flip::run), ("crop", crop::run), ("resize", resize::run)];

/// The operations that need the pixels of the resized picture, in the order in which they run.
const AFTER_RESIZE: [(&str, Operation); 8] = [
    ("scale", scale::run),
    ("auto", enhance::run),
    ("adjust", adjust::run),
    ("filter", filter::run),
    ("watermark", watermark::run),
    ("mask", mask::run),
    ("border", border::run),
    ("padding", padding::run),
];

/// All arguments of an operation except the plan.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Whether the output format can store alpha. The default of `background` is transparent if the format
    /// can store alpha, else white.
    pub output_alpha: bool,
    /// The limits, which are checked before memory for pixels is allocated.
    pub limits: &'a Limits,
    /// If the decoder reduced the picture: the full size of the picture in the file, after its EXIF
    /// orientation was applied. Lengths in the plan are in pixels of this size. `None` if the decoder
    /// delivered the full size.
    pub full_size: Option<Size>,
    /// The picture of [`Plan::watermark`]. It may have any size, because the operation scales it.
    pub watermark: Option<&'a Image>,
}

/// Applies all operations of the plan to an sRGB image, in the fixed order of the lists `UP_TO_RESIZE` and
/// `AFTER_RESIZE`. The EXIF orientation of the image must already be applied.
///
/// # Errors
/// [`Error::Limit`] when the size after an operation is too large, [`Error::Plan`] when the crop lies outside
/// the image.
pub fn apply(
    image: Image,
    plan: &Plan,
    context: &Context<'_>,
    scratch: &mut Scratch,
) -> Result<Image, Error> {
    apply_to_part(image, None, plan, context, scratch)
}

/// Does the same as [`apply`], but for an image that the decoder may have reduced. If the sides of the
/// picture in the file are not multiples of the reduction factor, the reduced picture ends within the last
/// column or row of `image`. `part` is the rectangle in `image` that the reduced picture fills.
///
/// # Errors
/// The errors of [`apply`].
pub(crate) fn apply_to_part(
    image: Image,
    part: Option<Window>,
    plan: &Plan,
    context: &Context<'_>,
    scratch: &mut Scratch,
) -> Result<Image, Error> {
    let picture = Picture::new(image, part, context.full_size);
    Stages::of(picture.size(), plan)?.check(context.limits)?;
    let picture = run_all(&UP_TO_RESIZE, picture, plan, context, scratch)?;
    let picture = run_all(&AFTER_RESIZE, picture, plan, context, scratch)?;
    Ok(picture.into_image(scratch))
}

/// Applies a list of operations one after the other.
fn run_all(
    operations: &[(&str, Operation)],
    picture: Picture,
    plan: &Plan,
    context: &Context<'_>,
    scratch: &mut Scratch,
) -> Result<Picture, Error> {
    operations.iter().try_fold(picture, |picture, (_, run)| run(picture, plan, context, scratch))
}

/// The size of the image that [`apply`] returns for a picture that has `width` × `height` pixels after its
/// EXIF orientation was applied.
///
/// # Errors
/// [`Error::Plan`] when the crop lies outside the picture.
pub fn final_size(width: u32, height: u32, plan: &Plan) -> Result<Size, Error> {
    Ok(Stages::of(Size::new(width, height), plan)?.padded)
}

/// The smallest size to which a decoder may reduce a picture without lowering the quality of the plan's
/// output; see [`crate::geometry::needed_size`]. The picture has `width` × `height` pixels after its EXIF
/// orientation was applied.
///
/// # Errors
/// [`Error::Plan`] when the crop lies outside the picture.
pub fn needed_size(width: u32, height: u32, plan: &Plan) -> Result<Size, Error> {
    crate::geometry::needed_size(Size::new(width, height), plan)
}

/// A copy of a whole image, resampled to the smaller size `to`.
pub(crate) fn reduced(image: &Image, to: Size, kernel: Kernel, scratch: &mut Scratch) -> Image {
    let size = Size::of(image);
    resample::resample(image, Window::whole(size), to, kernel, scratch)
}
