//! Tests of the JSON values in a request: which bodies, numbers, booleans, colours and names are accepted,
//! refused or ignored.

use pixaven_imaging::Format;
use pixaven_imaging::plan::Color;
use serde_json::{Value, json};

use super::super::json::MAX_DEPTH;
use super::super::{
    RequestError, RequestKind, ResponseMode, is_binary_requested_by_header, is_binary_requested_by_json,
    parse,
};
use super::{fetch, plan, refusal, spec};

#[test]
fn a_request_body_that_is_not_a_json_object_is_refused_as_malformed() {
    for (body, message) in [
        ("null", "the body must be a JSON object"),
        ("[1]", "the body must be a JSON object"),
        ("[{}]", "the body must be a JSON object"),
        ("\"https://example.com/\"", "the body must be a JSON object"),
        ("", "the body is not JSON: EOF while parsing a value at line 1 column 0"),
        ("{\"url\"}", "the body is not JSON: expected `:` at line 1 column 7"),
        ("{} {}", "the body is not JSON: trailing characters at line 1 column 4"),
    ] {
        assert_eq!(
            parse(body.as_bytes(), RequestKind::Fetch, false),
            Err(RequestError::Malformed(message.to_owned())),
            "{body}"
        );
    }
    let upload = parse(b"7", RequestKind::Upload, false);
    assert_eq!(upload, Err(RequestError::Malformed("the part `data` must be a JSON object".to_owned())));
    assert!(matches!(parse(b"{\"\xff\":1}", RequestKind::Fetch, false), Err(RequestError::Malformed(_))));
}

#[test]
fn an_upload_without_json_counts_as_an_upload_with_an_empty_json_object() {
    let empty = parse(b"{}", RequestKind::Upload, false).unwrap();
    for data in ["", " \r\n", "null", "[]", " [ ] ", "\u{feff}", "\u{feff}{}"] {
        assert_eq!(parse(data.as_bytes(), RequestKind::Upload, false).as_ref(), Ok(&empty), "{data:?}");
    }
    assert_eq!(empty.plan, pixaven_imaging::Plan::default());
    assert_eq!((empty.source_url, empty.response, empty.webhook), (None, ResponseMode::Json, None));
    assert_eq!(empty.warnings, [] as [&str; 0]);
}

