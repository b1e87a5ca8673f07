//! How one hash of the request is declared and read. `object_schema!` makes of each declaration in `table` three things that
//! cannot drift apart: a struct of optional checked values, the list of attributes for messages and documentation,
//! and the reader.

use std::marker::PhantomData;

use serde_json::{Map, Value};

use super::RequestError;
use super::value_types::{ValueSchema, ValueType, refused};
use super::warnings::{Warnings, join};

/// A hash as declared.
#[derive(Clone, Copy)]
pub struct ObjectSchema {
    /// What it asks for, as lines that may begin with a blank.
    pub doc: &'static str,
    /// What may be in it.
    pub attributes: &'static [Attribute],
    /// Attributes of the API that this build cannot serve.
    pub unsupported: &'static [&'static str],
}

/// An attribute as declared.
#[derive(Clone, Copy)]
pub struct Attribute {
    /// Name on the wire.
    pub name: &'static str,
    /// What it may be.
    pub kind: &'static dyn ValueSchema,
    /// What it is when absent, as one would write it; empty: nothing.
    pub default: &'static str,
    /// What it means.
    pub doc: &'static str,
}

/// A struct made by `object_schema!`: every field `None` until read.
pub(super) trait FromObject: Default {
    /// The declaration.
    const SCHEMA: ObjectSchema;

    /// Reads one attribute; `false` when there is none of that name.
    fn set(
        &mut self,
        name: &str,
        value: &Value,
        path: &str,
        warnings: &mut Warnings,
    ) -> Result<bool, RequestError>;

    /// Reads the hash at `path` (empty for the request itself). `null` counts as absent.
    fn read(object: &Map<String, Value>, path: &str, warnings: &mut Warnings) -> Result<Self, RequestError> {
        let mut fields = Self::default();
        for (name, value) in object.iter().filter(|(_, value)| !value.is_null()) {
            if Self::SCHEMA.unsupported.contains(&name.as_str()) {
                return Err(RequestError::Invalid(format!(
                    "{} is not supported by this build",
                    join(path, name)
                )));
            }
            if !fields.set(name, value, &join(path, name), warnings)? {
                let known = Self::SCHEMA.attributes.iter().map(|attribute| attribute.name);
                warnings.add_unknown(path, name, known.chain(Self::SCHEMA.unsupported.iter().copied()));
            }
        }
        Ok(fields)
    }
}

/// The kind of an attribute that is a hash itself.
pub(super) struct Nested<T>(PhantomData<fn() -> T>);

/// A hash of the form `T`.
pub(super) const fn nested<T>() -> Nested<T> {
    Nested(PhantomData)
}

impl<T: FromObject> ValueSchema for Nested<T> {
    fn accepts(&self) -> String {
        "an object".to_owned()
    }

    fn nested(&self) -> Option<ObjectSchema> {
        Some(T::SCHEMA)
    }
}

impl<T: FromObject> ValueType for Nested<T> {
    type Checked = T;

    fn read(&self, value: &Value, path: &str, warnings: &mut Warnings) -> Result<T, RequestError> {
        match value {
            Value::Object(object) => T::read(object, path, warnings),
            _ => Err(refused(self, path, value)),
        }
    }
}

/// The name of an attribute on the wire: that of its field, unless that cannot be a name in Rust.
macro_rules! wire_name {
    ($name:ident) => {
        stringify!($name)
    };
    ($name:ident $wire:literal) => {
        $wire
    };
}
pub(super) use wire_name;

/// Declares a hash: `name: type = kind, "default", "meaning";` per attribute, or `field as "name": …`.
macro_rules! object_schema {
    (
        $(#[doc = $doc:literal])+
        $fields:ident {
            $($name:ident $(as $wire:literal)?: $checked:ty = $kind:expr, $default:literal, $about:literal;)*
        }
        $(unsupported { $($missing:literal)* })?
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Default)]
        pub(super) struct $fields {
            $(#[doc = $about] pub(super) $name: Option<$checked>,)*
        }

        impl FromObject for $fields {
            const SCHEMA: ObjectSchema = ObjectSchema {
                doc: concat!($($doc, "\n"),+),
                attributes: &[$(
                    Attribute { name: wire_name!($name $($wire)?), kind: &$kind, default: $default, doc: $about },
                )*],
                unsupported: &[$($($missing),*)?],
            };

            fn set(
                &mut self,
                name: &str,
                value: &Value,
                path: &str,
                warnings: &mut Warnings,
            ) -> Result<bool, RequestError> {
                match name {
                    $(wire_name!($name $($wire)?) => self.$name = Some($kind.read(value, path, warnings)?),)*
                    _ => return Ok(false),
                }
                Ok(true)
            }
        }
    };
}
pub(super) use object_schema;
