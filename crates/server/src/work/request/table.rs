//! Everything a request may say: every hash and attribute with what it accepts, its default and its meaning. The
//! reader, its messages, the warnings about unknown names and the documentation follow from here. Rules between
//! attributes stand in the files that make the plan.

use pixaven_imaging::plan::{Color, Gravity, KeptMetadata, Kernel, Length, ResizeMode, TargetFormat};
use serde_json::Value;
use url::Url;

use super::delivery::HeaderFields;
use super::schema::{Attribute, FromObject, ObjectSchema, nested, object_schema, wire_name};
use super::value_types::{
    AspectRatio, Boolean, Choice, HexColor, Integer, Number, OutputFormat, Side, Strength, ValueType,
    WatermarkId, WebUrl, WordOr,
};
use super::warnings::Warnings;
use super::{RequestError, ResponseMode};

object_schema! {
    /// What may be asked for. Only `url` is needed, and only by `fetch`.
    Request {
        url: Url = WebUrl, "", "where the image is (fetch only)";
        headers: Vec<(String, String)> = HeaderFields, "", "headers to send to the image's server (fetch only)";
        flip: Flip = FLIP, "", "mirror";
        crop: Crop = nested::<Crop>(), "", "cut out";
        resize: Resize = nested::<Resize>(), "", "new size in pixels";
        scale: Scale = nested::<Scale>(), "", "new size by a factor";
        auto: Auto = nested::<Auto>(), "", "what the image itself calls for";
        adjust: Adjust = nested::<Adjust>(), "", "tone and colour";
        filter: Filter = nested::<Filter>(), "", "effects";
        stylize: Filter = nested::<Filter>(), "", "the older name of `filter`";
        watermark: Watermark = nested::<Watermark>(), "", "another picture over the image";
        mask: Mask = nested::<Mask>(), "", "cut to a shape";
        border: Border = nested::<Border>(), "", "a frame inside the image's bounds";
        padding: Padding = nested::<Padding>(), "", "a larger canvas";
        output: Output = nested::<Output>(), "", "how to encode";
        response: Response = nested::<Response>(), "", "how to answer";
        webhook: Webhook = nested::<Webhook>(), "", "answer at once, and send the result to this receiver";
        cdn: Cdn = nested::<Cdn>(), "", "delivery through a CDN";
    }
    unsupported { "store" }
}

/// A hash, or a word for one.
const FLIP: WordOr<Flip> = WordOr(&[
    ("horizontal", Flip { horizontal: Some(true), vertical: None }),
    ("vertical", Flip { horizontal: None, vertical: Some(true) }),
    ("both", Flip { horizontal: Some(true), vertical: Some(true) }),
]);

object_schema! {
    /// Mirror along one or both axes.
    Flip {
        horizontal: bool = Boolean, "false", "left becomes right";
        vertical: bool = Boolean, "false", "top becomes bottom";
    }
}

const GRAVITIES: &[(&str, Gravity)] = &[
    ("center", Gravity::Center),
    ("top-left", Gravity::TopLeft),
    ("top", Gravity::Top),
    ("top-right", Gravity::TopRight),
    ("right", Gravity::Right),
    ("bottom-right", Gravity::BottomRight),
    ("bottom", Gravity::Bottom),
    ("bottom-left", Gravity::BottomLeft),
    ("left", Gravity::Left),
    ("face", Gravity::Face),
    ("faces", Gravity::Faces),
];
/// Where a part of the image is kept: the largest face and all faces are places, too.
const GRAVITY: Choice<Gravity> = Choice { words: GRAVITIES, unsupported: &[] };
/// Where something is put: the places without faces, which come last.
const PLACE: Choice<Gravity> = Choice { words: GRAVITIES.split_at(9).0, unsupported: &[] };

/// The ways to choose a rectangle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CropMode {
    Rect,
    Ratio,
    Face,
}
const CROP_MODE: Choice<CropMode> = Choice {
    words: &[("rect", CropMode::Rect), ("ratio", CropMode::Ratio), ("face", CropMode::Face)],
    unsupported: &[],
};

