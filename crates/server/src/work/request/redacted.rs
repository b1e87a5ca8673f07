//! Removes secrets from the JSON of a request whose job has ended. The ledger keeps the JSON with the webhook's
//! history, long after the image was fetched.

use serde_json::{Map, Value};
use url::Url;

use super::schema::ObjectSchema;
use crate::work::redact;

/// The value that replaces a secret.
const HIDDEN: &str = "***";

/// Returns a copy of `object` that has no secrets: the credentials and the query of every URL, the values of all
/// headers, and the keys of buckets become `***`. Attributes that `schema` does not declare are left out, because their values may
/// be anything.
pub(super) fn without_secrets(object: &Map<String, Value>, schema: ObjectSchema) -> Map<String, Value> {
    let declared = schema.attributes.iter().filter_map(|attribute| {
        let value = object.get(attribute.name)?;
        let value = match (attribute.schema.object_schema(), value) {
            (Some(schema), Value::Object(inner)) => Value::Object(without_secrets(inner, schema)),
            (Some(_), _) if !value.is_null() => HIDDEN.into(),
            _ => without_secret_text(attribute.name, value),
        };
        Some((attribute.name.to_owned(), value))
    });
    declared.collect()
}

fn without_secret_text(name: &str, value: &Value) -> Value {
    match (name, value) {
        ("url", Value::String(url)) => {
            Url::parse(url).map_or_else(|_| HIDDEN.to_owned(), |url| redact::without_secrets(&url)).into()
        }
        ("headers", Value::Object(headers)) => {
            headers.keys().map(|name| (name.clone(), Value::from(HIDDEN))).collect::<Map<_, _>>().into()
        }
        ("url" | "headers" | "key" | "secret" | "endpoint" | "metadata", Value::Null) => Value::Null,
        ("url" | "headers" | "key" | "secret" | "endpoint" | "metadata", _) => HIDDEN.into(),
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::work::request::REQUEST_SCHEMA;

    #[test]
    fn secrets_in_the_urls_and_headers_of_a_stored_request_are_replaced_with_asterisks() {
        let request = json!({
            "url": "https://user:word@images.example.com/a.jpg?token=1",
            "headers": { "Authorization": "Bearer 2" },
            "resize": { "width": 100, "mode": "fit" },
            "watermark": { "url": "https://example.com/logo.png?key=3", "opacity": 0.5 },
            "webhook": { "url": "http://a:b@hooks.example.com/x?k=4", "headers": { "X-Key": "5" }, "delay": 10 },
            "store": { "provider": "s3", "key": "7", "secret": 8, "endpoint": "https://a:9@h/", "path": "a/b.jpg",
                       "metadata": { "a": "10" }, "headers": { "Content-Type": "11" }, "password": "12" },
            "unknown": "secret 6",
        });
        let redacted = without_secrets(request.as_object().expect("an object"), REQUEST_SCHEMA);
        let expected = json!({
            "url": "https://***@images.example.com/a.jpg?***",
            "headers": { "Authorization": "***" },
            "resize": { "width": 100, "mode": "fit" },
            "watermark": { "url": "https://example.com/logo.png?***", "opacity": 0.5 },
            "webhook": { "url": "http://***@hooks.example.com/x?***", "headers": { "X-Key": "***" }, "delay": 10 },
            "store": { "provider": "s3", "key": "***", "secret": "***", "endpoint": "***", "path": "a/b.jpg",
                       "metadata": "***", "headers": { "Content-Type": "***" } },
        });
        assert_eq!(Value::Object(redacted), expected);
    }

    #[test]
    fn an_attribute_url_or_headers_with_a_value_of_the_wrong_type_is_hidden_in_a_stored_request() {
        let request =
            json!({ "url": ["https://a:b@example.com/"], "headers": "Bearer 2", "webhook": "http://a:b@h/" });
        let redacted = without_secrets(request.as_object().expect("an object"), REQUEST_SCHEMA);
        assert_eq!(Value::Object(redacted), json!({ "url": "***", "headers": "***", "webhook": "***" }));
    }
}
