//! Value types that only images need: file formats, colours, aspect ratios, lengths and ids of watermarks.

use pixaven_imaging::Format;
use pixaven_imaging::plan::{Color, Length, TargetFormat};
use serde_json::Value;

use super::{finite_number, unsupported_keyword};
use crate::work::request::RequestError;
use crate::work::request::schema::{ValueParser, ValueSchema, invalid_value};
use crate::work::request::warnings::Warnings;

/// The value type of an output format: a file format that this build writes, or `auto`. The crate
/// `pixaven-imaging` lists the formats, so that requests accept a new format as soon as that crate writes it.
pub(in crate::work::request) struct OutputFormat;

impl OutputFormat {
    /// The format names that the API defines, whether this build writes the format or not.
    const NAMES: [&str; 16] = [
        "apng", "auto", "avif", "bmp", "gif", "heic", "ico", "jp2", "jpeg", "jpg", "jxl", "mp4", "png",
        "tiff", "webm", "webp",
    ];

    /// Returns the format called `name`, if this build writes the format.
    fn by_name(name: &str) -> Option<TargetFormat> {
        let name = match name {
            "auto" => return Some(TargetFormat::Auto),
            "jpg" => "jpeg",
            name => name,
        };
        Format::written().find(|format| format.request_name() == name).map(TargetFormat::Format)
    }
}

impl ValueSchema for OutputFormat {
    fn expected(&self) -> String {
        let names: Vec<&str> = Self::NAMES.into_iter().filter(|name| Self::by_name(name).is_some()).collect();
        format!("one of {}", names.join(", "))
    }
}

impl ValueParser for OutputFormat {
    type Parsed = TargetFormat;

    fn parse(&self, value: &Value, path: &str, _: &mut Warnings) -> Result<TargetFormat, RequestError> {
        let name = value.as_str().unwrap_or_default();
        match Self::by_name(name) {
            Some(target) => Ok(target),
            None if Self::NAMES.contains(&name) => Err(unsupported_keyword(self, path, name)),
            None => Err(invalid_value(self, path, value)),
        }
    }
}

/// The value type of a colour in hexadecimal digits, with or without `#`: RGB, RRGGBB or RRGGBBAA.
pub(in crate::work::request) struct HexColor;

impl ValueSchema for HexColor {
    fn expected(&self) -> String {
        "a colour as RGB, RRGGBB or RRGGBBAA".to_owned()
    }
}

impl ValueParser for HexColor {
    type Parsed = Color;

    fn parse(&self, value: &Value, path: &str, _: &mut Warnings) -> Result<Color, RequestError> {
        value.as_str().and_then(parse_color).ok_or_else(|| invalid_value(self, path, value))
    }
}

fn parse_color(text: &str) -> Option<Color> {
    let digits: Vec<u8> = text
        .strip_prefix('#')
        .unwrap_or(text)
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok()))
        .collect::<Option<_>>()?;
    let (r, g, b, a) = match digits[..] {
        [r, g, b] => (17 * r, 17 * g, 17 * b, 255),
        [r, r2, g, g2, b, b2] => (16 * r + r2, 16 * g + g2, 16 * b + b2, 255),
        [r, r2, g, g2, b, b2, a, a2] => (16 * r + r2, 16 * g + g2, 16 * b + b2, 16 * a + a2),
        _ => return None,
    };
    Some(Color { r, g, b, a })
}

/// The value type of an aspect ratio: width divided by height, as a string such as `"4:3"` or as a number.
pub(in crate::work::request) struct AspectRatio;

impl ValueSchema for AspectRatio {
    fn expected(&self) -> String {
        "a ratio such as \"4:3\" or 1.5, from 0.01 to 100".to_owned()
    }
}

impl ValueParser for AspectRatio {
    type Parsed = f64;

    fn parse(&self, value: &Value, path: &str, _: &mut Warnings) -> Result<f64, RequestError> {
        let width_and_height = value.as_str().and_then(|text| text.split_once(':'));
        let ratio = match width_and_height {
            Some((width, height)) => {
                positive_number(width).zip(positive_number(height)).map(|(width, height)| width / height)
            }
            None => finite_number(value),
        };
        ratio.filter(|ratio| (0.01..=100.0).contains(ratio)).ok_or_else(|| invalid_value(self, path, value))
    }
}

fn positive_number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0)
}

/// The value type of a length in pixels, or in percent of the image's width or height.
pub(in crate::work::request) struct PixelsOrPercent;

impl ValueSchema for PixelsOrPercent {
    fn expected(&self) -> String {
        "a number of pixels from 1 to 20000 or a percentage from \"0.01%\" to \"1000%\"".to_owned()
    }
}

impl ValueParser for PixelsOrPercent {
    type Parsed = Length;

    fn parse(&self, value: &Value, path: &str, _: &mut Warnings) -> Result<Length, RequestError> {
        let percentage = value.as_str().and_then(|text| text.strip_suffix('%'));
        let length = match percentage {
            Some(percent) => percent
                .trim()
                .parse()
                .ok()
                .filter(|percent| (0.01..=1_000.0).contains(percent))
                .map(Length::Percent),
            None => finite_number(value)
                .filter(|pixels| pixels.fract() == 0.0 && (1.0..=20_000.0).contains(pixels))
                .map(|pixels| Length::Px(pixels as u32)),
        };
        length.ok_or_else(|| invalid_value(self, path, value))
    }
}

/// The value type of the id of an uploaded watermark. The parser checks only the form of the id, not whether
/// the watermark exists.
pub(in crate::work::request) struct WatermarkId;

impl ValueSchema for WatermarkId {
    fn expected(&self) -> String {
        "the id of a watermark: ten letters and digits".to_owned()
    }
}

impl ValueParser for WatermarkId {
    type Parsed = String;

    fn parse(&self, value: &Value, path: &str, _: &mut Warnings) -> Result<String, RequestError> {
        let id = value.as_str().filter(|id| crate::work::watermark_id::is_valid(id));
        id.map(str::to_owned).ok_or_else(|| invalid_value(self, path, value))
    }
}
