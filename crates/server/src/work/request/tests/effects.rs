//! Tests of the operations that change colours or cover pixels: `auto`, `adjust`, `filter`, `mask` and
//! `border`.

use pixaven_imaging::plan::{Adjust, Blur, Border, Color, Duotone, Filter, Mask, Plan, Shape};
use serde_json::json;

use super::{assert_plan, plan, refusal, spec};

#[test]
fn the_request_objects_auto_and_adjust_become_part_of_the_processing_plan() {
    let auto = Plan { enhance: true, keep_orientation: true, ..Plan::default() };
    assert_plan(&json!({"auto": {"enhance": true, "orient": false}}), auto);
    let adjust = Adjust { unsharp: 12.5, hue: -180.0, shadows: 100.0, ..Adjust::default() };
    assert_plan(
        &json!({"adjust": {"unsharp": 12.5, "hue": -180, "shadows": "100", "gamma": 0}}),
        Plan { adjust: Some(adjust), ..Plan::default() },
    );
    assert_eq!(
        refusal(&json!({"adjust": {"hue": 181}})),
        "adjust.hue must be a number from -180 to 180, got 181"
    );
}

#[test]
fn the_request_object_filter_and_its_older_name_stylize_yield_the_same_processing_plan() {
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
        assert_plan(&json!({"filter": value}), Plan { filter: Some(filter), ..Plan::default() });
        assert_plan(&json!({"stylize": value}), Plan { filter: Some(filter), ..Plan::default() });
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
fn the_request_objects_mask_and_border_become_part_of_the_processing_plan() {
    let mask = Mask { shape: Shape::Rounded { radius: 9 }, background: Some(Color::TRANSPARENT) };
    assert_plan(
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
    assert_plan(
        &json!({"border": {"size": 3, "radius": 4, "background": "fff"}}),
        Plan { border: Some(border), ..Plan::default() },
    );
}
