//! Tests of properties that hold for every declared attribute of a request and for every JSON document.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::{Attribute, ObjectSchema, REQUEST_SCHEMA, RequestError, RequestKind, parse};
use super::{fetch, spec};

/// Returns every attribute whose value is not an object, with the dotted name of the attribute.
fn attributes() -> Vec<(String, Attribute)> {
    fn collect(object: ObjectSchema, path: &str, attributes: &mut Vec<(String, Attribute)>) {
        for &attribute in object.attributes {
            let name = format!("{path}{}", attribute.name);
            match attribute.schema.object_schema() {
                Some(object) => collect(object, &format!("{name}."), attributes),
                None => attributes.push((name, attribute)),
            }
        }
    }
    let mut attributes = Vec::new();
    collect(REQUEST_SCHEMA, "", &mut attributes);
    attributes
}

/// Returns the JSON object with the dotted name `path`. The object has only its required attributes.
fn required_attributes(path: &str) -> Value {
    match path {
        "crop" => json!({"width": 1, "height": 1}),
        "resize" => json!({"width": 1}),
        "scale" => json!({"size": 2}),
        "watermark" => json!({"id": "abcdefghij"}),
        "mask" => json!({"shape": "ellipse"}),
        "filter.duotone" | "stylize.duotone" => json!({"shadows": "000", "highlights": "fff"}),
        "webhook" => json!({"url": "https://receiver.example/"}),
        "store" => {
            json!({"provider": "s3", "endpoint": "https://s3.example/", "key": "K", "secret": "S", "bucket": "abc"})
        }
        _ if path.starts_with("filter.") || path.starts_with("stylize.") => json!({"value": 1}),
        _ => json!({}),
    }
}

/// Returns a request in which the attribute with the dotted name `name` has the given value. The object that
/// contains the attribute also has its required attributes.
fn request_with(name: &str, value: Option<Value>) -> Value {
    let (path, key) = name.rsplit_once('.').unwrap_or(("", name));
    let mut object = required_attributes(path);
    if let Some(value) = value {
        object[key] = value;
    }
    path.rsplit('.').filter(|name| !name.is_empty()).fold(object, |inner, name| json!({ name: inner }))
}

#[test]
fn an_attribute_with_its_default_value_has_the_same_effect_as_an_absent_attribute() {
    let mut n_checked = 0;
    for (name, attribute) in attributes().into_iter().filter(|(_, attribute)| !attribute.default.is_empty()) {
        let explicit = spec(&request_with(&name, Some(attribute.default.into())));
        assert_eq!(explicit, spec(&request_with(&name, None)), "{name}");
        n_checked += 1;
    }
    assert!(n_checked > 30, "{n_checked}");
}

#[test]
fn an_attribute_with_the_value_null_has_the_same_effect_as_an_absent_attribute() {
    for (name, _) in attributes().into_iter().filter(|(name, _)| name != "url") {
        let required = required_attributes(name.rsplit_once('.').map_or("", |(path, _)| path));
        if required.get(name.rsplit('.').next().unwrap()).is_none() {
            let explicit = spec(&request_with(&name, Some(Value::Null)));
            assert_eq!(explicit, spec(&request_with(&name, None)), "{name}");
        }
    }
}

#[test]
fn a_numeric_attribute_accepts_the_limits_of_its_range_and_refuses_values_beyond_them() {
    let mut n_checked = 0;
    for (name, attribute) in attributes() {
        let expected = attribute.schema.expected();
        let (range, step) =
            match (expected.strip_prefix("an integer from "), expected.strip_prefix("a number from ")) {
                (Some(range), _) => (range, 1.0),
                (_, Some(range)) => (range, 0.001),
                _ => continue,
            };
        let (min, max) = range.split_once(" to ").unwrap();
        let (min, max): (f64, f64) = (min.parse().unwrap(), max.parse().unwrap());
        let is_refused = |value: f64| match fetch(&request_with(&name, Some(json!(value)))) {
            Err(RequestError::Invalid(message)) => {
                message.starts_with(&format!("{name} must be {expected}, got "))
            }
            _ => false,
        };
        let refused = [min - step, min, max, max + step].map(is_refused);
        assert_eq!(refused, [true, false, false, true], "{name}");
        n_checked += 1;
    }
    assert!(n_checked > 40, "{n_checked}");
}

#[test]
fn an_operation_whose_values_change_nothing_is_not_part_of_the_processing_plan() {
    let neutral = json!({
        "flip": {"horizontal": false},
        "scale": {"size": 1, "ratio": 1},
        "auto": {"enhance": false, "orient": true},
        "adjust": {"brightness": 0, "hue": 0},
        "filter": {"sepia": false},
        "border": {"size": 0, "color": "f00"},
        "padding": {"size": 0, "background": "fff"},
        "output": {},
    });
    assert_eq!(spec(&neutral), spec(&json!({})));
}

/// Generates random JSON. Most of its names and many of its values occur in requests of the API.
fn any_json() -> impl Strategy<Value = Value> {
    let keywords = [
        "fit",
        "ratio",
        "top",
        "jpeg",
        "4:3",
        "#fff",
        "true",
        "1",
        "https://example.com/",
        "binary",
        "\u{0}é",
    ];
    let names: Vec<String> = attributes()
        .iter()
        .flat_map(|(name, _)| name.split('.').map(str::to_owned).collect::<Vec<_>>())
        .chain(["loop".to_owned(), String::new()])
        .collect();
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0_u8..=101).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        proptest::sample::select(keywords.to_vec()).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    let name = prop_oneof![9 => proptest::sample::select(names), 1 => ".{0,9}"];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            1 => proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            9 => proptest::collection::vec((name.clone(), inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn parsing_the_same_random_json_twice_never_panics_and_gives_the_same_result(json in any_json(), fetch in any::<bool>(), binary in any::<bool>()) {
        let kind = if fetch { RequestKind::Fetch } else { RequestKind::Upload };
        match parse(json.to_string().as_bytes(), kind, binary) {
            Ok(spec) => {
                prop_assert_eq!(spec.source_url.is_some(), fetch);
                prop_assert!(!(binary && spec.webhook.is_some()));
                // A job parses the stored JSON again after a restart and must get the same result.
                prop_assert_eq!(parse(json.to_string().as_bytes(), kind, binary), Ok(spec));
            }
            Err(RequestError::Malformed(_)) => prop_assert!(!json.is_object()),
            Err(RequestError::Invalid(message)) => prop_assert!(message.len() < 1_000, "{}", message),
        }
    }

    #[test]
    fn parsing_random_bytes_as_a_request_never_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        // This test requires only that `parse` returns a result without a panic. The result may be `Ok` or an
        // error.
        let _ = parse(&body, RequestKind::Fetch, false);
    }
}
