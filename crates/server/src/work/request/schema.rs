//! Declares the JSON objects of a request and parses them. The types of all values in a request implement the
//! traits `ValueSchema` and `ValueParser` of this module.
//!
//! The macro `object_schema!` turns each declaration in the module `table` into a struct of optional checked
//! values, a list of attributes for messages and documentation, and a parser. Because one declaration yields
//! all three, they always agree.

use std::marker::PhantomData;

use serde_json::{Map, Value};

use super::RequestError;
use super::json::as_object;
use super::warnings::{Warnings, attribute_path};

/// The largest number of characters of an invalid value that an error message repeats. A longer value is cut.
const MAX_VALUE_CHARS_IN_MESSAGE: usize = 60;

/// Describes the values that an attribute accepts, for error messages and for the documentation.
pub trait ValueSchema: Sync {
    /// Returns the phrase that follows "must be" in an error message, such as `an integer from 1 to 9`.
    fn expected(&self) -> String;

    /// Returns the schema of the JSON object, if the attribute accepts an object.
    fn object_schema(&self) -> Option<ObjectSchema> {
        None
    }
}

/// Parses a JSON value into a checked value.
pub(super) trait ValueParser: ValueSchema {
    /// The Rust type of the checked value.
    type Parsed;

    /// Parses the value of the attribute whose dotted name is `path`.
    ///
    /// # Errors
    /// If the attribute does not accept the value. The message names the attribute and the accepted values.
    fn parse(&self, value: &Value, path: &str, warnings: &mut Warnings)
    -> Result<Self::Parsed, RequestError>;
}

/// The attributes that may hold credentials, either directly or in a nested attribute. Error messages never
/// repeat values of these attributes or of their nested attributes.
const SECRET_ATTRIBUTES: [&str; 4] = ["webhook", "headers", "url", "store"];

/// Creates the error for a value that the attribute at `path` does not accept.
pub(super) fn invalid_value(schema: &(impl ValueSchema + ?Sized), path: &str, value: &Value) -> RequestError {
    let got = if may_hold_credentials(path) { type_name(value).to_owned() } else { abbreviated(value) };
    RequestError::Invalid(format!("{path} must be {}, got {got}", schema.expected()))
}

fn may_hold_credentials(path: &str) -> bool {
    path.split('.').any(|name| SECRET_ATTRIBUTES.contains(&name))
}

/// Returns the JSON type of a value, for error messages that must not repeat the value itself.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Formats a value for an error message. An object or a list is replaced by the name of its type, and a long
/// value is cut.
fn abbreviated(value: &Value) -> String {
    let text = match value {
        Value::Object(_) | Value::Array(_) => return type_name(value).to_owned(),
        scalar => scalar.to_string(),
    };
    match text.char_indices().nth(MAX_VALUE_CHARS_IN_MESSAGE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The declaration of one JSON object.
#[derive(Clone, Copy)]
pub struct ObjectSchema {
    /// The text that says what the object is for, in Markdown. Each line may begin with a space.
    pub doc: &'static str,
    /// The attributes that the object may have.
    pub attributes: &'static [Attribute],
}

/// The declaration of one attribute.
#[derive(Clone, Copy)]
pub struct Attribute {
    /// The name of the JSON member.
    pub name: &'static str,
    /// The values that the attribute accepts.
    pub schema: &'static dyn ValueSchema,
    /// The default, which an absent attribute has, as a client would write it in a request. An empty text
    /// means that the attribute has no default.
    pub default: &'static str,
    /// The meaning of the attribute, as a phrase in Markdown.
    pub doc: &'static str,
}

/// A struct that `object_schema!` declares. Every field is `None` until its attribute is parsed.
pub(super) trait FromObject: Default {
    /// The declaration of the JSON object.
    const SCHEMA: ObjectSchema;

    /// Parses the value of one attribute into the field of this attribute. Returns `false` if the object has
    /// no attribute called `name`.
    fn parse_attribute(
        &mut self,
        name: &str,
        value: &Value,
        path: &str,
        warnings: &mut Warnings,
    ) -> Result<bool, RequestError>;

    /// Parses the object whose dotted name is `path`. The dotted name of the whole request is empty. An
    /// attribute with the value `null` counts as absent.
    ///
    /// # Errors
    /// If a value is invalid. An unknown attribute is only a warning.
    fn parse(object: &Map<String, Value>, path: &str, warnings: &mut Warnings) -> Result<Self, RequestError> {
        let mut parsed = Self::default();
        for (name, value) in object.iter().filter(|(_, value)| !value.is_null()) {
            if !parsed.parse_attribute(name, value, &attribute_path(path, name), warnings)? {
                let known = Self::SCHEMA.attributes.iter().map(|attribute| attribute.name);
                warnings.add_unknown(path, name, known);
            }
        }
        Ok(parsed)
    }
}

/// The value type of an attribute whose value is a JSON object with the schema of `T`.
pub(super) struct Object<T>(PhantomData<fn() -> T>);

/// Creates the value type of an attribute whose value is a JSON object.
pub(super) const fn object<T>() -> Object<T> {
    Object(PhantomData)
}

impl<T: FromObject> ValueSchema for Object<T> {
    fn expected(&self) -> String {
        "an object".to_owned()
    }

    fn object_schema(&self) -> Option<ObjectSchema> {
        Some(T::SCHEMA)
    }
}

impl<T: FromObject> ValueParser for Object<T> {
    type Parsed = T;

    fn parse(&self, value: &Value, path: &str, warnings: &mut Warnings) -> Result<T, RequestError> {
        match as_object(value) {
            Some(object) => T::parse(&object, path, warnings),
            None => Err(invalid_value(self, path, value)),
        }
    }
}

/// The JSON name of an attribute: the name of its Rust field, unless the declaration gives another name.
macro_rules! json_name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $name:literal) => {
        $name
    };
}
pub(super) use json_name;

/// Declares a JSON object. An attribute is declared as `field: type = value_type, "default", "meaning";`. If
/// the JSON name is a keyword of Rust, the declaration begins with `field as "name"`.
macro_rules! object_schema {
    (
        $(#[doc = $doc:literal])+
        $object:ident {
            $(
                $field:ident $(as $json_name:literal)?: $parsed:ty =
                    $value_type:expr, $default:literal, $meaning:literal;
            )*
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Default)]
        pub(in $crate::work::request) struct $object {
            $(#[doc = $meaning] pub(in $crate::work::request) $field: Option<$parsed>,)*
        }

        impl $crate::work::request::schema::FromObject for $object {
            const SCHEMA: $crate::work::request::schema::ObjectSchema =
                $crate::work::request::schema::ObjectSchema {
                    doc: concat!($($doc, "\n"),+),
                    attributes: &[$(
                        $crate::work::request::schema::Attribute {
                            name: $crate::work::request::schema::json_name!($field $($json_name)?),
                            schema: &$value_type,
                            default: $default,
                            doc: $meaning,
                        },
                    )*],
                };

            fn parse_attribute(
                &mut self,
                name: &str,
                value: &serde_json::Value,
                path: &str,
                warnings: &mut $crate::work::request::warnings::Warnings,
            ) -> Result<bool, $crate::work::request::RequestError> {
                use $crate::work::request::schema::ValueParser as _;
                match name {
                    $(
                        $crate::work::request::schema::json_name!($field $($json_name)?) => {
                            self.$field = Some($value_type.parse(value, path, warnings)?);
                        }
                    )*
                    _ => return Ok(false),
                }
                Ok(true)
            }
        }
    };
}
pub(super) use object_schema;
