//! Fuzz targets: one for each input format, one for the function `process` with a random plan, and one for
//! the function `probe`. Every input must give a result or an error, never a panic. The reported properties
//! of an output must match its bytes.

use arbitrary::{Arbitrary, Unstructured};
use pixaven_imaging::plan::{
    Adjust, Border, Color, Crop, CropAt, Filter, Flip, Gravity, Kernel, Light, Mask, Output, Padding, Resize,
    ResizeMode, Scale, Shape, TargetFormat,
};
use pixaven_imaging::{Format, Limits, Plan, Scratch, TruncatedInput, sniff};

/// Defines the fuzz target of the format `$format`. The target decodes only inputs that have the signature of
/// this format.
#[macro_export]
macro_rules! decodes {
    ($format:ident) => {
        ::libfuzzer_sys::fuzz_target!(|input: &[u8]| -> ::libfuzzer_sys::Corpus {
            $crate::decode(::pixaven_imaging::Format::$format, input)
        });
    };
}

/// Returns limits that keep each run within milliseconds and a few megabytes.
fn limits() -> Limits {
    Limits {
        pixels: 1 << 20,
        input_side_px: 4_096,
        frames: 16,
        output_side_px: 2_048,
        scans: 20,
        parts: 5_000,
        metadata_bytes: 1 << 20,
        truncated: TruncatedInput::Warn,
    }
}

/// Decodes an input and encodes the image as PNG. Returns `Corpus::Reject` for an input that is not in the
/// format `format`, so that the fuzzer does not keep this input.
pub fn decode(format: Format, input: &[u8]) -> libfuzzer_sys::Corpus {
    if sniff(input) != Some(format) {
        return libfuzzer_sys::Corpus::Reject;
    }
    run(input, &Plan { output: to(Format::Png), ..Plan::default() });
    libfuzzer_sys::Corpus::Keep
}

/// Processes an image with a random plan. The last 48 bytes of the input define the plan, the bytes before
/// them are the image.
pub fn process(input: &[u8]) {
    const PLAN_BYTES: usize = 48;
    let Some((image, plan)) = input.split_at_checked(input.len().saturating_sub(PLAN_BYTES)) else { return };
    if let Ok(plan) = self::plan(&mut Unstructured::new(plan)) {
        run(image, &plan);
    }
}

/// Reads the size of an image from its first bytes. The server calls `probe` in the server process itself, so
/// a panic of `probe` would affect the server.
pub fn probe(input: &[u8]) {
    if let Some(probed) = pixaven_imaging::probe::probe(input) {
        assert!(probed.n_frames > 0 && probed.n_scans > 0);
    }
}

fn run(input: &[u8], plan: &Plan) {
    let Ok(done) = pixaven_imaging::process(input, plan, &limits(), &mut Scratch::default()) else { return };
    assert_eq!(done.output.bytes, done.bytes.len() as u64);
    assert!(done.output.width > 0 && done.output.height > 0 && done.output.frames > 0);
    if done.output.format == Format::Png {
        assert_eq!(sniff(&done.bytes), Some(Format::Png));
    }
}

fn to(format: Format) -> Output {
    Output { format: TargetFormat::Format(format), ..Output::default() }
}

type Made<T> = arbitrary::Result<T>;

