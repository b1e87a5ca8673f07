//! The kinds of values a request is made of: what each accepts, in words and in code. Numbers may come as strings, as
//! clients written in PHP and Ruby send them. Those that only make sense for pictures are in `picture`.

mod picture;

use std::fmt::Display;

use serde_json::Value;
use url::Url;

pub(super) use picture::{AspectRatio, HexColor, OutputFormat, Side, Strength, WatermarkId};

use super::RequestError;
use super::schema::{FromObject, ObjectSchema};
use super::warnings::Warnings;

/// Longer values are cut in messages.
const MAX_SHOWN_CHARS: usize = 60;
/// Longer URLs are refused: no receiver or source in use takes them.
const MAX_URL_BYTES: usize = 8_192;

/// What a kind can say about itself.
pub trait ValueSchema: Sync {
    /// What comes after "must be" in a message.
    fn accepts(&self) -> String;

    /// The hash it is, when it is one.
    fn nested(&self) -> Option<ObjectSchema> {
        None
    }
}

/// What a kind makes of a value.
pub(super) trait ValueType: ValueSchema {
    /// The checked value.
    type Checked;

    /// Checks the value of the attribute called `path`.
    fn read(&self, value: &Value, path: &str, warnings: &mut Warnings)
    -> Result<Self::Checked, RequestError>;
}

/// The message for a value that cannot be.
pub(super) fn refused(kind: &(impl ValueSchema + ?Sized), path: &str, value: &Value) -> RequestError {
    RequestError::Invalid(format!("{path} must be {}, got {}", kind.accepts(), shown(value)))
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Object(_) => return "an object".to_owned(),
        Value::Array(_) => return "a list".to_owned(),
        scalar => scalar.to_string(),
    };
    match text.char_indices().nth(MAX_SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

/// `true`, `false`, also as strings and as 1 and 0.
pub(super) struct Boolean;

impl ValueSchema for Boolean {
    fn accepts(&self) -> String {
        "true or false".to_owned()
    }
}

impl ValueType for Boolean {
    type Checked = bool;

    fn read(&self, value: &Value, path: &str, _: &mut Warnings) -> Result<bool, RequestError> {
        match value {
            Value::Bool(boolean) => Ok(*boolean),
            Value::String(text) if text == "true" => Ok(true),
            Value::String(text) if text == "false" => Ok(false),
            _ if number(value) == Some(1.0) => Ok(true),
            _ if number(value) == Some(0.0) => Ok(false),
            _ => Err(refused(self, path, value)),
        }
    }
}

/// An integer from the first to the second.
pub(super) struct Integer<T>(pub(super) T, pub(super) T);

impl<T: Display + Sync> ValueSchema for Integer<T> {
    fn accepts(&self) -> String {
        format!("an integer from {} to {}", self.0, self.1)
    }
}

impl<T: Display + Sync + Copy + PartialOrd + TryFrom<i64>> ValueType for Integer<T> {
    type Checked = T;

    fn read(&self, value: &Value, path: &str, _: &mut Warnings) -> Result<T, RequestError> {
        // All ranges lie far within the integers that a double holds exactly; the cast saturates.
        number(value)
            .filter(|number| number.fract() == 0.0)
            .and_then(|number| T::try_from(number as i64).ok())
            .filter(|integer| (self.0..=self.1).contains(integer))
            .ok_or_else(|| refused(self, path, value))
    }
}

/// A number from the first to the second.
pub(super) struct Number(pub(super) f64, pub(super) f64);

impl ValueSchema for Number {
    fn accepts(&self) -> String {
        format!("a number from {} to {}", self.0, self.1)
    }
}

impl ValueType for Number {
    type Checked = f64;

    fn read(&self, value: &Value, path: &str, _: &mut Warnings) -> Result<f64, RequestError> {
        number(value)
            .filter(|number| (self.0..=self.1).contains(number))
            .ok_or_else(|| refused(self, path, value))
    }
}

/// One of some words, each with what it stands for.
pub(super) struct Choice<T: 'static> {
    pub(super) words: &'static [(&'static str, T)],
    /// Words of the API that this build cannot serve.
    pub(super) unsupported: &'static [&'static str],
}

impl<T: Sync> ValueSchema for Choice<T> {
    fn accepts(&self) -> String {
        let words: Vec<&str> = self.words.iter().map(|&(word, _)| word).collect();
        format!("one of {}", words.join(", "))
    }
}

impl<T: Sync + Copy> ValueType for Choice<T> {
    type Checked = T;

    fn read(&self, value: &Value, path: &str, _: &mut Warnings) -> Result<T, RequestError> {
        let word = value.as_str().unwrap_or_default();
        match self.words.iter().find(|(known, _)| *known == word) {
            Some((_, meaning)) => Ok(*meaning),
            None if self.unsupported.contains(&word) => Err(unsupported(self, path, word)),
            None => Err(refused(self, path, value)),
        }
    }
}

fn unsupported(kind: &impl ValueSchema, path: &str, word: &str) -> RequestError {
    RequestError::Invalid(format!(
        "{path} {word:?} is not supported by this build; it must be {}",
        kind.accepts()
    ))
}

/// An address on the web. Messages never repeat it: it may hold credentials.
pub(super) struct WebUrl;

impl ValueSchema for WebUrl {
    fn accepts(&self) -> String {
        "an http or https URL".to_owned()
    }
}

impl ValueType for WebUrl {
    type Checked = Url;

    fn read(&self, value: &Value, path: &str, _: &mut Warnings) -> Result<Url, RequestError> {
        let refuse =
            |got: &str| RequestError::Invalid(format!("{path} must be {}, got {got}", self.accepts()));
        let Value::String(text) = value else {
            return Err(refused(self, path, value));
        };
        if text.len() > MAX_URL_BYTES {
            return Err(refuse(&format!("one of more than {MAX_URL_BYTES} bytes")));
        }
        match Url::parse(text) {
            // The URL standard lets neither of the two schemes be without a host.
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
            Ok(url) => Err(refuse(&format!("the scheme {}", shown(&url.scheme().into())))),
            Err(error) => Err(refuse(&format!("one that cannot be read: {error}"))),
        }
    }
}

/// A hash, or a word for one.
pub(super) struct WordOr<T: 'static>(pub(super) &'static [(&'static str, T)]);

impl<T: FromObject + Sync> ValueSchema for WordOr<T> {
    fn accepts(&self) -> String {
        let words: Vec<String> = self.0.iter().map(|(word, _)| format!("{word:?}")).collect();
        format!("an object or one of {}", words.join(", "))
    }

    fn nested(&self) -> Option<ObjectSchema> {
        Some(T::SCHEMA)
    }
}

impl<T: FromObject + Sync + Clone> ValueType for WordOr<T> {
    type Checked = T;

    fn read(&self, value: &Value, path: &str, warnings: &mut Warnings) -> Result<T, RequestError> {
        let by_word = |word: &str| self.0.iter().find(|(known, _)| *known == word);
        match value {
            Value::Object(object) => T::read(object, path, warnings),
            Value::String(word) if let Some((_, fields)) = by_word(word) => Ok(fields.clone()),
            _ => Err(refused(self, path, value)),
        }
    }
}
