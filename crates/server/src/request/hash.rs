//! How one hash of the request is declared and read. `hash!` makes of each declaration in `table` three things that
//! cannot drift apart: a struct of optional checked values, the list of attributes for messages and documentation,
//! and the reader.

use std::marker::PhantomData;

use serde_json::{Map, Value};

use super::Problem;
use super::kinds::{Accepts, Kind, refused};
use super::warnings::{Warnings, join};

/// A hash as declared.
#[derive(Clone, Copy)]
pub struct Hash {
    /// What it asks for, as lines that may begin with a blank.
    pub doc: &'static str,
    /// What may be in it.
    pub attributes: &'static [Attribute],
    /// Attributes of the API that this build cannot serve.
    pub not_built: &'static [&'static str],
}

/// An attribute as declared.
#[derive(Clone, Copy)]
pub struct Attribute {
    /// Name on the wire.
    pub name: &'static str,
    /// What it may be.
    pub kind: &'static dyn Accepts,
    /// What it is when absent, as one would write it; empty: nothing.
    pub default: &'static str,
    /// What it means.
    pub doc: &'static str,
}

/// A struct made by `hash!`: every field `None` until read.
pub(super) trait FromHash: Default {
    /// The declaration.
    const HASH: Hash;

    /// Reads one attribute; `false` when there is none of that name.
    fn set(
        &mut self,
        name: &str,
        value: &Value,
        path: &str,
        warnings: &mut Warnings,
    ) -> Result<bool, Problem>;

    /// Reads the hash at `path` (empty for the request itself). `null` counts as absent.
    fn read(object: &Map<String, Value>, path: &str, warnings: &mut Warnings) -> Result<Self, Problem> {
        let mut hash = Self::default();
        for (name, value) in object.iter().filter(|(_, value)| !value.is_null()) {
            if Self::HASH.not_built.contains(&name.as_str()) {
                return Err(Problem::Invalid(format!("{} is not supported by this build", join(path, name))));
            }
            if !hash.set(name, value, &join(path, name), warnings)? {
                let known = Self::HASH.attributes.iter().map(|attribute| attribute.name);
                warnings.add_unknown(path, name, known.chain(Self::HASH.not_built.iter().copied()));
            }
        }
        Ok(hash)
    }
}

/// The kind of an attribute that is a hash itself.
pub(super) struct Nested<T>(PhantomData<fn() -> T>);

/// A hash of the form `T`.
pub(super) const fn nested<T>() -> Nested<T> {
    Nested(PhantomData)
}

impl<T: FromHash> Accepts for Nested<T> {
    fn accepts(&self) -> String {
        "an object".to_owned()
    }

    fn nested(&self) -> Option<Hash> {
        Some(T::HASH)
    }
}

impl<T: FromHash> Kind for Nested<T> {
    type Checked = T;

    fn read(&self, value: &Value, path: &str, warnings: &mut Warnings) -> Result<T, Problem> {
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
macro_rules! hash {
    (
        $(#[doc = $doc:literal])+
        $hash:ident {
            $($name:ident $(as $wire:literal)?: $checked:ty = $kind:expr, $default:literal, $about:literal;)*
        }
        $(not_built { $($missing:literal)* })?
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Default)]
        pub(super) struct $hash {
            $(#[doc = $about] pub(super) $name: Option<$checked>,)*
        }

        impl FromHash for $hash {
            const HASH: Hash = Hash {
                doc: concat!($($doc, "\n"),+),
                attributes: &[$(
                    Attribute { name: wire_name!($name $($wire)?), kind: &$kind, default: $default, doc: $about },
                )*],
                not_built: &[$($($missing),*)?],
            };

            fn set(
                &mut self,
                name: &str,
                value: &Value,
                path: &str,
                warnings: &mut Warnings,
            ) -> Result<bool, Problem> {
                match name {
                    $(wire_name!($name $($wire)?) => self.$name = Some($kind.read(value, path, warnings)?),)*
                    _ => return Ok(false),
                }
                Ok(true)
            }
        }
    };
}
pub(super) use hash;