/// Creates a plan from random bytes. Every number is within its allowed range.
fn plan(u: &mut Unstructured<'_>) -> Made<Plan> {
    let formats: Vec<Format> = Format::written().collect();
    let mut output = to(*u.choose(&formats)?);
    output.quality = some(u, |u| u.int_in_range(1..=100))?;
    output.lossless = u.arbitrary()?;
    output.baseline = u.arbitrary()?;
    output.effort = some(u, |u| u.int_in_range(0..=3))?;
    Ok(Plan {
        flip: some(u, |u| Ok(Flip { horizontal: u.arbitrary()?, vertical: u.arbitrary()? }))?,
        crop: some(u, crop)?,
        resize: some(u, resize)?,
        scale: some(u, |u| {
            Ok(Scale { size: number(u, 0.01, 2.0)?.into(), ratio: number(u, 0.1, 2.0)?.into() })
        })?,
        enhance: u.arbitrary()?,
        adjust: some(u, adjust)?,
        filter: some(u, filter)?,
        mask: some(u, |u| {
            let radius = u.int_in_range(0..=50)?;
            let shape = if u.arbitrary()? { Shape::Ellipse } else { Shape::Rounded { radius } };
            Ok(Mask { shape, background: some(u, color)? })
        })?,
        border: some(u, |u| {
            let (size, radius) = (u.int_in_range(0..=20)?, u.int_in_range(0..=40)?);
            Ok(Border { size, color: color(u)?, radius, background: some(u, color)? })
        })?,
        padding: some(u, |u| {
            let mut side = || u.int_in_range(0..=20);
            let (top, right, bottom, left) = (side()?, side()?, side()?, side()?);
            Ok(Padding { top, right, bottom, left, background: some(u, color)? })
        })?,
        output,
        ..Plan::default()
    })
}

/// Returns `Some` with probability 1/4 and `None` with probability 3/4.
fn some<'a, T>(
    u: &mut Unstructured<'a>,
    make: impl FnOnce(&mut Unstructured<'a>) -> Made<T>,
) -> Made<Option<T>> {
    if u.ratio(1, 4)? { make(u).map(Some) } else { Ok(None) }
}

fn number(u: &mut Unstructured<'_>, low: f32, high: f32) -> Made<f32> {
    Ok(low + (high - low) * f32::from(u8::arbitrary(u)?) / 255.0)
}

fn color(u: &mut Unstructured<'_>) -> Made<Color> {
    let [r, g, b, a] = u.arbitrary()?;
    Ok(Color { r, g, b, a })
}

fn gravity(u: &mut Unstructured<'_>) -> Made<Gravity> {
    u.choose(&[Gravity::Center, Gravity::TopLeft, Gravity::Right, Gravity::Bottom]).copied()
}

fn crop(u: &mut Unstructured<'_>) -> Made<Crop> {
    if u.arbitrary()? {
        return Ok(Crop::Ratio { ratio: number(u, 0.1, 9.0)?.into(), gravity: gravity(u)? });
    }
    let (width, height) = (u.int_in_range(1..=64)?, u.int_in_range(1..=64)?);
    let at = CropAt::Point { x: u.int_in_range(0..=9)?, y: u.int_in_range(0..=9)? };
    Ok(Crop::Rect { width, height, at })
}

fn resize(u: &mut Unstructured<'_>) -> Made<Resize> {
    use ResizeMode as M;
    let mode = *u.choose(&[M::Auto, M::Fit, M::Exact, M::Fill, M::Portrait, M::Landscape])?;
    Ok(Resize {
        mode,
        width: Some(u.int_in_range(1..=255)?),
        height: Some(u.int_in_range(1..=255)?),
        gravity: gravity(u)?,
        upscale: u.arbitrary()?,
        background: some(u, color)?,
        kernel: *u.choose(&Kernel::ALL)?,
        light: *u.choose(&[Light::Srgb, Light::Linear])?,
    })
}

fn adjust(u: &mut Unstructured<'_>) -> Made<Adjust> {
    let mut value = |low| number(u, low, 100.0);
    Ok(Adjust {
        unsharp: value(0.0)?,
        brightness: value(-100.0)?,
        contrast: value(-100.0)?,
        saturation: value(-100.0)?,
        vibrance: value(-100.0)?,
        exposure: value(-100.0)?,
        gamma: value(-100.0)?,
        hue: value(-180.0)?,
        temperature: value(-100.0)?,
        tint: value(-100.0)?,
        highlights: value(-100.0)?,
        shadows: value(-100.0)?,
    })
}

fn filter(u: &mut Unstructured<'_>) -> Made<Filter> {
    let mut value = || some(u, |u| number(u, 1.0, 100.0));
    Ok(Filter {
        pixelate: value()?,
        sepia: value()?,
        mono: value()?,
        invert: value()?,
        vignette: value()?,
        posterize: value()?,
        noise: value()?,
        emboss: value()?,
        edges: value()?,
        ..Filter::default()
    })
}
