//! The operations: what each asks of the plan, and the rules between attributes.

use pixaven_imaging::Format;
use pixaven_imaging::plan::{
    Adjust, Blur, Border, Color, Crop, CropAt, Duotone, Filter, Flip, Gravity, KeptMetadata, Kernel, Length,
    Mask, Output, Padding, Plan, Resize, ResizeMode, Scale, Shape, TargetFormat, Watermark,
};
use serde_json::{Value, json};

use super::super::WatermarkSource;
use super::{plan, refusal, spec};

/// Checks that a request makes exactly this plan and warns about nothing.
fn check(more: &Value, expected: Plan) {
    let spec = spec(more);
    assert_eq!((spec.plan, spec.warnings), (expected, Vec::new()), "{more}");
}

#[test]
fn flip() {
    for (value, horizontal, vertical) in [
        (json!({"horizontal": true}), true, false),
        (json!({"vertical": "true", "horizontal": false}), false, true),
        (json!("horizontal"), true, false),
        (json!("vertical"), false, true),
        (json!("both"), true, true),
    ] {
        check(&json!({"flip": value}), Plan { flip: Some(Flip { horizontal, vertical }), ..Plan::default() });
    }
    assert_eq!(
        refusal(&json!({"flip": "diagonal"})),
        r#"flip must be an object or one of "horizontal", "vertical", "both", got "diagonal""#,
    );
}

#[test]
fn crop() {
    for (value, crop) in [
        (
            json!({"width": 3, "height": "4"}),
            Crop::Rect { width: 3, height: 4, at: CropAt::Gravity(Gravity::Center) },
        ),
        (
            json!({"mode": "rect", "width": 3, "height": 4, "gravity": "bottom-left"}),
            Crop::Rect { width: 3, height: 4, at: CropAt::Gravity(Gravity::BottomLeft) },
        ),
        (
            json!({"width": 3, "height": 4, "x": 0, "y": 7}),
            Crop::Rect { width: 3, height: 4, at: CropAt::Point { x: 0, y: 7 } },
        ),
        (
            json!({"mode": "ratio", "ratio": "16:8", "gravity": "top"}),
            Crop::Ratio { ratio: 2.0, gravity: Gravity::Top },
        ),
        (
            json!({"mode": "ratio", "ratio": 1, "gravity": "faces"}),
            Crop::Ratio { ratio: 1.0, gravity: Gravity::Faces },
        ),
        (json!({"mode": "face"}), Crop::Face { padding: 50.0 }),
        (json!({"mode": "face", "padding": 0, "width": 3}), Crop::Face { padding: 0.0 }),
    ] {
        check(&json!({"crop": value}), Plan { crop: Some(crop), ..Plan::default() });
    }
    for (value, message) in [
        (json!({}), "crop.width and crop.height are required when crop.mode is rect"),
        (json!({"width": 3}), "crop.width and crop.height are required when crop.mode is rect"),
        (json!({"width": 3, "height": 4, "x": 1}), "crop.x and crop.y are needed together"),
        (
            json!({"width": 3, "height": 4, "x": 1, "y": 1, "gravity": "top"}),
            "crop.gravity cannot be combined with crop.x and crop.y",
        ),
        (json!({"mode": "ratio"}), "crop.ratio is required when crop.mode is ratio"),
        (json!("center"), "crop must be an object, got \"center\""),
    ] {
        assert_eq!(refusal(&json!({"crop": value})), message);
    }
}

