//! What holds for every attribute of the table and for every JSON.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::{Attribute, ObjectSchema, REFERENCE, RequestError, RequestKind, parse};
use super::{fetch, spec};

/// Every attribute that is no hash itself, with its dotted name.
fn attributes() -> Vec<(String, Attribute)> {
    fn collect(fields: ObjectSchema, path: &str, found: &mut Vec<(String, Attribute)>) {
        for &attribute in fields.attributes {
            let name = format!("{path}{}", attribute.name);
            match attribute.kind.nested() {
                Some(nested) => collect(nested, &format!("{name}."), found),
                None => found.push((name, attribute)),
            }
        }
    }
    let mut found = Vec::new();
    collect(REFERENCE, "", &mut found);
    found
}

/// What a hash cannot be without.
fn required(path: &str) -> Value {
    match path {
        "crop" => json!({"width": 1, "height": 1}),
        "resize" => json!({"width": 1}),
        "scale" => json!({"size": 2}),
        "watermark" => json!({"id": "abcdefghij"}),
        "mask" => json!({"shape": "ellipse"}),
        "filter.duotone" | "stylize.duotone" => json!({"shadows": "000", "highlights": "fff"}),
        "webhook" => json!({"url": "https://receiver.example/"}),
        _ if path.starts_with("filter.") || path.starts_with("stylize.") => json!({"value": 1}),
        _ => json!({}),
    }
}

/// A request in which the attribute of that name has that value, beside what its hash cannot be without.
fn request_with(name: &str, value: Option<Value>) -> Value {
    let (path, key) = name.rsplit_once('.').unwrap_or(("", name));
    let mut fields = required(path);
    if let Some(value) = value {
        fields[key] = value;
    }
    path.rsplit('.').filter(|name| !name.is_empty()).fold(fields, |inner, name| json!({ name: inner }))
}

#[test]
fn defaults_are_what_absence_means() {
    let mut n_checked = 0;
    for (name, attribute) in attributes().into_iter().filter(|(_, attribute)| !attribute.default.is_empty()) {
        let explicit = spec(&request_with(&name, Some(attribute.default.into())));
        assert_eq!(explicit, spec(&request_with(&name, None)), "{name}");
        n_checked += 1;
    }
    assert!(n_checked > 30, "{n_checked}");
}

#[test]
fn null_is_absence() {
    for (name, _) in attributes().into_iter().filter(|(name, _)| name != "url") {
        let required = required(name.rsplit_once('.').map_or("", |(path, _)| path));
        if required.get(name.rsplit('.').next().unwrap()).is_none() {
            let explicit = spec(&request_with(&name, Some(Value::Null)));
            assert_eq!(explicit, spec(&request_with(&name, None)), "{name}");
        }
    }
}

#[test]
fn ranges_hold_at_their_ends() {
    let mut n_checked = 0;
    for (name, attribute) in attributes() {
        let accepts = attribute.kind.accepts();
        let (range, step) =
            match (accepts.strip_prefix("an integer from "), accepts.strip_prefix("a number from ")) {
                (Some(range), _) => (range, 1.0),
                (_, Some(range)) => (range, 0.001),
                _ => continue,
            };
        let (min, max) = range.split_once(" to ").unwrap();
        let (min, max): (f64, f64) = (min.parse().unwrap(), max.parse().unwrap());
        let is_refused = |value: f64| match fetch(&request_with(&name, Some(json!(value)))) {
            Err(RequestError::Invalid(message)) => {
                message.starts_with(&format!("{name} must be {accepts}, got "))
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
fn neutral_operations_are_not_in_the_plan() {
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

/// JSON of which most names and many values are those of the API.
fn any_json() -> impl Strategy<Value = Value> {
    let words = [
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
        .chain(["store".to_owned(), "loop".to_owned(), String::new()])
        .collect();
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0_u8..=101).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        proptest::sample::select(words.to_vec()).prop_map(Value::from),
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
    fn no_json_panics(json in any_json(), fetch in any::<bool>(), binary in any::<bool>()) {
        let kind = if fetch { RequestKind::Fetch } else { RequestKind::Upload };
        match parse(json.to_string().as_bytes(), kind, binary) {
            Ok(spec) => {
                prop_assert_eq!(spec.source_url.is_some(), fetch);
                prop_assert!(!(binary && spec.webhook.is_some()));
                // Reading the same again, as a restart does, gives the same.
                prop_assert_eq!(parse(json.to_string().as_bytes(), kind, binary), Ok(spec));
            }
            Err(RequestError::Malformed(_)) => prop_assert!(!json.is_object()),
            Err(RequestError::Invalid(message)) => prop_assert!(message.len() < 1_000, "{}", message),
        }
    }

    #[test]
    fn no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        // Either answer will do: what is tested is that there is one.
        let _ = parse(&body, RequestKind::Fetch, false);
    }
}