/// A coordinate or side of a rectangle in an input image, whose own limits are configurable.
const INPUT_PX: u32 = 1_000_000;

object_schema! {
    /// Cut a rectangle out.
    Crop {
        mode: CropMode = CROP_MODE, "rect", "a rectangle of a size, the largest of an aspect ratio, or the box around all faces";
        width: u32 = Integer(1_u32, INPUT_PX), "", "`rect`: width in pixels";
        height: u32 = Integer(1_u32, INPUT_PX), "", "`rect`: height in pixels";
        gravity: Gravity = GRAVITY, "center", "`rect`, `ratio`: which part is kept; `face`: around the largest face, `faces`: all of them";
        x: u32 = Integer(0_u32, INPUT_PX), "", "`rect`: left edge in pixels, instead of `gravity`";
        y: u32 = Integer(0_u32, INPUT_PX), "", "`rect`: upper edge in pixels, instead of `gravity`";
        ratio: f64 = AspectRatio, "", "`ratio`: width to height";
        padding: f64 = Number(0.0, 500.0), "50", "`face`: what is kept on each side of the box, in percent of its longer side";
    }
}

const RESIZE_MODE: Choice<ResizeMode> = Choice {
    words: &[
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
    words: &[
        ("lanczos3", Kernel::Lanczos3),
        ("catmull-rom", Kernel::CatmullRom),
        ("mitchell", Kernel::Mitchell),
        ("bilinear", Kernel::Bilinear),
        ("box", Kernel::Box),
        ("nearest", Kernel::Nearest),
    ],
    unsupported: &[],
};

object_schema! {
    /// New size in pixels: `width`, `height` or both; `fit`, `fill` and `exact` need both.
    Resize {
        mode: ResizeMode = RESIZE_MODE, "auto", "how the two sides are used";
        width: u32 = Integer(1_u32, 20_000), "", "width in pixels";
        height: u32 = Integer(1_u32, 20_000), "", "height in pixels";
        gravity: Gravity = GRAVITY, "center", "`fit`: which part is kept; `face`: around the largest face, `faces`: all of them";
        upscale: bool = Boolean, "true", "whether the result may be larger than the image";
        background: Color = HexColor, "", "`fill`: what is around the image; default transparent or white";
        filter: Kernel = KERNEL, "lanczos3", "the resampling kernel";
    }
}

object_schema! {
    /// New size by a factor: the width times `size` times `ratio`, the height times `size`.
    Scale {
        size: f64 = Number(0.01, 10.0), "", "factor for both sides; required";
        ratio: f64 = Number(0.1, 10.0), "1", "additional factor for the width";
    }
}

object_schema! {
    /// What the image itself calls for.
    Auto {
        enhance: bool = Boolean, "false", "levels, contrast and saturation by the histogram";
        orient: bool = Boolean, "true", "turn by the EXIF orientation";
    }
}

const PERCENT: Number = Number(-100.0, 100.0);

object_schema! {
    /// Tone and colour; 0 leaves every pixel as it is.
    Adjust {
        unsharp: f64 = Number(0.0, 100.0), "0", "sharpen";
        brightness: f64 = PERCENT, "0", "darker or brighter";
        contrast: f64 = PERCENT, "0", "less or more difference between dark and bright";
        saturation: f64 = PERCENT, "0", "paler or more colourful";
        vibrance: f64 = PERCENT, "0", "saturation, pale colours more than strong ones";
        exposure: f64 = PERCENT, "0", "less or more light";
        gamma: f64 = PERCENT, "0", "darker or brighter middle tones";
        hue: f64 = Number(-180.0, 180.0), "0", "turn the colour wheel, in degrees";
        temperature: f64 = PERCENT, "0", "cooler or warmer";
        tint: f64 = PERCENT, "0", "greener or more magenta";
        highlights: f64 = PERCENT, "0", "darker or brighter bright parts";
        shadows: f64 = PERCENT, "0", "darker or brighter dark parts";
    }
}

const FULL: Strength = Strength { full: Some(100.0) };

object_schema! {
    /// Effects; several run in this order.
    Filter {
        blur: Blur = nested::<Blur>(), "", "blur";
        pixelate: Option<f64> = Strength { full: None }, "", "squares of this many pixels";
        sepia: Option<f64> = FULL, "", "the brown of old photographs";
        mono: Option<f64> = FULL, "", "shades of gray";
        invert: Option<f64> = FULL, "", "the negative";
        vignette: Option<f64> = FULL, "", "dark corners";
        posterize: Option<f64> = FULL, "", "few tones";
        duotone: Duotone = nested::<Duotone>(), "", "shades between two colours";
        noise: Option<f64> = FULL, "", "grain";
        emboss: Option<f64> = FULL, "", "relief";
        edges: Option<f64> = FULL, "", "outlines";
    }
}

/// The ways to blur.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlurMode {
    Gaussian,
    Box,
    Motion,
}
const BLUR_MODE: Choice<BlurMode> = Choice {
    words: &[("gaussian", BlurMode::Gaussian), ("box", BlurMode::Box), ("motion", BlurMode::Motion)],
    unsupported: &[],
};

