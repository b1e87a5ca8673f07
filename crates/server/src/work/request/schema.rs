//! Declares the JSON objects of a request and parses them. The types of all values implement the traits of
//! this module.
//!
//! The macro `object_schema!` turns each declaration in `table` into a struct of optional checked values, a
//! list of attributes for messages and documentation, and a parser. Because one declaration yields all three,
//! they always agree.

use std::marker::PhantomData;

use serde_json::{Map, Value};

use super::RequestError;
use super::json::as_object;
use super::warnings::{Warnings, attribute_path};

/// The longest value that a message repeats. Longer values are cut.
const MAX_VALUE_CHARS_IN_MESSAGE: usize = 60;

/// Describes the values that an attribute accepts, for error messages and for the documentation.
pub trait ValueSchema: Sync {
    /// The phrase that follows "must be" in an error message.
    fn expected(&self) -> String;

    /// The schema of the JSON object, if the attribute accepts an object.
    fn object_schema(&self) -> Option<ObjectSchema> {
        None
    }
}

/// Parses a JSON value into a checked value.
pub(super) trait ValueParser: ValueSchema {
    /// The checked value.
    type Parsed;

    /// Parses the value of the attribute at `path`.
    ///
    /// # Errors
    /// If the attribute does not accept the value. The message names the attribute and the accepted values.
    fn parse(&self, value: &Value, path: &str, warnings: &mut Warnings)
    -> Result<Self::Parsed, RequestError>;
}

/// Attributes that may hold credentials, and so may everything below them. Messages never repeat their values.
const SECRET_ATTRIBUTES: [&str; 4] = ["webhook", "headers", "url", "store"];

/// The error for a value that the attribute at `path` does not accept.
pub(super) fn invalid_value(schema: &(impl ValueSchema + ?Sized), path: &str, value: &Value) -> RequestError {
    let got = if may_hold_credentials(path) { type_name(value).to_owned() } else { abbreviated(value) };
    RequestError::Invalid(format!("{path} must be {}, got {got}", schema.expected()))
}

fn may_hold_credentials(path: &str) -> bool {
    path.split('.').any(|name| SECRET_ATTRIBUTES.contains(&name))
}

/// The JSON type of a value, for messages that must not repeat the value.
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

/// The value as a message shows it: objects and lists only by their type, long values cut.
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
    /// What the object is for, in Markdown. Each line may begin with a blank.
    pub doc: &'static str,
    /// The attributes that the object may have.
    pub attributes: &'static [Attribute],
    /// Names of attributes that the API has and this build does not support.
    pub unsupported: &'static [&'static str],
}

/// The declaration of one attribute.
#[derive(Clone, Copy)]
pub struct Attribute {
    /// The name of the JSON member.
    pub name: &'static str,
    /// The values that the attribute accepts.
    pub schema: &'static dyn ValueSchema,
    /// The value that an absent attribute has, as a client would write the value. Empty if there is no
    /// default.
    pub default: &'static str,
    /// What the attribute means, as a phrase in Markdown.
    pub doc: &'static str,
}

/// A struct that `object_schema!` declares. Every field is `None` until its attribute is parsed.
pub(super) trait FromObject: Default {
    /// The declaration of the object.
    const SCHEMA: ObjectSchema;

    /// Parses one attribute into its field. Returns `false` if the object has no attribute called `name`.
    fn parse_attribute(
        &mut self,
        name: &str,
        value: &Value,
        path: &str,
        warnings: &mut Warnings,
    ) -> Result<bool, RequestError>;

    /// Parses the object at `path`; the path of the request itself is empty. `null` counts as absent.
    ///
    /// # Errors
    /// If a value is invalid, or if this build does not support the attribute. An unknown attribute is only a
    /// warning.
    fn parse(object: &Map<String, Value>, path: &str, warnings: &mut Warnings) -> Result<Self, RequestError> {
        let mut parsed = Self::default();
        for (name, value) in object.iter().filter(|(_, value)| !value.is_null()) {
            if Self::SCHEMA.unsupported.contains(&name.as_str()) {
                return Err(RequestError::Invalid(format!(
                    "{} is not supported by this build",
                    attribute_path(path, name)
                )));
            }
            if !parsed.parse_attribute(name, value, &attribute_path(path, name), warnings)? {
                let known = Self::SCHEMA.attributes.iter().map(|attribute| attribute.name);
                warnings.add_unknown(path, name, known.chain(Self::SCHEMA.unsupported.iter().copied()));
            }
        }
        Ok(parsed)
    }
}

/// The value type of an attribute whose value is a JSON object with the schema of `T`.
pub(super) struct Object<T>(PhantomData<fn() -> T>);

/// Creates the value type of an object.
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

/// The JSON name of an attribute: the name of its field, unless the declaration gives another name.
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
        $(unsupported { $($unsupported:literal)* })?
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
                    unsupported: &[$($($unsupported),*)?],
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
