//! Property tests for all operations: neutral values change nothing, effects do not raise alpha, and images
//! of a single colour keep a single colour.

use pixaven_imaging::operations::{self, Context};
use pixaven_imaging::plan::{
    Adjust, Blur, Border, Color, Crop, CropAt, Duotone, Filter, Flip, Gravity, Mask, Padding, Plan,
    ResizeMode, Scale, Shape,
};
use pixaven_imaging::{Channels, Limits, Scratch};
use proptest::prelude::*;

use super::helpers::{LAYOUTS, any_image, flat_image, run, run_opaque, smooth_image};
use crate::geometry::resize_to;

/// A plan that contains most operations, with values at which the operations leave the image unchanged.
fn neutral(width: u32, height: u32) -> Plan {
    Plan {
        flip: Some(Flip { horizontal: false, vertical: false }),
        crop: Some(Crop::Rect { width, height, at: CropAt::Gravity(Gravity::Center) }),
        resize: Some(resize_to(ResizeMode::Exact, Some(width), Some(height))),
        scale: Some(Scale { size: 1.0, ratio: 1.0 }),
        adjust: Some(Adjust::default()),
        filter: Some(Filter { pixelate: Some(1.0), ..Filter::default() }),
        mask: Some(Mask { shape: Shape::Rounded { radius: 0 }, background: None }),
        border: Some(Border { size: 0, color: Color::BLACK, radius: 0, background: None }),
        padding: Some(Padding { top: 0, right: 0, bottom: 0, left: 0, background: None }),
        ..Plan::default()
    }
}

/// Returns one plan for each effect, with a strong value.
pub(crate) fn effects() -> Vec<(&'static str, Plan)> {
    let filter = |filter| Plan { filter: Some(filter), ..Plan::default() };
    let adjust = |adjust| Plan { adjust: Some(adjust), ..Plan::default() };
    let duotone = Duotone {
        shadows: Color { r: 40, g: 0, b: 90, a: 255 },
        highlights: Color { r: 255, g: 220, b: 90, a: 255 },
    };
    let (f, a) = (Filter::default(), Adjust::default());
    vec![
        ("auto", Plan { enhance: true, ..Plan::default() }),
        ("unsharp", adjust(Adjust { unsharp: 60.0, ..a })),
        ("brightness", adjust(Adjust { brightness: 30.0, ..a })),
        ("contrast", adjust(Adjust { contrast: 30.0, ..a })),
        ("saturation", adjust(Adjust { saturation: 50.0, ..a })),
        ("vibrance", adjust(Adjust { vibrance: 60.0, ..a })),
        ("exposure", adjust(Adjust { exposure: 40.0, ..a })),
        ("gamma", adjust(Adjust { gamma: 30.0, ..a })),
        ("hue", adjust(Adjust { hue: 60.0, ..a })),
        ("temperature", adjust(Adjust { temperature: 50.0, ..a })),
        ("tint", adjust(Adjust { tint: 50.0, ..a })),
        ("highlights", adjust(Adjust { highlights: -60.0, ..a })),
        ("shadows", adjust(Adjust { shadows: 60.0, ..a })),
        ("gaussian", filter(Filter { blur: Some(Blur::Gaussian { radius: 6.0 }), ..f })),
        ("box", filter(Filter { blur: Some(Blur::Box { radius: 6.0 }), ..f })),
        ("motion", filter(Filter { blur: Some(Blur::Motion { radius: 15.0, angle: 30.0 }), ..f })),
        ("pixelate", filter(Filter { pixelate: Some(9.0), ..f })),
        ("sepia", filter(Filter { sepia: Some(100.0), ..f })),
        ("mono", filter(Filter { mono: Some(100.0), ..f })),
        ("invert", filter(Filter { invert: Some(100.0), ..f })),
        ("vignette", filter(Filter { vignette: Some(70.0), ..f })),
        ("posterize", filter(Filter { posterize: Some(70.0), ..f })),
        ("duotone", filter(Filter { duotone: Some(duotone), ..f })),
        ("noise", filter(Filter { noise: Some(40.0), ..f })),
        ("emboss", filter(Filter { emboss: Some(80.0), ..f })),
        ("edges", filter(Filter { edges: Some(100.0), ..f })),
    ]
}

#[test]
fn every_effect_changes_the_image_and_two_runs_on_the_same_image_give_equal_results() {
    let image = smooth_image(60, 50, Channels::Rgb);
    for (name, plan) in effects() {
        let result = run(&image, &plan);
        assert_ne!(result, image, "{name}");
        assert_eq!(result, run(&image, &plan), "{name}");
        assert_eq!((result.width(), result.height()), (60, 50), "{name}");
    }
}

