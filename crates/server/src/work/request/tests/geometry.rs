//! Tests of the operations that move pixels or change the size: `flip`, `crop`, `resize`, `scale` and
//! `padding`.

use pixaven_imaging::plan::{
    Color, Crop, CropAt, Flip, Gravity, Kernel, Light, Padding, Plan, Resize, ResizeMode, Scale,
};
use serde_json::json;

use super::{assert_plan, plan, refusal};

#[test]
fn the_request_attribute_flip_accepts_a_json_object_or_a_keyword() {
    for (value, horizontal, vertical) in [
        (json!({"horizontal": true}), true, false),
        (json!({"vertical": "true", "horizontal": false}), false, true),
        (json!("horizontal"), true, false),
        (json!("vertical"), false, true),
        (json!("both"), true, true),
    ] {
        assert_plan(
            &json!({"flip": value}),
            Plan { flip: Some(Flip { horizontal, vertical }), ..Plan::default() },
        );
    }
    assert_eq!(
        refusal(&json!({"flip": "diagonal"})),
        r#"flip must be an object or one of "horizontal", "vertical", "both", got "diagonal""#,
    );
}

#[test]
fn a_request_with_the_object_crop_must_have_the_attributes_that_its_crop_mode_needs() {
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
        assert_plan(&json!({"crop": value}), Plan { crop: Some(crop), ..Plan::default() });
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
fn the_resize_modes_with_a_fixed_size_require_width_and_height() {
    let height_only = Resize {
        mode: ResizeMode::Auto,
        width: None,
        height: Some(5),
        gravity: Gravity::Center,
        upscale: true,
        background: None,
        kernel: Kernel::Lanczos3,
        light: Light::Srgb,
    };
    assert_plan(&json!({"resize": {"height": 5}}), Plan { resize: Some(height_only), ..Plan::default() });
    let all_attributes = json!({"mode": "fill", "width": 4, "height": 5, "gravity": "top-right", "upscale": false,
                      "background": "fff", "filter": "catmull-rom", "light": "linear"});
    let resize = Resize {
        mode: ResizeMode::Fill,
        width: Some(4),
        gravity: Gravity::TopRight,
        upscale: false,
        background: Some(Color::WHITE),
        kernel: Kernel::CatmullRom,
        light: Light::Linear,
        ..height_only
    };
    assert_plan(&json!({"resize": all_attributes}), Plan { resize: Some(resize), ..Plan::default() });

    let gravity_of = |mode: &str| {
        let resize = json!({"mode": mode, "width": 4, "height": 5, "gravity": "face"});
        plan(&json!({"resize": resize})).resize.map(|resize| resize.gravity)
    };
    assert_eq!(gravity_of("fit"), Some(Gravity::Face));
    assert_eq!(
        gravity_of("exact"),
        Some(Gravity::Center),
        "the mode exact cuts nothing off, so no face is searched for"
    );

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
fn the_request_object_scale_requires_the_attribute_size() {
    let scale = Scale { size: 0.5, ratio: 2.0 };
    assert_plan(
        &json!({"scale": {"size": "0.5", "ratio": 2}}),
        Plan { scale: Some(scale), ..Plan::default() },
    );
    assert_eq!(refusal(&json!({"scale": {"ratio": 2}})), "scale.size is required");
    assert_eq!(
        refusal(&json!({"scale": {"size": 11}})),
        "scale.size must be a number from 0.01 to 10, got 11"
    );
}

#[test]
fn the_padding_of_one_side_overrides_the_padding_for_all_sides() {
    let padding = Padding { top: 1, right: 5, bottom: 5, left: 0, background: None };
    assert_plan(
        &json!({"padding": {"size": 5, "top": 1, "left": 0}}),
        Plan { padding: Some(padding), ..Plan::default() },
    );
}
