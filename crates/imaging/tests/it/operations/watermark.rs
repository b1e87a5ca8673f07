//! Tests of `watermark`: its position, blending, and the format of the watermark file.

use pixaven_imaging::geometry::{Placed, Size, watermark};
use pixaven_imaging::operations::{self, Context};
use pixaven_imaging::plan::{Color, Filter, Gravity, Length, Mask, Plan, Shape, Watermark};
use pixaven_imaging::{Channels, Error, Format, Image, Input, Limits, Scratch, process};
use proptest::prelude::*;

use super::helpers::{LAYOUTS, any_image, flat_image, image_from_fn, max_difference, noise_image, pixel_at};
use crate::animation::{apng, decoded_frames, moving_square};
use crate::helpers::{FORMATS, decode_png, encoded, photo, plan_for, png_of};

const PLAIN: Watermark = Watermark {
    gravity: Gravity::Center,
    padding: 0,
    at: None,
    width: None,
    height: None,
    opacity: 100.0,
    tile: false,
};

fn blend(image: &Image, mark: &Image, options: Watermark) -> Image {
    let limits = Limits::default();
    let context = Context { output_alpha: true, limits: &limits, full_size: None, watermark: Some(mark) };
    let plan = Plan { watermark: Some(options), ..Plan::default() };
    operations::apply(image.clone(), &plan, &context, &mut Scratch::default())
        .expect("the sizes are within the limits")
}

/// The position of the watermark's upper left corner in the result, and the size of the watermark.
fn place(options: Watermark, mark: (u32, u32), image: (u32, u32)) -> (i64, i64, u32, u32) {
    let Placed { size, left, top, .. } =
        watermark(&options, Size::new(mark.0, mark.1), Size::new(image.0, image.1));
    (left, top, size.width, size.height)
}

#[test]
fn gravity_and_padding_determine_the_position_of_the_watermark() {
    let at_gravity = |gravity| place(Watermark { gravity, padding: 3, ..PLAIN }, (10, 5), (101, 50));
    assert_eq!(at_gravity(Gravity::TopLeft), (3, 3, 10, 5));
    assert_eq!(at_gravity(Gravity::Top), (45, 3, 10, 5), "an odd remainder is rounded towards the left");
    assert_eq!(at_gravity(Gravity::Right), (88, 22, 10, 5));
    assert_eq!(at_gravity(Gravity::BottomRight), (88, 42, 10, 5));
    assert_eq!(at_gravity(Gravity::Center), (45, 22, 10, 5), "padding has no effect in the centre");
    let at = Watermark { at: Some((-4, 60)), gravity: Gravity::Left, padding: 9, ..PLAIN };
    assert_eq!(
        place(at, (10, 5), (101, 50)),
        (-4, 60, 10, 5),
        "gravity and padding have no effect on a fixed position"
    );
    assert_eq!(
        place(PLAIN, (20, 9), (10, 4)),
        (-5, -3, 20, 9),
        "a larger watermark extends beyond all edges"
    );
}

#[test]
fn watermark_gets_the_requested_size_or_keeps_its_original_size_if_no_size_is_requested() {
    let size = |width, height| {
        let (_, _, width, height) = place(Watermark { width, height, ..PLAIN }, (40, 20), (200, 80));
        (width, height)
    };
    let (px, percent) = (|n| Some(Length::Px(n)), |n| Some(Length::Percent(n)));
    assert_eq!(size(None, None), (40, 20));
    assert_eq!(size(px(10), None), (10, 5));
    assert_eq!(size(None, px(10)), (20, 10));
    assert_eq!(size(px(10), px(10)), (10, 10));
    assert_eq!(size(percent(25.0), None), (50, 25));
    assert_eq!(size(percent(50.0), percent(50.0)), (100, 40));
    assert_eq!(size(percent(0.01), None), (1, 1), "a side is at least one pixel");
}

#[test]
fn opaque_watermark_replaces_only_the_covered_pixels() {
    for channels in LAYOUTS {
        let (image, mark) = (noise_image(20, 10, channels), flat_image(4, 3, Channels::Gray, [9; 4]));
        let result = blend(&image, &mark, Watermark { gravity: Gravity::BottomRight, padding: 1, ..PLAIN });
        assert_eq!(result.channels(), channels, "a gray watermark must not change the layout");
        for (x, y) in (0..20).flat_map(|x| (0..10).map(move |y| (x, y))) {
            let covered = (15..19).contains(&x) && (6..9).contains(&y);
            let n_colors = channels.count().min(3);
            match covered {
                true => assert_eq!(pixel_at(&result, x, y)[..n_colors], [9, 9, 9][..n_colors]),
                false => assert_eq!(pixel_at(&result, x, y), pixel_at(&image, x, y)),
            }
        }
    }
}