#[test]
fn resize() {
    let plain = Resize {
        mode: ResizeMode::Auto,
        width: None,
        height: Some(5),
        gravity: Gravity::Center,
        upscale: true,
        background: None,
        kernel: Kernel::Lanczos3,
    };
    check(&json!({"resize": {"height": 5}}), Plan { resize: Some(plain), ..Plan::default() });
    let full = json!({"mode": "fill", "width": 4, "height": 5, "gravity": "top-right", "upscale": false,
                      "background": "fff", "filter": "catmull-rom"});
    let resize = Resize {
        mode: ResizeMode::Fill,
        width: Some(4),
        gravity: Gravity::TopRight,
        upscale: false,
        background: Some(Color::WHITE),
        kernel: Kernel::CatmullRom,
        ..plain
    };
    check(&json!({"resize": full}), Plan { resize: Some(resize), ..Plan::default() });

    let by_face = |mode: &str| {
        let fit = json!({"mode": mode, "width": 4, "height": 5, "gravity": "face"});
        plan(&json!({"resize": fit})).resize.map(|resize| resize.gravity)
    };
    assert_eq!(by_face("fit"), Some(Gravity::Face));
    assert_eq!(by_face("exact"), Some(Gravity::Center), "nothing is cut off, so no face is looked for");

    assert_eq!(refusal(&json!({"resize": {}})), "resize needs resize.width or resize.height");
    for mode in ["fit", "fill", "exact"] {
        let message = format!("resize.width and resize.height are both required when resize.mode is {mode}");
        assert_eq!(refusal(&json!({"resize": {"mode": mode, "width": 1}})), message);
        assert_eq!(refusal(&json!({"resize": {"mode": mode, "height": 1}})), message);
    }
    for mode in ["auto", "portrait", "landscape"] {
        assert!(plan(&json!({"resize": {"mode": mode, "width": 1}})).resize.is_some(), "{mode}");
    }
}

