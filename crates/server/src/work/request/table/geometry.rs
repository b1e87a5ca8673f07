//! Declares the operations that move pixels or change the size: `flip`, `crop`, `resize`, `scale` and
//! `padding`.

use pixaven_imaging::plan::{Color, Gravity, Kernel, Light, ResizeMode};

use super::{GRAVITY, object_schema};
use crate::work::request::value_types::{AspectRatio, Boolean, Choice, HexColor, Integer, KeywordOr, Number};

/// The value type of `flip`: an object, or a keyword that stands for an object.
pub(super) const FLIP: KeywordOr<Flip> = KeywordOr(&[
    ("horizontal", Flip { horizontal: Some(true), vertical: None }),
    ("vertical", Flip { horizontal: None, vertical: Some(true) }),
    ("both", Flip { horizontal: Some(true), vertical: Some(true) }),
]);

object_schema! {
    /// Mirrors the image along one or both axes.
    Flip {
        horizontal: bool = Boolean, "false", "swaps left and right";
        vertical: bool = Boolean, "false", "swaps top and bottom";
    }
}

/// The way in which `crop` chooses its rectangle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::work::request) enum CropMode {
    Rect,
    Ratio,
    Face,
}
const CROP_MODE: Choice<CropMode> = Choice {
    keywords: &[("rect", CropMode::Rect), ("ratio", CropMode::Ratio), ("face", CropMode::Face)],
    unsupported: &[],
};

/// The largest coordinate and the largest side of a rectangle in an input image, in pixels. The value equals
/// the highest value of the setting `limits.input_side_px`.
const MAX_INPUT_PX: u32 = 1_000_000;

object_schema! {
    /// Cuts a rectangle out of the image.
    Crop {
        mode: CropMode = CROP_MODE, "rect", "`rect`: a rectangle of the given size; `ratio`: the largest rectangle of an aspect ratio; `face`: the box around all faces";
        width: u32 = Integer(1_u32, MAX_INPUT_PX), "", "`rect`: width in pixels";
        height: u32 = Integer(1_u32, MAX_INPUT_PX), "", "`rect`: height in pixels";
        gravity: Gravity = GRAVITY, "center", "`rect` and `ratio`: which part is kept; `face` keeps the part around the largest face, `faces` the part around all faces";
        x: u32 = Integer(0_u32, MAX_INPUT_PX), "", "`rect`: left edge in pixels, instead of `gravity`";
        y: u32 = Integer(0_u32, MAX_INPUT_PX), "", "`rect`: upper edge in pixels, instead of `gravity`";
        ratio: f64 = AspectRatio, "", "`ratio`: width divided by height";
        padding: f64 = Number(0.0, 500.0), "50", "`face`: margin on each side of the box, in percent of its longer side";
    }
}

const RESIZE_MODE: Choice<ResizeMode> = Choice {
    keywords: &[
        ("auto", ResizeMode::Auto),
        ("fit", ResizeMode::Fit),
        ("exact", ResizeMode::Exact),
        ("fill", ResizeMode::Fill),
        ("portrait", ResizeMode::Portrait),
        ("landscape", ResizeMode::Landscape),
    ],
    unsupported: &[],
};
const KERNEL: Choice<Kernel> = Choice {
    keywords: &[
        ("lanczos3", Kernel::Lanczos3),
        ("catmull-rom", Kernel::CatmullRom),
        ("mitchell", Kernel::Mitchell),
        ("bilinear", Kernel::Bilinear),
        ("box", Kernel::Box),
        ("nearest", Kernel::Nearest),
    ],
    unsupported: &[],
};
const LIGHT: Choice<Light> =
    Choice { keywords: &[("srgb", Light::Srgb), ("linear", Light::Linear)], unsupported: &[] };

object_schema! {
    /// Changes the size to `width` and `height`, in pixels. The modes:
    ///
    /// * `auto`: the largest size within `width` and `height` that keeps the aspect ratio. If only one of
    ///   them is given, the other follows from the aspect ratio.
    /// * `fit`: exactly `width` × `height`. The image covers this size, and the rest is cut off.
    /// * `exact`: exactly `width` × `height`. The aspect ratio may change.
    /// * `fill`: exactly `width` × `height`. The whole image lies within this size, and the rest is filled
    ///   with `background`.
    /// * `portrait`: the size follows from `height`, and the aspect ratio is kept.
    /// * `landscape`: the size follows from `width`, and the aspect ratio is kept.
    ///
    /// `fit`, `exact` and `fill` require `width` and `height`. The other modes require at least one of them.
    Resize {
        mode: ResizeMode = RESIZE_MODE, "auto", "how the new size follows from `width` and `height`";
        width: u32 = Integer(1_u32, 20_000), "", "width in pixels";
        height: u32 = Integer(1_u32, 20_000), "", "height in pixels";
        gravity: Gravity = GRAVITY, "center", "`fit`: which part is kept; `face` keeps the part around the largest face, `faces` the part around all faces";
        upscale: bool = Boolean, "true", "whether the result may be larger than the image";
        background: Color = HexColor, "", "`fill`: colour around the image; without it transparent if the output format has alpha, else white";
        filter: Kernel = KERNEL, "lanczos3", "the resampling kernel";
        light: Light = LIGHT, "srgb", "what is averaged: the stored values (`srgb`), or the amount of light (`linear`), with which fine patterns keep their brightness";
    }
}

object_schema! {
    /// Changes the size by a factor. The new width is the width times `size` times `ratio`. The new height is
    /// the height times `size`.
    Scale {
        size: f64 = Number(0.01, 10.0), "", "factor for width and height; required";
        ratio: f64 = Number(0.1, 10.0), "1", "additional factor for the width";
    }
}

const ADDED_PX: Integer<u32> = Integer(0, 5_000);

object_schema! {
    /// Enlarges the canvas on some or all sides.
    Padding {
        size: u32 = ADDED_PX, "0", "pixels to add on each side";
        top: u32 = ADDED_PX, "", "pixels to add above, instead of `size`";
        right: u32 = ADDED_PX, "", "pixels to add on the right, instead of `size`";
        bottom: u32 = ADDED_PX, "", "pixels to add below, instead of `size`";
        left: u32 = ADDED_PX, "", "pixels to add on the left, instead of `size`";
        background: Color = HexColor, "", "colour of the added pixels; without it transparent if the output format has alpha, else white";
    }
}