#[test]
fn watermark_is_blended_with_the_image_by_its_alpha_and_the_requested_opacity() {
    let image = flat_image(2, 1, Channels::Rgb, [100, 100, 100, 255]);
    let half = flat_image(2, 1, Channels::Rgba, [200, 0, 100, 128]);
    assert_eq!(pixel_at(&blend(&image, &half, PLAIN), 0, 0), [150, 50, 100]);
    let opacity = |opacity| pixel_at(&blend(&image, &half, Watermark { opacity, ..PLAIN }), 0, 0).to_vec();
    assert_eq!(opacity(50.0), [125, 75, 100]);
    assert_eq!(opacity(0.0), [100, 100, 100]);
    // On a transparent pixel, the result is the pixel of the watermark. On a translucent pixel, the result is
    // a weighted mean of both colours. The weight of a colour is its share in the alpha of the result.
    let clear = flat_image(2, 1, Channels::Rgba, [7, 7, 7, 0]);
    assert_eq!(pixel_at(&blend(&clear, &half, PLAIN), 0, 0), [200, 0, 100, 128]);
    let faint = flat_image(2, 1, Channels::Rgba, [0, 0, 0, 128]);
    let [r, _, _, a] = pixel_at(&blend(&faint, &half, PLAIN), 0, 0).try_into().unwrap();
    assert_eq!((r, a), (134, 192), "200·255 / (255 + 127), over by Porter and Duff");
}

#[test]
fn coloured_watermark_turns_a_gray_image_into_rgb() {
    let image = noise_image(5, 5, Channels::Gray);
    let red = flat_image(1, 1, Channels::Rgb, [255, 0, 0, 255]);
    assert_eq!(blend(&image, &red, PLAIN).channels(), Channels::Rgb);
    let unseen = flat_image(1, 1, Channels::Rgba, [255, 0, 0, 0]);
    assert_eq!(blend(&image, &unseen, PLAIN), image);
}

#[test]
fn tiled_watermark_covers_the_whole_image() {
    let mark = image_from_fn(3, 2, Channels::Gray, |x, y, _| (10 + 3 * y + x) as u8);
    let image = flat_image(11, 7, Channels::Gray, [255; 4]);
    let result = blend(&image, &mark, Watermark { at: Some((1, 1)), tile: true, ..PLAIN });
    for (x, y) in (0..11).flat_map(|x| (0..7).map(move |y| (x, y))) {
        assert_eq!(pixel_at(&result, x, y), pixel_at(&mark, (x + 2) % 3, (y + 1) % 2), "{x} {y}");
    }
    let spaced = blend(&image, &mark, Watermark { at: Some((0, 0)), tile: true, padding: 1, ..PLAIN });
    for (x, y) in (0..11).flat_map(|x| (0..7).map(move |y| (x, y))) {
        let is_gap = x % 4 == 3 || y % 3 == 2;
        assert_eq!(is_gap, pixel_at(&spaced, x, y) == [255], "{x} {y}");
    }
}

#[test]
fn watermark_is_drawn_after_the_filter_operation_and_before_the_mask_operation() {
    let (image, mark) =
        (flat_image(9, 9, Channels::Rgb, [50, 60, 70, 255]), flat_image(9, 9, Channels::Rgb, [9, 8, 7, 255]));
    let limits = Limits::default();
    let context = Context { output_alpha: true, limits: &limits, full_size: None, watermark: Some(&mark) };
    let plan = Plan {
        watermark: Some(PLAIN),
        filter: Some(Filter { invert: Some(100.0), ..Default::default() }),
        mask: Some(Mask { shape: Shape::Ellipse, background: Some(Color::BLACK) }),
        ..Plan::default()
    };
    let result = operations::apply(image, &plan, &context, &mut Scratch::default()).unwrap();
    assert_eq!(pixel_at(&result, 4, 4), [9, 8, 7]);
    assert_eq!(pixel_at(&result, 0, 0), [0, 0, 0]);
}

#[test]
fn watermark_in_any_format_is_applied_to_every_frame() {
    let image = photo(120, 90);
    let animation = apng(&moving_square(3, [20, 60, 120, 255]), 0);
    for format in FORMATS {
        let mark = encoded(&flat_image(30, 20, Channels::Rgb, [250, 10, 20, 255]), format);
        let plan = Plan { watermark: Some(PLAIN), ..plan_for(Format::Png) };
        let (png, limits) = (png_of(&image), Limits::default());
        let input = Input { image: &png, watermark: Some(&mark), fonts: None };
        let done = process(input, &plan, &limits, &mut Scratch::default()).unwrap();
        let (_, _, pixels) = decode_png(&done.bytes);
        let [r, g, b, _] = pixels[45 * 120 + 60];
        assert!(r > 230 && g < 40 && b < 50, "{format:?}: {r} {g} {b}");
        assert_eq!((done.output.width, done.output.height), (120, 90));

        let plan = Plan { watermark: Some(PLAIN), ..plan_for(Format::Apng) };
        let input = Input { image: &animation, watermark: Some(&mark), fonts: None };
        let done = process(input, &plan, &limits, &mut Scratch::default()).unwrap();
        assert_eq!(done.output.frames, 3);
        for (frame, _) in decoded_frames(&done.bytes) {
            let [r, g, b, _] = frame[12 * 32 + 16];
            assert!(r > 230 && g < 40 && b < 50, "{format:?}: {r} {g} {b}");
        }
    }
}