object_schema! {
    /// Blur.
    Blur {
        mode: BlurMode = BLUR_MODE, "gaussian", "how pixels are weighted";
        value: f64 = Number(1.0, 100.0), "", "radius in pixels; required";
        angle: f64 = Number(0.0, 360.0), "0", "`motion`: direction in degrees, counter-clockwise from the right";
    }
}

object_schema! {
    /// How much of an effect: for `pixelate` (where it is required) the side of a square in pixels, for the others a
    /// strength up to the full 100, which is meant when nothing is said.
    Effect {
        value: f64 = Number(1.0, 100.0), "", "pixels or strength";
    }
}

object_schema! {
    /// Shades between two colours, by luma.
    Duotone {
        shadows: Color = HexColor, "", "what black becomes; required";
        highlights: Color = HexColor, "", "what white becomes; required";
    }
}

/// Where a watermark lies and how large it is, in pixels: more than any image's side.
const PLACE_PX: i32 = 20_000;

object_schema! {
    /// Another picture over the image: one that was uploaded before, by its `id`, or one behind a `url`. Its first frame is
    /// laid over every frame.
    Watermark {
        id: String = WatermarkId, "", "an uploaded watermark";
        url: Url = WebUrl, "", "where the watermark is, instead of `id`";
        gravity: Gravity = PLACE, "center", "where it lies";
        padding: u32 = Integer(0_u32, 20_000), "0", "pixels between it and the edges it lies at, and between tiles";
        x: i32 = Integer(-PLACE_PX, PLACE_PX), "", "left edge in pixels, instead of `gravity`";
        y: i32 = Integer(-PLACE_PX, PLACE_PX), "", "upper edge in pixels, instead of `gravity`";
        width: Length = Side, "", "its width; without it the height and the aspect ratio decide";
        height: Length = Side, "", "its height; with neither it is as large as its file";
        opacity: f64 = Number(0.0, 100.0), "100", "how much of it is seen, in percent";
        tile: bool = Boolean, "false", "repeat it over the whole image";
    }
}

/// The shapes of a mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MaskShape {
    Ellipse,
    Rounded,
}
const MASK_SHAPE: Choice<MaskShape> =
    Choice { words: &[("ellipse", MaskShape::Ellipse), ("rounded", MaskShape::Rounded)], unsupported: &[] };

/// A corner's radius: half of the longest side at most.
const RADIUS_PX: u32 = 10_000;

object_schema! {
    /// Cut to a shape inscribed in the image.
    Mask {
        shape: MaskShape = MASK_SHAPE, "", "the shape; required";
        radius: u32 = Integer(0_u32, RADIUS_PX), "", "`rounded`: radius of the corners in pixels; required";
        background: Color = HexColor, "", "the outside; default transparent or white";
    }
}

object_schema! {
    /// A frame inside the image's bounds.
    Border {
        size: u32 = Integer(0_u32, 1_000), "0", "thickness in pixels";
        color: Color = HexColor, "000", "its colour";
        radius: u32 = Integer(0_u32, RADIUS_PX), "0", "radius of the corners in pixels";
        background: Color = HexColor, "", "outside of the corners; default transparent or white";
    }
}

