//! Tests of the objects `watermark` and `output`.

use pixaven_imaging::Format;
use pixaven_imaging::plan::{Gravity, KeptMetadata, Length, Output, Plan, TargetFormat, Watermark};
use serde_json::json;

use super::super::WatermarkSource;
use super::{assert_plan, refusal, spec};

#[test]
fn a_requested_watermark_must_have_exactly_one_source_and_at_most_one_position() {
    let centered = Watermark {
        gravity: Gravity::Center,
        padding: 0,
        at: None,
        width: None,
        height: None,
        opacity: 100.0,
        tile: false,
    };
    let plan_with = |watermark| Plan { watermark: Some(watermark), ..Plan::default() };
    assert_plan(&json!({"watermark": {"id": "abcDEF0123"}}), plan_with(centered));
    let all_attributes = json!({"url": "https://kind.example/logo.svg?key=secret", "gravity": "bottom-right", "padding": "9",
                     "width": "25%", "height": 40, "opacity": 12.5, "tile": true});
    let full = Watermark {
        gravity: Gravity::BottomRight,
        padding: 9,
        width: Some(Length::Percent(25.0)),
        height: Some(Length::Px(40)),
        opacity: 12.5,
        tile: true,
        ..centered
    };
    assert_plan(&json!({"watermark": all_attributes}), plan_with(full));
    let spec = spec(&json!({"watermark": all_attributes}));
    assert!(matches!(spec.watermark, Some(WatermarkSource::Url(_))));
    assert!(!format!("{spec:?}").contains("secret"));
    let at = Watermark { at: Some((-5, 7)), ..centered };
    assert_plan(&json!({"watermark": {"id": "abcDEF0123", "x": -5, "y": 7}}), plan_with(at));
    for (value, message) in [
        (json!({}), "watermark.id or watermark.url is required"),
        (
            json!({"id": "abcdefghij", "url": "https://h.example/"}),
            "watermark.id cannot be combined with watermark.url",
        ),
        (
            json!({"id": "../secrets"}),
            r#"watermark.id must be the id of a watermark: ten letters and digits, got "../secrets""#,
        ),
        (json!({"id": "abcdefghij", "x": 1}), "watermark.x and watermark.y are needed together"),
        (
            json!({"id": "abcdefghij", "x": 1, "y": 1, "gravity": "left"}),
            "watermark.gravity cannot be combined with watermark.x and watermark.y",
        ),
        (
            json!({"id": "abcdefghij", "gravity": "face"}),
            r#"watermark.gravity must be one of center, top-left, top, top-right, right, bottom-right, bottom, bottom-left, left, got "face""#,
        ),
        (
            json!({"id": "abcdefghij", "width": "0%"}),
            r#"watermark.width must be a number of pixels from 1 to 20000 or a percentage from "0.01%" to "1000%", got "0%""#,
        ),
    ] {
        assert_eq!(refusal(&json!({"watermark": value})), message);
    }
}

#[test]
fn the_attributes_of_the_request_object_output_become_part_of_the_processing_plan() {
    let output = Output {
        format: TargetFormat::Format(Format::Jpeg),
        quality: Some(80),
        baseline: true,
        lossless: true,
        lossy: false,
        effort: Some(9),
        max_bytes: Some(200_000),
        target: None,
        metadata: KeptMetadata::Copyright,
        delay_ms: Some(40),
        plays: Some(0),
    };
    assert_plan(
        &json!({"output": {"format": "jpg", "quality": "80", "encoding": "baseline", "lossless": true, "effort": 9,
                           "max_bytes": 200_000, "metadata": "copyright", "delay": "40", "loop": 0}}),
        Plan { output, ..Plan::default() },
    );
    let auto = Output { format: TargetFormat::Auto, metadata: KeptMetadata::All, ..Output::default() };
    assert_plan(
        &json!({"output": {"format": "auto", "metadata": "all"}}),
        Plan { output: auto, ..Plan::default() },
    );
    assert_eq!(
        refusal(&json!({"output": {"metadata": "gps"}})),
        "output.metadata must be one of none, copyright, all, got \"gps\"",
    );
    for format in Format::written() {
        let output = Output { format: TargetFormat::Format(format), ..Output::default() };
        assert_plan(
            &json!({"output": {"format": format.request_name()}}),
            Plan { output, ..Plan::default() },
        );
    }
    assert_eq!(
        refusal(&json!({"output": {"quality": 0}})),
        "output.quality must be an integer from 1 to 100, got 0",
    );
}

#[test]
fn a_target_score_cannot_be_combined_with_another_attribute_that_determines_the_quality() {
    let output = Output { target: Some(80), effort: Some(3), ..Output::default() };
    assert_plan(&json!({"output": {"target": 80, "effort": 3}}), Plan { output, ..Plan::default() });
    for (name, value) in [("quality", json!(80)), ("lossless", json!(true)), ("max_bytes", json!(1000))] {
        assert_eq!(
            refusal(&json!({"output": {"target": 80, name: value}})),
            format!("output.target cannot be combined with output.{name}"),
        );
    }
    assert_eq!(
        refusal(&json!({"output": {"target": 96}})),
        "output.target must be an integer from 30 to 95, got 96",
    );
}