#[test]
fn an_upload_ignores_the_attributes_url_and_headers_with_a_warning() {
    let body = json!({"url": 7, "headers": {"Host": "x"}, "resize": {"width": 1}}).to_string();
    let spec = parse(body.as_bytes(), RequestKind::Upload, false).unwrap();
    assert_eq!(spec.source_url, None);
    assert_eq!(
        spec.warnings,
        [
            "url has no effect on an upload and was ignored",
            "headers has no effect on an upload and was ignored"
        ],
    );
    assert!(parse(br#"{"url":null}"#, RequestKind::Upload, false).unwrap().warnings.is_empty());
}

#[test]
fn a_request_body_whose_json_is_nested_deeper_than_32_levels_is_refused() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let request =
        |levels: usize| format!(r#"{{"url":"https://example.com/","x\"[[":{}}}"#, nested(levels - 1));
    assert!(parse(request(MAX_DEPTH).as_bytes(), RequestKind::Fetch, false).is_ok());
    let too_deep =
        Err(RequestError::Invalid("the body is nested deeper than the limit of 32 levels".to_owned()));
    assert_eq!(parse(request(MAX_DEPTH + 1).as_bytes(), RequestKind::Fetch, false), too_deep);
    assert_eq!(parse(nested(500_000).as_bytes(), RequestKind::Fetch, false), too_deep);
    // Brackets inside a JSON string do not count as levels of nesting.
    let text = json!({"url": "https://example.com/", "x": "[".repeat(100)}).to_string();
    assert!(parse(text.as_bytes(), RequestKind::Fetch, false).is_ok());
}

#[test]
fn a_number_in_a_request_may_be_a_json_string() {
    let width = |value: Value| json!({"resize": {"width": value}});
    for value in [json!(768), json!("768"), json!(768.0), json!("768.0"), json!("7.68e2")] {
        assert_eq!(plan(&width(value.clone())).resize.unwrap().width, Some(768), "{value}");
    }
    for (invalid, in_message) in [
        (json!(-5), "-5"),
        (json!(0), "0"),
        (json!(20_001), "20001"),
        (json!(1.5), "1.5"),
        (json!("-5"), "\"-5\""),
        (json!(""), "\"\""),
        (json!("inf"), "\"inf\""),
        (json!("NaN"), "\"NaN\""),
        (json!(1e300), "1e+300"),
        (json!(true), "true"),
        (json!([768]), "a list"),
        (json!({"px": 768}), "an object"),
        (json!("x".repeat(99)), &format!("\"{}…", "x".repeat(59))),
    ] {
        let expected = format!("resize.width must be an integer from 1 to 20000, got {in_message}");
        assert_eq!(refusal(&width(invalid)), expected);
    }
}

#[test]
fn a_boolean_in_a_request_may_be_a_json_string_or_number() {
    let upscale = |value: Value| json!({"resize": {"width": 1, "upscale": value}});
    for (value, expected) in [
        (json!(true), true),
        (json!("true"), true),
        (json!(1), true),
        (json!("1"), true),
        (json!(false), false),
        (json!("false"), false),
        (json!(0), false),
        (json!("0"), false),
        (json!(null), true),
    ] {
        assert_eq!(plan(&upscale(value.clone())).resize.unwrap().upscale, expected, "{value}");
    }
    for invalid in [json!("yes"), json!("True"), json!(2), json!({})] {
        let message = refusal(&upscale(invalid));
        assert!(message.starts_with("resize.upscale must be true or false, got "), "{message}");
    }
}

#[test]
fn a_colour_in_a_request_must_be_written_in_hexadecimal_digits() {
    let color = |value: Value| json!({"border": {"size": 1, "color": value}});
    for (text, [r, g, b, a]) in [
        ("f0a", [255, 0, 170, 255]),
        ("#f0a", [255, 0, 170, 255]),
        ("12abEF", [0x12, 0xab, 0xef, 255]),
        ("#12abef80", [0x12, 0xab, 0xef, 0x80]),
    ] {
        assert_eq!(plan(&color(json!(text))).border.unwrap().color, Color { r, g, b, a }, "{text}");
    }
    for invalid in ["", "#", "ff", "ffff", "fffff", "fffffff", "fffffffff", "##fff", "ggg", "red", "ﬀﬀﬀ"]
    {
        let expected = format!("border.color must be a colour as RGB, RRGGBB or RRGGBBAA, got {invalid:?}");
        assert_eq!(refusal(&color(json!(invalid))), expected);
    }
    assert!(
        fetch(&color(json!(123_456))).is_err(),
        "a JSON number is refused, because it cannot keep leading zeros"
    );
}

#[test]
fn an_aspect_ratio_in_a_request_may_be_two_numbers_with_a_colon_between_them_or_a_single_number() {
    let ratio = |value: Value| json!({"crop": {"mode": "ratio", "ratio": value}});
    for (value, expected) in
        [(json!("4:3"), 4.0 / 3.0), (json!("1.91 : 1"), 1.91), (json!(1.5), 1.5), (json!("1.5"), 1.5)]
    {
        let crop = plan(&ratio(value.clone())).crop;
        let is_expected =
            matches!(crop, Some(pixaven_imaging::plan::Crop::Ratio { ratio, .. }) if ratio == expected);
        assert!(is_expected, "{value}: {crop:?}");
    }
    for invalid in
        [json!("4:0"), json!("-4:-3"), json!("4:3:2"), json!(":"), json!(0), json!("1:101"), json!("inf:inf")]
    {
        let message = refusal(&ratio(invalid));
        assert!(message.starts_with("crop.ratio must be a ratio such as \"4:3\" or 1.5, "), "{message}");
    }
}

#[test]
fn an_unknown_attribute_of_a_request_is_ignored_with_a_warning_that_names_the_attribute() {
    for (more, warning) in [
        (json!({"resise": {"width": 5}}), "resise is unknown and was ignored; did you mean resize?"),
        (
            json!({"resize": {"width": 1, "hieght": 5}}),
            "resize.hieght is unknown and was ignored; did you mean resize.height?",
        ),
        (
            json!({"filter": {"blur": {"value": 1, "sigma": 2}}}),
            "filter.blur.sigma is unknown and was ignored",
        ),
        (json!({"x": 1}), "x is unknown and was ignored"),
        (json!({"y".repeat(99): [1]}), &format!("{} is unknown and was ignored", "y".repeat(60))),
    ] {
        assert_eq!(spec(&more).warnings, [warning]);
    }
    assert!(spec(&json!({"nothing": null})).warnings.is_empty(), "null counts as absent");
}

#[test]
fn the_first_20_warnings_about_a_request_are_listed_and_all_further_warnings_are_only_counted() {
    let many: serde_json::Map<String, Value> =
        (0..1000).map(|n| (format!("unknown_{n}"), json!(n))).collect();
    let warnings = spec(&Value::Object(many)).warnings;
    assert_eq!(warnings.len(), 21);
    assert_eq!(warnings[20], "and 980 more");
}

#[test]
fn only_output_formats_that_this_build_writes_are_accepted() {
    let mut names = Format::written().map(Format::request_name).collect::<Vec<_>>();
    names.extend(["auto", "jpg"]);
    names.sort_unstable();
    let names = names.join(", ");
    let format = |name: &str| json!({"output": {"format": name}});
    for unknown in ["docx", "JPEG", "psd", ""] {
        let expected = format!("output.format must be one of {names}, got {unknown:?}");
        assert_eq!(refusal(&format(unknown)), expected);
    }
    let api_formats =
        ["apng", "avif", "bmp", "gif", "heic", "ico", "jp2", "jxl", "mp4", "tiff", "webm", "webp"];
    for name in
        api_formats.into_iter().filter(|name| Format::written().all(|format| format.request_name() != *name))
    {
        let expected =
            format!("output.format {name:?} is not supported by this build; it must be one of {names}");
        assert_eq!(refusal(&format(name)), expected);
    }
}

/// The request bodies in this test were recorded from the official clients.
#[test]
fn recorded_requests_of_the_official_clients_are_parsed() {
    let upload = |data: &str| parse(data.as_bytes(), RequestKind::Upload, false);
    assert!(upload(r#"{"flip":{"horizontal":true}}"#).unwrap().plan.flip.unwrap().horizontal);
    assert_eq!(upload(r#"{"stylize":{"sepia":true}}"#).unwrap().plan.filter.unwrap().sepia, Some(100.0));
    assert_eq!(upload(r#"{"auto":{"size":1}}"#).unwrap().warnings, ["auto.size is unknown and was ignored"]);
    assert_eq!(upload(r#"{"response": {"mode": "binary"}}"#).unwrap().response, ResponseMode::Binary);
    assert_eq!(
        upload(r#"{"resize": {"mode": "force-error"}}"#),
        Err(RequestError::Invalid(
            "resize.mode must be one of auto, fit, exact, fill, portrait, landscape, got \"force-error\""
                .to_owned()
        )),
    );
    assert_eq!(
        parse(br#"{"url":"force-error"}"#, RequestKind::Fetch, true),
        Err(RequestError::Invalid(
            "url must be an http or https URL, got one that cannot be read: relative URL without a base"
                .to_owned()
        )),
    );
    let spec =
        parse(br#"{"resize":{"width":1},"url":"https://x/i.jpg"}"#, RequestKind::Fetch, false).unwrap();
    assert_eq!(spec.source_url.unwrap().as_str(), "https://x/i.jpg");
    assert_eq!(spec.plan.resize.unwrap().width, Some(1));
}

#[test]
fn the_header_x_pixaven_binary_requests_a_binary_response_unless_its_value_is_0_or_false() {
    for (header, expected) in [
        (None, false),
        (Some("1"), true),
        (Some("true"), true),
        (Some(""), true),
        (Some("no"), true),
        (Some("00"), true),
        (Some("0"), false),
        (Some(" 0 "), false),
        (Some("false"), false),
        (Some("False"), false),
    ] {
        for name in ["X-Pixaven-Binary", "X-Pixavwn-Binary"] {
            let headers = header.map(|value| (name.parse().unwrap(), value.parse().unwrap()));
            let headers: http::HeaderMap = headers.into_iter().collect();
            assert_eq!(is_binary_requested_by_header(&headers), expected, "{name}: {header:?}");
        }
    }
}

#[test]
fn an_empty_json_list_in_a_request_counts_as_an_empty_json_object() {
    let no_attributes = parse(b"[]", RequestKind::Fetch, false);
    assert_eq!(no_attributes, Err(RequestError::Invalid("url is required".to_owned())));
    for name in
        ["flip", "auto", "adjust", "filter", "stylize", "border", "padding", "output", "response", "cdn"]
    {
        assert_eq!(fetch(&json!({ name: [] })), fetch(&json!({ name: {} })), "{name}");
    }
    for name in ["headers", "crop", "resize", "scale", "watermark", "mask", "webhook"] {
        assert_eq!(fetch(&json!({ name: [] })), fetch(&json!({ name: {} })), "{name}");
    }
    for effect in ["blur", "duotone", "sepia", "pixelate"] {
        let filter = |empty: Value| fetch(&json!({ "filter": { effect: empty } }));
        assert_eq!(filter(json!([])), filter(json!({})), "{effect}");
    }
    assert_eq!(refusal(&json!({"resize": [1]})), "resize must be an object, got a list");
}

#[test]
fn a_byte_order_mark_before_the_json_of_a_request_is_skipped() {
    let json = "\u{feff}{\"url\":\"https://example.com/i.jpg\",\"response\":{\"mode\":\"binary\"}}";
    let spec = parse(json.as_bytes(), RequestKind::Fetch, false).unwrap();
    assert_eq!(spec.response, ResponseMode::Binary);
    assert!(is_binary_requested_by_json(json.as_bytes()));
    let twice = format!("\u{feff}{json}");
    assert!(matches!(parse(twice.as_bytes(), RequestKind::Fetch, false), Err(RequestError::Malformed(_))));
}