#[test]
fn error_about_an_invalid_watermark_file_starts_with_the_word_watermark() {
    let (image, limits) =
        (png_of(&photo(20, 10)), Limits { input_side_px: 40, output_side_px: 50, ..Limits::default() });
    let run = |mark: &[u8], options| {
        let plan = Plan { watermark: Some(options), ..plan_for(Format::Png) };
        let input = Input { image: &image, watermark: Some(mark), fonts: None };
        process(input, &plan, &limits, &mut Scratch::default()).unwrap_err()
    };
    let mut broken = encoded(&photo(20, 10), Format::Png);
    broken.truncate(60);
    let error = run(&broken, PLAIN);
    assert!(matches!(&error, Error::Watermark(inner) if matches!(**inner, Error::Corrupt { .. })), "{error}");
    assert!(error.to_string().starts_with("watermark: the PNG image is corrupt: "), "{error}");
    let error = run(b"%PDF-1.7", PLAIN).to_string();
    assert!(error.starts_with("watermark: ") && error.contains("a PDF document"), "{error}");
    let error = run(&encoded(&photo(41, 10), Format::Png), PLAIN).to_string();
    assert_eq!(error, "watermark: the side of an input in pixels is limited to 40, got 41");
    let wide = Watermark { width: Some(Length::Percent(300.0)), ..PLAIN };
    let error = run(&encoded(&photo(4, 4), Format::Png), wide).to_string();
    assert_eq!(error, "watermark: the side of an output in pixels is limited to 50, got 60");
}

fn any_gravity() -> impl Strategy<Value = Gravity> {
    use Gravity::{Bottom, BottomLeft, BottomRight, Center, Left, Right, Top, TopLeft, TopRight};
    prop::sample::select(vec![Center, TopLeft, Top, TopRight, Right, BottomRight, Bottom, BottomLeft, Left])
}

fn any_length() -> impl Strategy<Value = Option<Length>> {
    prop_oneof![
        Just(None),
        (1..60_u32).prop_map(|n| Some(Length::Px(n))),
        (0.1..250.0).prop_map(|n| Some(Length::Percent(n))),
    ]
}

prop_compose! {
    fn any_options()(
        gravity in any_gravity(),
        padding in 0..30_u32,
        at in prop::option::of((-50..50_i32, -50..50_i32)),
        width in any_length(),
        height in any_length(),
        opacity in 0.0..=100.0,
        tile: bool,
    ) -> Watermark {
        Watermark { gravity, padding, at, width, height, opacity, tile }
    }
}

proptest! {
    #[test]
    fn watermark_keeps_the_size_and_the_alpha_channel_of_the_image(image in any_image(), mark in any_image(), options in any_options()) {
        let result = blend(&image, &mark, options);
        prop_assert_eq!((result.width(), result.height()), (image.width(), image.height()));
        prop_assert_eq!(result.channels().has_alpha(), image.channels().has_alpha());
        prop_assert_eq!(blend(&image, &mark, Watermark { opacity: 0.0, ..options }), image);
    }

    #[test]
    fn watermark_already_scaled_to_its_final_size_is_placed_where_the_unscaled_watermark_would_be(mark in (1..500_u32, 1..500_u32), image in (1..500_u32, 1..500_u32), options in any_options()) {
        let image = Size::new(image.0, image.1);
        let first = watermark(&options, Size::new(mark.0, mark.1), image);
        prop_assert_eq!(watermark(&options, first.size, image), first);
    }

    #[test]
    fn visible_parts_of_watermark_tiles_lie_inside_the_image_and_do_not_overlap(mark in (1..99_u32, 1..99_u32), image in (1..99_u32, 1..99_u32), options in any_options()) {
        let (mark, image) = (Size::new(mark.0, mark.1), Size::new(image.0, image.1));
        let placed = watermark(&options, mark, image);
        let mut end = 0;
        for span in placed.columns(image) {
            prop_assert!(span.length > 0 && span.in_image >= end);
            prop_assert!(span.in_mark + span.length <= placed.size.width);
            end = span.in_image + span.length;
        }
        prop_assert!(end <= image.width);
    }

    #[test]
    fn opaque_watermark_tiles_without_gaps_cover_every_pixel(image in any_image(), side in 1..9_u32, options in any_options()) {
        let mark = flat_image(side, side, Channels::Gray, [77; 4]);
        let options = Watermark { tile: true, padding: 0, opacity: 100.0, width: None, height: None, ..options };
        let expected = flat_image(image.width(), image.height(), image.channels(), [77, 77, 77, 255]);
        let result = blend(&image, &mark, options);
        prop_assert_eq!(max_difference(&result, &expected), 0);
    }
}