#[test]
fn watermark() {
    let place = Watermark {
        gravity: Gravity::Center,
        padding: 0,
        at: None,
        width: None,
        height: None,
        opacity: 100.0,
        tile: false,
    };
    let with = |place| Plan { watermark: Some(place), ..Plan::default() };
    check(&json!({"watermark": {"id": "abcDEF0123"}}), with(place));
    let all = json!({"url": "https://kind.example/logo.svg?key=secret", "gravity": "bottom-right", "padding": "9",
                     "width": "25%", "height": 40, "opacity": 12.5, "tile": true});
    let full = Watermark {
        gravity: Gravity::BottomRight,
        padding: 9,
        width: Some(Length::Percent(25.0)),
        height: Some(Length::Px(40)),
        opacity: 12.5,
        tile: true,
        ..place
    };
    check(&json!({"watermark": all}), with(full));
    let found = spec(&json!({"watermark": all}));
    assert!(matches!(found.watermark, Some(WatermarkSource::Url(_))));
    assert!(!format!("{found:?}").contains("secret"));
    let at = Watermark { at: Some((-5, 7)), ..place };
    check(&json!({"watermark": {"id": "abcDEF0123", "x": -5, "y": 7}}), with(at));
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
fn scale() {
    let scale = Scale { size: 0.5, ratio: 2.0 };
    check(&json!({"scale": {"size": "0.5", "ratio": 2}}), Plan { scale: Some(scale), ..Plan::default() });
    assert_eq!(refusal(&json!({"scale": {"ratio": 2}})), "scale.size is required");
    assert_eq!(
        refusal(&json!({"scale": {"size": 11}})),
        "scale.size must be a number from 0.01 to 10, got 11"
    );
}

#[test]
fn auto_and_adjust() {
    let auto = Plan { enhance: true, keep_orientation: true, ..Plan::default() };
    check(&json!({"auto": {"enhance": true, "orient": false}}), auto);
    let adjust = Adjust { unsharp: 12.5, hue: -180.0, shadows: 100.0, ..Adjust::default() };
    check(
        &json!({"adjust": {"unsharp": 12.5, "hue": -180, "shadows": "100", "gamma": 0}}),
        Plan { adjust: Some(adjust), ..Plan::default() },
    );
    assert_eq!(
        refusal(&json!({"adjust": {"hue": 181}})),
        "adjust.hue must be a number from -180 to 180, got 181"
    );
}

#[test]
fn filter() {
    let duotone = Duotone { shadows: Color::BLACK, highlights: Color { r: 255, g: 0, b: 0, a: 255 } };
    for (value, filter) in [
        (
            json!({"blur": {"value": 5}}),
            Filter { blur: Some(Blur::Gaussian { radius: 5.0 }), ..Filter::default() },
        ),
        (
            json!({"blur": {"mode": "box", "value": 5}}),
            Filter { blur: Some(Blur::Box { radius: 5.0 }), ..Filter::default() },
        ),
        (
            json!({"blur": {"mode": "motion", "value": 5, "angle": 90}}),
            Filter { blur: Some(Blur::Motion { radius: 5.0, angle: 90.0 }), ..Filter::default() },
        ),
        (
            json!({"duotone": {"shadows": "000", "highlights": "f00"}}),
            Filter { duotone: Some(duotone), ..Filter::default() },
        ),
        (
            json!({"sepia": {"value": 40}, "mono": {}, "invert": true, "edges": false, "pixelate": {"value": "8"}}),
            Filter {
                sepia: Some(40.0),
                mono: Some(100.0),
                invert: Some(100.0),
                pixelate: Some(8.0),
                ..Filter::default()
            },
        ),
    ] {
        check(&json!({"filter": value}), Plan { filter: Some(filter), ..Plan::default() });
        check(&json!({"stylize": value}), Plan { filter: Some(filter), ..Plan::default() });
    }
    for (value, message) in [
        (json!({"blur": {}}), "filter.blur.value is required"),
        (json!({"pixelate": {}}), "filter.pixelate.value is required"),
        (json!({"pixelate": true}), "filter.pixelate must be an object with a value, got true"),
        (json!({"sepia": 5}), "filter.sepia must be an object with a value, true or false, got 5"),
        (json!({"sepia": {"value": 0}}), "filter.sepia.value must be a number from 1 to 100, got 0"),
        (
            json!({"duotone": {"shadows": "000"}}),
            "filter.duotone.shadows and filter.duotone.highlights are both required",
        ),
    ] {
        assert_eq!(refusal(&json!({"filter": value})), message);
    }
    let both = spec(&json!({"filter": {"sepia": true}, "stylize": {"mono": true}}));
    assert_eq!(both.plan.filter, Some(Filter { sepia: Some(100.0), ..Filter::default() }));
    assert_eq!(
        both.warnings,
        ["stylize is the older name of filter, which is there too: stylize was ignored"]
    );
}

#[test]
fn mask_border_and_padding() {
    let mask = Mask { shape: Shape::Rounded { radius: 9 }, background: Some(Color::TRANSPARENT) };
    check(
        &json!({"mask": {"shape": "rounded", "radius": 9, "background": "#00000000"}}),
        Plan { mask: Some(mask), ..Plan::default() },
    );
    assert_eq!(plan(&json!({"mask": {"shape": "ellipse"}})).mask.unwrap().shape, Shape::Ellipse);
    assert_eq!(refusal(&json!({"mask": {}})), "mask.shape is required");
    assert_eq!(
        refusal(&json!({"mask": {"shape": "rounded"}})),
        "mask.radius is required when mask.shape is rounded",
    );

    let border = Border { size: 3, color: Color::BLACK, radius: 4, background: Some(Color::WHITE) };
    check(
        &json!({"border": {"size": 3, "radius": 4, "background": "fff"}}),
        Plan { border: Some(border), ..Plan::default() },
    );

    let padding = Padding { top: 1, right: 5, bottom: 5, left: 0, background: None };
    check(
        &json!({"padding": {"size": 5, "top": 1, "left": 0}}),
        Plan { padding: Some(padding), ..Plan::default() },
    );
}

#[test]
fn output() {
    let output = Output {
        format: TargetFormat::Format(Format::Jpeg),
        quality: Some(80),
        baseline: true,
        lossless: true,
        effort: Some(9),
        max_bytes: Some(200_000),
        metadata: KeptMetadata::Copyright,
        delay_ms: Some(40),
        plays: Some(0),
    };
    check(
        &json!({"output": {"format": "jpg", "quality": "80", "encoding": "baseline", "lossless": true, "effort": 9,
                           "max_bytes": 200_000, "metadata": "copyright", "delay": "40", "loop": 0}}),
        Plan { output, ..Plan::default() },
    );
    let auto = Output { format: TargetFormat::Auto, metadata: KeptMetadata::All, ..Output::default() };
    check(
        &json!({"output": {"format": "auto", "metadata": "all"}}),
        Plan { output: auto, ..Plan::default() },
    );
    assert_eq!(
        refusal(&json!({"output": {"metadata": "gps"}})),
        "output.metadata must be one of none, copyright, all, got \"gps\"",
    );
    for format in Format::written() {
        let output = Output { format: TargetFormat::Format(format), ..Output::default() };
        check(&json!({"output": {"format": format.request_name()}}), Plan { output, ..Plan::default() });
    }
    assert_eq!(
        refusal(&json!({"output": {"quality": 0}})),
        "output.quality must be an integer from 1 to 100, got 0",
    );
}