const SIDE: Integer<u32> = Integer(0, 5_000);

object_schema! {
    /// A larger canvas.
    Padding {
        size: u32 = SIDE, "0", "pixels to add on each side";
        top: u32 = SIDE, "", "pixels to add above, instead of `size`";
        right: u32 = SIDE, "", "pixels to add on the right, instead of `size`";
        bottom: u32 = SIDE, "", "pixels to add below, instead of `size`";
        left: u32 = SIDE, "", "pixels to add on the left, instead of `size`";
        background: Color = HexColor, "", "what is added; default transparent or white";
    }
}

const ENCODING: Choice<bool> =
    Choice { words: &[("progressive", false), ("baseline", true)], unsupported: &[] };
const METADATA: Choice<KeptMetadata> = Choice {
    words: &[
        ("none", KeptMetadata::None),
        ("copyright", KeptMetadata::Copyright),
        ("all", KeptMetadata::All),
    ],
    unsupported: &[],
};
/// Larger results are not made anyway.
const RESULT_BYTES: u64 = 1_000_000_000;

object_schema! {
    /// How to encode.
    ///
    /// `auto` is the smallest of AVIF (if listed), WebP, and JPEG or PNG, as good as a JPEG of `quality`; of an
    /// animation, the smaller of WebP and APNG. `lossless` matters to formats that have both ways, such as WebP; PNG
    /// is always without loss and JPEG never. `max_bytes` lowers the quality, from `quality` or else from 100, until the
    /// file fits; if none does, or the format has no quality, the request fails and says how small it got.
    ///
    /// `copyright` keeps the artist and the copyright of EXIF, the creators and the rights of XMP, and the author and
    /// the copyright of IPTC and of a PNG's texts. `all` keeps EXIF and XMP with orientation, size and colour space corrected, but
    /// no thumbnails and no maker's notes. JPEG, PNG, APNG and WebP take metadata; a
    /// warning says so where they are left out. Pixels are converted to sRGB, and no
    /// colour profile is written.
    Output {
        format: TargetFormat = OutputFormat, "", "the file format; default by the image's";
        quality: u8 = Integer(1_u8, 100), "", "how faithful; default by the format";
        encoding: bool = ENCODING, "progressive", "JPEG: in scans that get finer, or from top to bottom";
        lossless: bool = Boolean, "false", "keep every pixel, where the format can";
        effort: u8 = Integer(0_u8, 9), "", "fast (0) or small (9); default by the format";
        max_bytes: u64 = Integer(1_u64, RESULT_BYTES), "", "the largest file: the highest quality that fits";
        metadata: KeptMetadata = METADATA, "none", "what is kept of the image's metadata";
        delay: u32 = Integer(10_u32, 60_000), "", "animations: milliseconds per frame; default as in the image";
        plays as "loop": u16 =
            Integer(0_u16, u16::MAX), "", "animations: how often to play, 0 for ever; default as in the image";
    }
}

const RESPONSE_MODE: Choice<ResponseMode> =
    Choice { words: &[("json", ResponseMode::Json), ("binary", ResponseMode::Binary)], unsupported: &[] };

object_schema! {
    /// How to answer.
    Response {
        mode: ResponseMode = RESPONSE_MODE, "json", "the envelope, or the image itself";
    }
}

object_schema! {
    /// Answer at once, and send the result to a receiver.
    Webhook {
        url: Url = WebUrl, "", "the receiver, possibly with credentials; required";
        delay: i64 = Integer(0_i64, 604_800), "0", "seconds from the end of processing to the first attempt";
        headers: Vec<(String, String)> = HeaderFields, "", "additional headers";
        expires: i64 = Integer(1_i64, 5_184_000), "", "seconds after which trying stops";
        retry: bool = Boolean, "true", "false: one attempt only";
    }
}

object_schema! {
    /// Delivery through a CDN; without one configured nothing changes.
    Cdn {
        push: bool = Boolean, "false", "whether the result's URL is the CDN's";
    }
}
