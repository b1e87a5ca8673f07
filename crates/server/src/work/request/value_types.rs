//! The types of values in a request. Each type describes the values that it accepts and parses a JSON value.
//! Numbers may be JSON strings, because clients written in PHP and Ruby send them as strings. The module
//! `imaging` has the types that only images need.

mod imaging;

use std::fmt::Display;

use serde_json::Value;
use url::Url;

pub(super) use imaging::{AspectRatio, HexColor, OutputFormat, PixelsOrPercent, WatermarkId};

use super::RequestError;
use super::json::as_object;
use super::schema::{FromObject, ObjectSchema, ValueParser, ValueSchema, invalid_value};
use super::warnings::Warnings;

/// The longest URL that a request may contain, in bytes. Web servers do not accept longer URLs in practice.
const MAX_URL_BYTES: usize = 8_192;

/// Returns the number that a JSON number or a JSON string holds. Returns `None` if the value holds no finite
/// number.
fn finite_number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

/// The value type of a boolean. The strings `"true"` and `"false"` and the numbers 1 and 0 count as booleans,
/// too.
pub(super) struct Boolean;

impl ValueSchema for Boolean {
    fn expected(&self) -> String {
        "true or false".to_owned()
    }
}

impl ValueParser for Boolean {
    type Parsed = bool;

    fn parse(&self, value: &Value, path: &str, _: &mut Warnings) -> Result<bool, RequestError> {
        match value {
            Value::Bool(boolean) => Ok(*boolean),
            Value::String(text) if text == "true" => Ok(true),
            Value::String(text) if text == "false" => Ok(false),
            _ if finite_number(value) == Some(1.0) => Ok(true),
            _ if finite_number(value) == Some(0.0) => Ok(false),
            _ => Err(invalid_value(self, path, value)),
        }
    }
}

/// The value type of an integer. The two fields are the smallest and the largest accepted integer.
pub(super) struct Integer<T>(pub(super) T, pub(super) T);

impl<T: Display + Sync> ValueSchema for Integer<T> {
    fn expected(&self) -> String {
        format!("an integer from {} to {}", self.0, self.1)
    }
}

impl<T: Display + Sync + Copy + PartialOrd + TryFrom<i64>> ValueParser for Integer<T> {
    type Parsed = T;

    fn parse(&self, value: &Value, path: &str, _: &mut Warnings) -> Result<T, RequestError> {
        // An `f64` holds every integer of the declared ranges exactly. The cast turns a number beyond the
        // range of `i64` into the smallest or the largest `i64`, which lies outside of every declared range.
        finite_number(value)
            .filter(|number| number.fract() == 0.0)
            .and_then(|number| T::try_from(number as i64).ok())
            .filter(|integer| (self.0..=self.1).contains(integer))
            .ok_or_else(|| invalid_value(self, path, value))
    }
}

/// The value type of a number. The two fields are the smallest and the largest accepted number.
pub(super) struct Number(pub(super) f64, pub(super) f64);

impl ValueSchema for Number {
    fn expected(&self) -> String {
        format!("a number from {} to {}", self.0, self.1)
    }
}

impl ValueParser for Number {
    type Parsed = f64;

    fn parse(&self, value: &Value, path: &str, _: &mut Warnings) -> Result<f64, RequestError> {
        finite_number(value)
            .filter(|number| (self.0..=self.1).contains(number))
            .ok_or_else(|| invalid_value(self, path, value))
    }
}

/// The value type of an attribute that accepts one keyword of a list.
pub(super) struct Choice<T: 'static> {
    /// Every keyword with the value that the keyword stands for.
    pub(super) keywords: &'static [(&'static str, T)],
    /// The keywords that the API defines and that this build does not support.
    pub(super) unsupported: &'static [&'static str],
}

impl<T: Sync> ValueSchema for Choice<T> {
    fn expected(&self) -> String {
        let keywords: Vec<&str> = self.keywords.iter().map(|&(keyword, _)| keyword).collect();
        format!("one of {}", keywords.join(", "))
    }
}

impl<T: Sync + Copy> ValueParser for Choice<T> {
    type Parsed = T;

    fn parse(&self, value: &Value, path: &str, _: &mut Warnings) -> Result<T, RequestError> {
        let keyword = value.as_str().unwrap_or_default();
        match self.keywords.iter().find(|(known, _)| *known == keyword) {
            Some((_, meaning)) => Ok(*meaning),
            None if self.unsupported.contains(&keyword) => Err(unsupported_keyword(self, path, keyword)),
            None => Err(invalid_value(self, path, value)),
        }
    }
}

/// Creates the error for a keyword that the API defines and that this build does not support.
fn unsupported_keyword(schema: &impl ValueSchema, path: &str, keyword: &str) -> RequestError {
    RequestError::Invalid(format!(
        "{path} {keyword:?} is not supported by this build; it must be {}",
        schema.expected()
    ))
}

/// The value type of an `http` or `https` URL. Error messages never repeat the URL, because a URL may contain
/// credentials.
pub(super) struct WebUrl;

impl ValueSchema for WebUrl {
    fn expected(&self) -> String {
        "an http or https URL".to_owned()
    }
}

impl ValueParser for WebUrl {
    type Parsed = Url;

    fn parse(&self, value: &Value, path: &str, _: &mut Warnings) -> Result<Url, RequestError> {
        let invalid_url =
            |got: &str| RequestError::Invalid(format!("{path} must be {}, got {got}", self.expected()));
        let Value::String(text) = value else {
            return Err(invalid_value(self, path, value));
        };
        if text.len() > MAX_URL_BYTES {
            return Err(invalid_url(&format!("one of more than {MAX_URL_BYTES} bytes")));
        }
        match Url::parse(text) {
            // The URL standard requires a host in `http` and `https` URLs, so no separate check of the host
            // is needed.
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
            // In a text such as `user:password@host`, the URL parser takes the user name for the scheme. The
            // message therefore does not repeat the scheme.
            Ok(_) => Err(invalid_url("another scheme")),
            Err(error) => Err(invalid_url(&format!("one that cannot be read: {error}"))),
        }
    }
}

/// The value type of an attribute that accepts an object, or a keyword that stands for an object.
pub(super) struct KeywordOr<T: 'static>(pub(super) &'static [(&'static str, T)]);

impl<T: FromObject + Sync> ValueSchema for KeywordOr<T> {
    fn expected(&self) -> String {
        let keywords: Vec<String> = self.0.iter().map(|(keyword, _)| format!("{keyword:?}")).collect();
        format!("an object or one of {}", keywords.join(", "))
    }

    fn object_schema(&self) -> Option<ObjectSchema> {
        Some(T::SCHEMA)
    }
}

impl<T: FromObject + Sync + Clone> ValueParser for KeywordOr<T> {
    type Parsed = T;

    fn parse(&self, value: &Value, path: &str, warnings: &mut Warnings) -> Result<T, RequestError> {
        let by_keyword = |keyword: &str| self.0.iter().find(|(known, _)| *known == keyword);
        if let Some(object) = as_object(value) {
            return T::parse(&object, path, warnings);
        }
        match value {
            Value::String(keyword) if let Some((_, parsed)) = by_keyword(keyword) => Ok(parsed.clone()),
            _ => Err(invalid_value(self, path, value)),
        }
    }
}
