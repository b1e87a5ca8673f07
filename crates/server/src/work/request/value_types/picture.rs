//! Kinds of values that only pictures have: formats, colours, aspect ratios, strengths of effects.

use pixaven_imaging::Format;
use pixaven_imaging::plan::{Color, Length, TargetFormat};
use serde_json::Value;

use super::{ValueSchema, ValueType, number, refused, unsupported};
use crate::work::request::RequestError;
use crate::work::request::schema::{Nested, ObjectSchema, nested};
use crate::work::request::table::Effect;
use crate::work::request::warnings::{Warnings, join};

/// A format this build writes, or `auto`. Those it can are asked of `imaging`, so that a new one there is one here.
pub(in crate::work::request) struct OutputFormat;

impl OutputFormat {
    /// Every name in the API.
    const NAMES: [&str; 16] = [
        "apng", "auto", "avif", "bmp", "gif", "heic", "ico", "jp2", "jpeg", "jpg", "jxl", "mp4", "png",
        "tiff", "webm", "webp",
    ];

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
    fn accepts(&self) -> String {
        let names: Vec<&str> = Self::NAMES.into_iter().filter(|name| Self::by_name(name).is_some()).collect();
        format!("one of {}", names.join(", "))
    }
}

impl ValueType for OutputFormat {
    type Checked = TargetFormat;

    fn read(&self, value: &Value, path: &str, _: &mut Warnings) -> Result<TargetFormat, RequestError> {
        let name = value.as_str().unwrap_or_default();
        match Self::by_name(name) {
            Some(target) => Ok(target),
            None if Self::NAMES.contains(&name) => Err(unsupported(self, path, name)),
            None => Err(refused(self, path, value)),
        }
    }
}

/// A colour in hexadecimal digits.
pub(in crate::work::request) struct HexColor;

impl ValueSchema for HexColor {
    fn accepts(&self) -> String {
        "a colour as RGB, RRGGBB or RRGGBBAA".to_owned()
    }
}

impl ValueType for HexColor {
    type Checked = Color;

    fn read(&self, value: &Value, path: &str, _: &mut Warnings) -> Result<Color, RequestError> {
        value.as_str().and_then(color).ok_or_else(|| refused(self, path, value))
    }
}

fn color(text: &str) -> Option<Color> {
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

/// Width to height, as `"4:3"` or as their quotient.
pub(in crate::work::request) struct AspectRatio;

impl ValueSchema for AspectRatio {
    fn accepts(&self) -> String {
        "a ratio such as \"4:3\" or 1.5, from 0.01 to 100".to_owned()
    }
}

impl ValueType for AspectRatio {
    type Checked = f64;

    fn read(&self, value: &Value, path: &str, _: &mut Warnings) -> Result<f64, RequestError> {
        let sides = value.as_str().and_then(|text| text.split_once(':'));
        let ratio = match sides {
            Some((width, height)) => side(width).zip(side(height)).map(|(width, height)| width / height),
            None => number(value),
        };
        ratio.filter(|ratio| (0.01..=100.0).contains(ratio)).ok_or_else(|| refused(self, path, value))
    }
}

fn side(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|side: &f64| side.is_finite() && *side > 0.0)
}

/// An effect with a `value`, or `true` for its full strength where it has one, or `false` for none.
pub(in crate::work::request) struct Strength {
    /// What `true` and an absent `value` mean.
    pub(in crate::work::request) full: Option<f64>,
}

impl Strength {
    const SCHEMA: Nested<Effect> = nested();
}

impl ValueSchema for Strength {
    fn accepts(&self) -> String {
        match self.full {
            Some(_) => "an object with a value, true or false".to_owned(),
            None => "an object with a value".to_owned(),
        }
    }

    fn nested(&self) -> Option<ObjectSchema> {
        Self::SCHEMA.nested()
    }
}

impl ValueType for Strength {
    type Checked = Option<f64>;

    fn read(&self, value: &Value, path: &str, warnings: &mut Warnings) -> Result<Option<f64>, RequestError> {
        match value {
            Value::Bool(false) => Ok(None),
            Value::Bool(true) if self.full.is_some() => Ok(self.full),
            Value::Object(_) => match Self::SCHEMA.read(value, path, warnings)?.value.or(self.full) {
                None => Err(RequestError::Invalid(format!("{} is required", join(path, "value")))),
                strength => Ok(strength),
            },
            _ => Err(refused(self, path, value)),
        }
    }
}

/// A side in pixels, or in percent of the image's.
pub(in crate::work::request) struct Side;

impl ValueSchema for Side {
    fn accepts(&self) -> String {
        "a number of pixels from 1 to 20000 or a percentage from \"0.01%\" to \"1000%\"".to_owned()
    }
}

impl ValueType for Side {
    type Checked = Length;

    fn read(&self, value: &Value, path: &str, _: &mut Warnings) -> Result<Length, RequestError> {
        let percentage = value.as_str().and_then(|text| text.strip_suffix('%'));
        let length = match percentage {
            Some(percent) => percent
                .trim()
                .parse()
                .ok()
                .filter(|percent| (0.01..=1_000.0).contains(percent))
                .map(Length::Percent),
            None => number(value)
                .filter(|pixels| pixels.fract() == 0.0 && (1.0..=20_000.0).contains(pixels))
                .map(|pixels| Length::Px(pixels as u32)),
        };
        length.ok_or_else(|| refused(self, path, value))
    }
}

/// What names an uploaded watermark.
pub(in crate::work::request) struct WatermarkId;

impl ValueSchema for WatermarkId {
    fn accepts(&self) -> String {
        "the id of a watermark: ten letters and digits".to_owned()
    }
}

impl ValueType for WatermarkId {
    type Checked = String;

    fn read(&self, value: &Value, path: &str, _: &mut Warnings) -> Result<String, RequestError> {
        let id = value.as_str().filter(|id| crate::work::watermarks::is_id(id));
        id.map(str::to_owned).ok_or_else(|| refused(self, path, value))
    }
}
