//! Estimates how much CPU time an image will take: first from the declared length of a request, then from the
//! size that the file claims, and from the times that earlier images took. Pure: the caller passes the times.
//!
//! An estimate is good if it has the right order of magnitude. It only decides the order in which images are
//! processed, and when a request is refused because the wait would be too long.

use std::collections::HashMap;
use std::time::Duration;

use pixaven_imaging::plan::{Resize, TargetFormat};
use pixaven_imaging::probe::{Probe, may_be_drawing, probe};
use pixaven_imaging::{Format, Limits, Plan};

use super::WorkerInput;

/// The constant part of the CPU time of every image, in seconds.
const PER_IMAGE_S: f64 = 1e-3;
/// The CPU time for each byte of a file, in seconds.
const PER_BYTE_S: f64 = 3e-9;
/// The CPU time for each byte of a file whose size in pixels is unknown, such as an SVG file, in seconds.
const PER_UNKNOWN_BYTE_S: f64 = 100e-9;
/// The side that a drawing of unknown size is expected to have if the request does not change its size, in pixels.
const DRAWING_SIDE_PX: f64 = 512.0;
/// The CPU time for each pixel of an image that is changed, for example blurred, in seconds.
const PER_CHANGED_PIXEL_S: f64 = 40e-9;

/// The number of pixels from which on an image is large.
const LARGE_PX: f64 = 16e6;

/// How far one image moves the median of the time per byte. Each image moves the median up or down by this
/// share of the median.
const MEDIAN_STEP: f64 = 0.1;
/// The weight of the newest image in a factor of [`Estimator::factors`].
const FACTOR_WEIGHT: f64 = 0.2;
/// The limits of a factor, so that no image can make the estimates of others useless.
const FACTORS: std::ops::RangeInclusive<f64> = 0.02..=50.0;
/// The weight of the newest image in [`Estimator::slowdown`].
const SLOWDOWN_WEIGHT: f64 = 0.1;
/// The largest slowdown that one measurement can add. A larger measured slowdown counts as this value.
const SLOWDOWN_MAX: f64 = 20.0;
/// The shortest CPU time of an image whose slowdown is measured.
const SLOWDOWN_MIN_CPU: Duration = Duration::from_millis(5);

/// What is known about an image before it is processed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Work {
    class: Class,
    n_bytes: usize,
    /// The number of pixels of a frame of the input or of the output, whichever is larger.
    n_pixels: f64,
    /// The CPU time of the image in seconds, calculated only from the constants of this module.
    model_s: f64,
}

/// Images whose times are compared with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Class {
    input: Option<Format>,
    /// The format of the output. `None` means that several formats are tried, and the smallest file is the
    /// output.
    output: Option<Format>,
    /// Whether the request changes the pixels of the image, or searches the image for faces.
    is_changed: bool,
    /// The magnitude of [`Work::model_s`], in steps of a factor of four. The magnitude is a part of the class
    /// because the error of the calculated time differs between small and large images.
    magnitude: u8,
}

/// The times that a processed image took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spent {
    /// The CPU time of the worker.
    pub(super) cpu: Duration,
    /// The elapsed time.
    pub(super) wall: Duration,
}

/// Estimates the time of new images from the times of the images that were processed so far.
#[derive(Debug)]
pub(super) struct Estimator {
    /// The longest time that an image may take.
    max: Duration,
    /// The median of the seconds per byte. A small hostile file can take seconds. A few such files would
    /// change a mean, but hardly change a median.
    per_byte_s: f64,
    /// The median of the seconds per image.
    per_image_s: f64,
    /// For each class, the measured CPU time of the images divided by the time that is calculated from the
    /// constants of this module ([`Work::model_s`]).
    factors: HashMap<Class, f64>,
    /// The elapsed time of an image divided by the CPU time of the image. The value is above 1 while the
    /// processors are busy.
    slowdown: f64,
}

