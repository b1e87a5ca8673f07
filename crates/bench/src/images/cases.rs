//! The cases of the tool `images`. Each case has a plan for pixaven and the most similar pipeline for sharp,
//! with the same sizes, resampling kernel, quality and kind of encoding.
//!
//! pixaven and sharp both write baseline JPEG with 4:2:0 and Huffman tables that are optimised for the image,
//! and WebP with libwebp's method 4. PNG and GIF have no quality. Each program therefore writes them with its
//! defaults, and the report shows the sizes of the files, too.

use pixaven_imaging::Plan;
use pixaven_imaging::plan::{
    Adjust, Blur, Color, Crop, CropAt, Filter, Flip, Format, Gravity, Kernel, Light, Output, Padding, Resize,
    ResizeMode, TargetFormat,
};

use super::inputs::Input;

/// One case: an input image, the plan for pixaven, and the pipeline for sharp.
pub(super) struct ImageCase {
    pub(super) name: &'static str,
    pub(super) input: Input,
    pub(super) plan: fn() -> Plan,
    /// A JavaScript expression that creates a pipeline of `sharp`. The variable `input` holds the bytes of
    /// the input file.
    pub(super) sharp: &'static str,
    /// The largest acceptable ratio of processor time: the time of pixaven divided by the time of sharp.
    pub(super) max_cpu_ratio: Option<f64>,
    /// Whether the case takes many seconds.
    pub(super) is_long: bool,
}

/// All cases of the tool `images`, in the order of the report.
pub(super) fn all() -> Vec<ImageCase> {
    use Input as I;
    let case = |name, input, plan, sharp, max_cpu_ratio| ImageCase {
        name,
        input,
        plan,
        sharp,
        max_cpu_ratio,
        is_long: false,
    };
    vec![
        case("jpeg 12 MP to 800", I::Photo12Mp, || plan(TO_800, Format::Jpeg), JPEG_800, Some(0.90)),
        case("jpeg 2725x2225 to 720", I::Photo6Mp, || plan(TO_720, Format::Jpeg), JPEG_720, Some(0.70)),
        case("jpeg 2725x2225 to 720 webp", I::Photo6Mp, || plan(TO_720, Format::Webp), WEBP_720, Some(0.85)),
        case(
            "jpeg progressive 12 MP",
            I::Progressive12Mp,
            || plan(TO_800, Format::Jpeg),
            JPEG_800,
            Some(0.80),
        ),
        case("png alpha to 720", I::PngAlpha, || plan(Some((720, 540)), Format::Png), PNG_540, Some(0.45)),
        case("png photo to 720", I::PngPhoto, || plan(TO_720, Format::Png), PNG_588, Some(0.45)),
        case("gif 50 frames to half", I::Gif50, || plan(Some((240, 160)), Format::Gif), GIF_HALF, None),
        case("jpeg 1200x800 to avif", I::Photo1Mp, || plan(None, Format::Avif), AVIF, None),
        case("chain of seven", I::Photo6Mp, chain, CHAIN, None),
        ImageCase {
            is_long: true,
            ..case("gif 200 frames to webp", I::Gif200, || plan(None, Format::Webp), WEBP_ANIMATED, None)
        },
    ]
}

const TO_800: Option<(u32, u32)> = Some((800, 600));
const JPEG_800: &str = "sharp(input).resize(800, 600, {fit: 'fill', kernel: 'lanczos3'}).jpeg({quality: 80})";

const TO_720: Option<(u32, u32)> = Some((720, 588));
const JPEG_720: &str = "sharp(input).resize(720, 588, {fit: 'fill', kernel: 'lanczos3'}).jpeg({quality: 80})";
const WEBP_720: &str =
    "sharp(input).resize(720, 588, {fit: 'fill', kernel: 'lanczos3'}).webp({quality: 80, effort: 4})";
const PNG_588: &str =
    "sharp(input).resize(720, 588, {fit: 'fill', kernel: 'lanczos3'}).png({compressionLevel: 6})";

const PNG_540: &str =
    "sharp(input).resize(720, 540, {fit: 'fill', kernel: 'lanczos3'}).png({compressionLevel: 6})";
const GIF_HALF: &str =
    "sharp(input, {animated: true}).resize(240, 160, {fit: 'fill', kernel: 'lanczos3'}).gif()";
const AVIF: &str = "sharp(input).avif({quality: 50, effort: 4})";
const WEBP_ANIMATED: &str = "sharp(input, {animated: true}).webp({quality: 80, effort: 4})";

/// `sharp` always resizes before it flips, even if the script calls `flip` first, whereas pixaven flips
/// first. The crop is centred, so that both orders give the same result.
const CHAIN: &str = "sharp(input).rotate().flop()
    .extract({left: 200, top: 200, width: 2325, height: 1825})
    .resize(720, 565, {fit: 'fill', kernel: 'lanczos3'}).linear(1.1, 0).blur(2)
    .extend({top: 20, right: 20, bottom: 20, left: 20, background: 'white'}).jpeg({quality: 80})";

/// Creates a plan that resizes an image, if `size` is given, and encodes the image in a format.
fn plan(size: Option<(u32, u32)>, format: Format) -> Plan {
    let quality = match format {
        Format::Avif => Some(50),
        Format::Jpeg | Format::Webp => Some(80),
        _ => None,
    };
    Plan {
        resize: size.map(|(width, height)| Resize {
            mode: ResizeMode::Exact,
            width: Some(width),
            height: Some(height),
            gravity: Gravity::Center,
            upscale: false,
            background: None,
            kernel: Kernel::Lanczos3,
            light: Light::Srgb,
        }),
        output: Output {
            format: TargetFormat::Format(format),
            quality,
            baseline: format == Format::Jpeg,
            ..Output::default()
        },
        ..Plan::default()
    }
}

/// Creates a plan of seven operations: apply the EXIF orientation, flip, crop, resize, adjust, blur, pad.
fn chain() -> Plan {
    Plan {
        flip: Some(Flip { horizontal: true, vertical: false }),
        crop: Some(Crop::Rect { width: 2325, height: 1825, at: CropAt::Gravity(Gravity::Center) }),
        adjust: Some(Adjust { brightness: 10.0, ..Adjust::default() }),
        filter: Some(Filter { blur: Some(Blur::Gaussian { radius: 2.0 }), ..Filter::default() }),
        padding: Some(Padding { top: 20, right: 20, bottom: 20, left: 20, background: Some(Color::WHITE) }),
        ..plan(Some((720, 565)), Format::Jpeg)
    }
}