#[test]
fn reused_buffers_do_not_change_the_result_of_an_operation() {
    let limits = Limits::default();
    let context = Context { output_alpha: true, limits: &limits, full_size: None, watermark: None };
    let mut used = Scratch::default();
    for channels in LAYOUTS {
        let image = smooth_image(45, 33, channels);
        for (name, plan) in effects() {
            let padded = Plan {
                padding: Some(Padding { top: 3, right: 1, bottom: 2, left: 5, background: None }),
                ..plan
            };
            let resized = Plan { resize: Some(resize_to(ResizeMode::Fill, Some(51), Some(20))), ..padded };
            let result = operations::apply(image.clone(), &resized, &context, &mut used).unwrap();
            assert_eq!(result, run(&image, &resized), "{name}");
            used.give(result.into_data());
        }
    }
}

#[test]
fn gray_images_stay_gray_unless_the_effect_adds_colour() {
    let colourful = ["temperature", "tint", "sepia", "duotone"];
    let image = smooth_image(30, 20, Channels::Gray);
    for (name, plan) in effects() {
        let expected = if colourful.contains(&name) { Channels::Rgb } else { Channels::Gray };
        assert_eq!(run(&image, &plan).channels(), expected, "{name}");
    }
}

#[test]
fn effects_give_equal_results_for_a_gray_image_stored_with_one_channel_or_with_three_channels() {
    let gray = smooth_image(30, 20, Channels::Gray);
    let rgb = pixaven_imaging::Image::new(
        30,
        20,
        Channels::Rgb,
        gray.data().iter().flat_map(|v| [*v; 3]).collect(),
    );
    for (name, plan) in effects() {
        let (one, three) = (run(&gray, &plan), run(&rgb, &plan));
        let same = match one.channels() {
            Channels::Gray => {
                one.data().iter().zip(three.data().as_chunks::<3>().0).all(|(v, p)| *p == [*v; 3])
            }
            _ => one == three,
        };
        assert!(same, "{name}");
    }
}

proptest! {
    #[test]
    fn operation_whose_attributes_all_have_neutral_values_changes_no_pixel(image in any_image()) {
        let plan = neutral(image.width(), image.height());
        prop_assert_eq!(run(&image, &plan), image.clone());
        prop_assert_eq!(run_opaque(&image, &plan), image);
    }

    #[test]
    fn effects_never_add_or_remove_the_alpha_channel(image in any_image(), (name, plan) in prop::sample::select(effects())) {
        let result = run(&image, &plan);
        prop_assert_eq!(result.channels().has_alpha(), image.channels().has_alpha(), "{}", name);
    }

    #[test]
    fn effects_keep_opaque_images_opaque(mut image in any_image(), (name, plan) in prop::sample::select(effects())) {
        prop_assume!(image.channels().has_alpha());
        image.data_mut().as_chunks_mut::<4>().0.iter_mut().for_each(|pixel| pixel[3] = 255);
        let result = run(&image, &plan);
        prop_assert!(result.data().as_chunks::<4>().0.iter().all(|pixel| pixel[3] == 255), "{}", name);
    }

    #[test]
    fn only_effects_that_average_several_pixels_change_the_alpha_channel(image in any_image(), (name, plan) in prop::sample::select(effects())) {
        prop_assume!(image.channels().has_alpha() && !["gaussian", "box", "motion", "pixelate"].contains(&name));
        let alpha = |image: &pixaven_imaging::Image| -> Vec<u8> {
            image.data().as_chunks::<4>().0.iter().map(|pixel| pixel[3]).collect()
        };
        prop_assert_eq!(alpha(&run(&image, &plan)), alpha(&image), "{}", name);
    }

    #[test]
    fn effects_on_a_single_colour_image_give_a_single_colour_image(
        pixel: [u8; 4],
        (width, height) in (1..=40u32, 1..=40u32),
        channels in prop::sample::select(&LAYOUTS[..]),
        (name, plan) in prop::sample::select(effects()),
    ) {
        prop_assume!(!["noise", "vignette"].contains(&name));
        let image = flat_image(width, height, channels, pixel);
        let result = run(&image, &plan);
        let n = result.channels().count();
        prop_assert!(result.data().chunks_exact(n).all(|p| p == &result.data()[..n]), "{}", name);
        // Effects that mix neighbouring pixels leave an image of a single colour unchanged.
        let opaque = channels != Channels::Rgba || pixel[3] == 255;
        if ["unsharp", "gaussian", "box", "motion", "pixelate"].contains(&name) && opaque {
            prop_assert_eq!(result, image, "{}", name);
        }
    }
}
