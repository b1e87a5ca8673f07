//! Declares the amount of an effect, such as `sepia`: an object with a `value`, or a boolean.

use serde_json::Value;

use crate::work::request::RequestError;
use crate::work::request::json::as_object;
use crate::work::request::schema::{
    Object, ObjectSchema, ValueParser, ValueSchema, invalid_value, object, object_schema,
};
use crate::work::request::value_types::Number;
use crate::work::request::warnings::{Warnings, attribute_path};

object_schema! {
    /// The amount of an effect. For `pixelate` the value is the side of a square in pixels, and it is
    /// required. For all other effects the value is a strength, and without it the effect has its full
    /// strength, 100.
    Effect {
        value: f64 = Number(1.0, 100.0), "", "pixels or strength";
    }
}

/// The value type of an effect's amount: an object with a `value`, or `false` for no effect. If the effect
/// has a default amount, `true` and an object without `value` mean the default amount.
pub(in crate::work::request) struct EffectAmount {
    /// The default amount, for which `true` and an object without `value` stand. `None` if the effect has no
    /// default amount.
    pub(in crate::work::request) default: Option<f64>,
}

impl EffectAmount {
    const OBJECT: Object<Effect> = object();
}

impl ValueSchema for EffectAmount {
    fn expected(&self) -> String {
        match self.default {
            Some(_) => "an object with a value, true or false".to_owned(),
            None => "an object with a value".to_owned(),
        }
    }

    fn object_schema(&self) -> Option<ObjectSchema> {
        Self::OBJECT.object_schema()
    }
}

impl ValueParser for EffectAmount {
    /// The amount of the effect, or `None` if the request turns the effect off.
    type Parsed = Option<f64>;

    fn parse(&self, value: &Value, path: &str, warnings: &mut Warnings) -> Result<Option<f64>, RequestError> {
        match value {
            Value::Bool(false) => Ok(None),
            Value::Bool(true) if self.default.is_some() => Ok(self.default),
            object if as_object(object).is_some() => {
                match Self::OBJECT.parse(value, path, warnings)?.value.or(self.default) {
                    None => {
                        Err(RequestError::Invalid(format!("{} is required", attribute_path(path, "value"))))
                    }
                    amount => Ok(amount),
                }
            }
            _ => Err(invalid_value(self, path, value)),
        }
    }
}