impl Work {
    pub(super) fn of(input: &WorkerInput, plan: &Plan, limits: &Limits) -> Self {
        let n_bytes = input.image.len() + input.watermark.as_ref().map_or(0, bytes::Bytes::len);
        let probed = probe(&input.image);
        let is_drawing = probed.is_none() && may_be_drawing(&input.image);
        let format = probed.map(|probed| probed.format).or(is_drawing.then_some(Format::Svg));
        let output = match plan.output.format {
            TargetFormat::Format(format) => Some(format),
            TargetFormat::Default => format.map(Format::default_output),
            TargetFormat::Auto => None,
        };
        let is_changed = is_changed(plan);
        let model_s = PER_IMAGE_S
            + match probed {
                Some(probed) => {
                    PER_BYTE_S * n_bytes as f64 + pixels_s(&probed, plan, output, is_changed, limits)
                }
                None if is_drawing => {
                    PER_UNKNOWN_BYTE_S * n_bytes as f64 + drawing_s(plan, output, is_changed, limits)
                }
                None => PER_UNKNOWN_BYTE_S * n_bytes as f64,
            };
        let class = Class { input: format, output, is_changed, magnitude: magnitude(model_s) };
        let n_pixels = match probed {
            Some(probed) => {
                let (width, height) = (f64::from(probed.width), f64::from(probed.height));
                let (out_width, out_height) = output_size(plan, width, height);
                (width * height).max(out_width * out_height)
            }
            None => 0.0,
        };
        Self { class, n_bytes, n_pixels, model_s }
    }

    /// Whether the buffers for the pixels are a large part of the memory of a worker.
    pub(super) fn is_large(&self) -> bool {
        self.n_pixels >= LARGE_PX
    }
}

/// Returns half of the binary logarithm of a time in milliseconds.
fn magnitude(seconds: f64) -> u8 {
    ((seconds * 1e3).max(1.0).log2() / 2.0) as u8
}

fn is_changed(plan: &Plan) -> bool {
    plan.filter.is_some()
        || plan.adjust.is_some()
        || plan.enhance
        || plan.watermark.is_some()
        || pixaven_imaging::geometry::uses_faces(plan)
}

/// The seconds that decoding, changing and encoding the pixels take.
fn pixels_s(probed: &Probe, plan: &Plan, output: Option<Format>, is_changed: bool, limits: &Limits) -> f64 {
    let (width, height) = (f64::from(probed.width), f64::from(probed.height));
    let n_frames = f64::from(probed.n_frames);
    let decoded = width * height * n_frames;
    let is_refused = decoded > limits.pixels as f64
        || width.max(height) > f64::from(limits.input_side_px)
        || probed.n_frames > limits.frames
        || probed.n_scans > limits.scans;
    if is_refused {
        return 0.0;
    }
    let is_animated = output.is_some_and(Format::is_animated);
    let (out_width, out_height) = output_size(plan, width, height);
    let encoded = out_width * out_height * if is_animated { n_frames } else { 1.0 };
    let changed = if is_changed { encoded.max(width * height) } else { 0.0 };
    // Every scan after the first one refines all coefficients.
    let n_scans = f64::from(probed.n_scans);
    decoded * decode_s(probed.format) * (1.0 + 0.5 * (n_scans - 1.0))
        + encoded * encode_s(output)
        + changed * PER_CHANGED_PIXEL_S
}

/// The seconds that drawing a picture of a vector format, changing and encoding its pixels take. The picture is
/// drawn at the size of the output. The size in the file is unknown, and so is the shape of the picture: a picture
/// of which only one side is requested is expected to be a square.
fn drawing_s(plan: &Plan, output: Option<Format>, is_changed: bool, limits: &Limits) -> f64 {
    let resize = plan.resize.map(|resize| Resize { upscale: true, ..resize });
    let (width, height) = output_size(&Plan { resize, ..plan.clone() }, DRAWING_SIDE_PX, DRAWING_SIDE_PX);
    let n_pixels = width * height;
    if n_pixels > limits.pixels as f64 || width.max(height) > f64::from(limits.output_side_px) {
        return 0.0;
    }
    let changed_s = if is_changed { PER_CHANGED_PIXEL_S } else { 0.0 };
    n_pixels * (decode_s(Format::Svg) + encode_s(output) + changed_s)
}

/// The size of the output, approximately.
fn output_size(plan: &Plan, width: f64, height: f64) -> (f64, f64) {
    let (mut out_width, mut out_height) = (width, height);
    if let Some(resize) = plan.resize {
        let ratio = width / height.max(1.0);
        (out_width, out_height) = match (resize.width.map(f64::from), resize.height.map(f64::from)) {
            (Some(box_width), Some(box_height)) => (box_width, box_height),
            (Some(box_width), None) => (box_width, box_width / ratio.max(1e-6)),
            (None, Some(box_height)) => (box_height * ratio, box_height),
            (None, None) => (width, height),
        };
        if !resize.upscale {
            (out_width, out_height) = (out_width.min(width), out_height.min(height));
        }
    }
    if let Some(scale) = plan.scale {
        (out_width, out_height) = (out_width * scale.size * scale.ratio, out_height * scale.size);
    }
    (out_width, out_height)
}

/// The approximate CPU time for decoding one pixel, in seconds. [`Estimator::factors`] corrects the error of
/// this value with the times of processed images.
fn decode_s(format: Format) -> f64 {
    let ns = match format {
        Format::Bmp => 3.0,
        Format::Jpeg => 8.0,
        Format::Gif | Format::Png | Format::Apng | Format::Tiff | Format::Ico | Format::Psd => 12.0,
        Format::Webp => 15.0,
        Format::Avif | Format::Heic | Format::Jxl => 40.0,
        Format::Jp2 => 100.0,
        Format::Svg | Format::Mp4 | Format::Webm => 50.0,
    };
    ns * 1e-9
}

/// The approximate CPU time for encoding one pixel, in seconds. The format `None` means that several formats
/// are tried.
fn encode_s(format: Option<Format>) -> f64 {
    let ns = match format {
        Some(Format::Bmp) => 3.0,
        Some(Format::Jpeg) => 15.0,
        Some(Format::Tiff) => 20.0,
        Some(Format::Png | Format::Apng | Format::Gif | Format::Ico) => 60.0,
        Some(Format::Webp) => 120.0,
        Some(Format::Jxl | Format::Mp4 | Format::Webm) => 150.0,
        Some(Format::Jp2 | Format::Heic) => 300.0,
        Some(Format::Avif) => 600.0,
        Some(Format::Svg | Format::Psd) => 0.0,
        None => 1_000.0,
    };
    ns * 1e-9
}

impl Estimator {
    /// Creates an estimator that knows no image yet. No image takes longer than `max`.
    pub(super) fn new(max: Duration) -> Self {
        Self { max, per_byte_s: 100e-9, per_image_s: 0.03, factors: HashMap::new(), slowdown: 1.0 }
    }

    /// The expected CPU time of an image of `n_bytes` bytes. `None` means that even the length of the file is
    /// unknown.
    pub(super) fn of_length(&self, n_bytes: Option<u64>) -> Duration {
        self.limited(
            n_bytes.map_or(self.per_image_s, |n_bytes| PER_IMAGE_S + n_bytes as f64 * self.per_byte_s),
        )
    }

    /// The expected CPU time of an image whose format and size in pixels are known.
    pub(super) fn of_work(&self, work: &Work) -> Duration {
        self.limited(work.model_s * self.factors.get(&work.class).copied().unwrap_or(1.0))
    }

    /// Improves the later estimates with the times of an image that was processed.
    pub(super) fn learn(&mut self, work: &Work, spent: Spent) {
        let cpu_s = spent.cpu.as_secs_f64();
        step(&mut self.per_byte_s, (cpu_s - PER_IMAGE_S).max(0.0) / work.n_bytes.max(1) as f64);
        step(&mut self.per_image_s, cpu_s);
        let seen = (cpu_s / work.model_s).clamp(*FACTORS.start(), *FACTORS.end());
        let factor = self.factors.entry(work.class).or_insert(seen);
        // The new factor is a weighted mean of logarithms: an image that takes 50 times the expected time
        // raises the factor by the same ratio by which an image that takes a 50th of the expected time lowers
        // the factor.
        *factor *= (seen / *factor).powf(FACTOR_WEIGHT);
        if spent.cpu >= SLOWDOWN_MIN_CPU {
            let seen = (spent.wall.as_secs_f64() / cpu_s).clamp(1.0, SLOWDOWN_MAX);
            self.slowdown += SLOWDOWN_WEIGHT * (seen - self.slowdown);
        }
    }

    /// Converts CPU time of workers to elapsed time.
    pub(super) fn elapsed(&self, cpu: Duration) -> Duration {
        cpu.mul_f64(self.slowdown)
    }

    fn limited(&self, seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds.clamp(0.0, self.max.as_secs_f64()))
    }
}

/// Moves a median towards a new value.
fn step(median: &mut f64, seen: f64) {
    *median *= if seen > *median { 1.0 + MEDIAN_STEP } else { 1.0 / (1.0 + MEDIAN_STEP) };
    // Without a lower limit the median would need very long to recover from many values of zero.
    *median = median.max(1e-9);
}

#[cfg(test)]
mod tests;
