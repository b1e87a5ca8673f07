//! `watermark`: where it lies, how it covers, and that it is the first frame of any file.

use pixaven_imaging::geometry::{Placed, Size, watermark};
use pixaven_imaging::operations::{self, Context};
use pixaven_imaging::plan::{Color, Filter, Gravity, Length, Mask, Plan, Shape, Watermark};
use pixaven_imaging::{Channels, Error, Format, Image, Input, Limits, Scratch, process};
use proptest::prelude::*;

use super::pictures::{LAYOUTS, any_image, at, distance, flat, paint, rough};
use crate::animation::{apng, frames_of, wandering};
use crate::pictures::{FORMATS, decode_png, file, photo, png_of, to};

const PLAIN: Watermark = Watermark {
    gravity: Gravity::Center,
    padding: 0,
    at: None,
    width: None,
    height: None,
    opacity: 100.0,
    tile: false,
};

fn lay(image: &Image, mark: &Image, asked: Watermark) -> Image {
    let limits = Limits::default();
    let context = Context { output_alpha: true, limits: &limits, full_size: None, watermark: Some(mark) };
    let plan = Plan { watermark: Some(asked), ..Plan::default() };
    operations::apply(image.clone(), &plan, &context, &mut Scratch::default()).expect("the sizes are allowed")
}

/// The upper left corner and the size.
fn placed(asked: Watermark, mark: (u32, u32), image: (u32, u32)) -> (i64, i64, u32, u32) {
    let Placed { size, left, top, .. } =
        watermark(&asked, Size::new(mark.0, mark.1), Size::new(image.0, image.1));
    (left, top, size.width, size.height)
}

#[test]
fn gravity_and_padding_place_it() {
    let by = |gravity| placed(Watermark { gravity, padding: 3, ..PLAIN }, (10, 5), (101, 50));
    assert_eq!(by(Gravity::TopLeft), (3, 3, 10, 5));
    assert_eq!(by(Gravity::Top), (45, 3, 10, 5), "an odd remainder lies towards the left");
    assert_eq!(by(Gravity::Right), (88, 22, 10, 5));
    assert_eq!(by(Gravity::BottomRight), (88, 42, 10, 5));
    assert_eq!(by(Gravity::Center), (45, 22, 10, 5), "the middle has no edge to keep away from");
    let at = Watermark { at: Some((-4, 60)), gravity: Gravity::Left, padding: 9, ..PLAIN };
    assert_eq!(placed(at, (10, 5), (101, 50)), (-4, 60, 10, 5), "a place by numbers needs neither");
    assert_eq!(
        placed(PLAIN, (20, 9), (10, 4)),
        (-5, -3, 20, 9),
        "one that is larger reaches out on all sides"
    );
}

#[test]
fn its_size_is_its_own_or_pixels_or_a_part_of_the_image() {
    let sized = |width, height| {
        let (_, _, width, height) = placed(Watermark { width, height, ..PLAIN }, (40, 20), (200, 80));
        (width, height)
    };
    let (px, percent) = (|n| Some(Length::Px(n)), |n| Some(Length::Percent(n)));
    assert_eq!(sized(None, None), (40, 20));
    assert_eq!(sized(px(10), None), (10, 5));
    assert_eq!(sized(None, px(10)), (20, 10));
    assert_eq!(sized(px(10), px(10)), (10, 10));
    assert_eq!(sized(percent(25.0), None), (50, 25));
    assert_eq!(sized(percent(50.0), percent(50.0)), (100, 40));
    assert_eq!(sized(percent(0.01), None), (1, 1), "something is always left");
}

#[test]
fn opaque_pixels_replace_and_the_rest_stays() {
    for channels in LAYOUTS {
        let (image, mark) = (rough(20, 10, channels), flat(4, 3, Channels::Gray, [9; 4]));
        let made = lay(&image, &mark, Watermark { gravity: Gravity::BottomRight, padding: 1, ..PLAIN });
        assert_eq!(made.channels(), channels, "gray on anything changes no layout");
        for (x, y) in (0..20).flat_map(|x| (0..10).map(move |y| (x, y))) {
            let covered = (15..19).contains(&x) && (6..9).contains(&y);
            let n_colors = channels.count().min(3);
            match covered {
                true => assert_eq!(at(&made, x, y)[..n_colors], [9, 9, 9][..n_colors]),
                false => assert_eq!(at(&made, x, y), at(&image, x, y)),
            }
        }
    }
}

#[test]
fn alpha_and_opacity_mix() {
    let image = flat(2, 1, Channels::Rgb, [100, 100, 100, 255]);
    let half = flat(2, 1, Channels::Rgba, [200, 0, 100, 128]);
    assert_eq!(at(&lay(&image, &half, PLAIN), 0, 0), [150, 50, 100]);
    let opacity = |opacity| at(&lay(&image, &half, Watermark { opacity, ..PLAIN }), 0, 0).to_vec();
    assert_eq!(opacity(50.0), [125, 75, 100]);
    assert_eq!(opacity(0.0), [100, 100, 100]);
    // On nothing it is itself; on something translucent both count by what of them is seen.
    let clear = flat(2, 1, Channels::Rgba, [7, 7, 7, 0]);
    assert_eq!(at(&lay(&clear, &half, PLAIN), 0, 0), [200, 0, 100, 128]);
    let faint = flat(2, 1, Channels::Rgba, [0, 0, 0, 128]);
    let [r, _, _, a] = at(&lay(&faint, &half, PLAIN), 0, 0).try_into().unwrap();
    assert_eq!((r, a), (134, 192), "200·255 / (255 + 127), over by Porter and Duff");
}

#[test]
fn a_coloured_one_brings_colour_to_gray() {
    let image = rough(5, 5, Channels::Gray);
    let red = flat(1, 1, Channels::Rgb, [255, 0, 0, 255]);
    assert_eq!(lay(&image, &red, PLAIN).channels(), Channels::Rgb);
    let unseen = flat(1, 1, Channels::Rgba, [255, 0, 0, 0]);
    assert_eq!(lay(&image, &unseen, PLAIN), image);
}

#[test]
fn tiles_cover_the_whole_image() {
    let mark = paint(3, 2, Channels::Gray, |x, y, _| (10 + 3 * y + x) as u8);
    let image = flat(11, 7, Channels::Gray, [255; 4]);
    let made = lay(&image, &mark, Watermark { at: Some((1, 1)), tile: true, ..PLAIN });
    for (x, y) in (0..11).flat_map(|x| (0..7).map(move |y| (x, y))) {
        assert_eq!(at(&made, x, y), at(&mark, (x + 2) % 3, (y + 1) % 2), "{x} {y}");
    }
    let apart = lay(&image, &mark, Watermark { at: Some((0, 0)), tile: true, padding: 1, ..PLAIN });
    for (x, y) in (0..11).flat_map(|x| (0..7).map(move |y| (x, y))) {
        let is_gap = x % 4 == 3 || y % 3 == 2;
        assert_eq!(is_gap, at(&apart, x, y) == [255], "{x} {y}");
    }
}

#[test]
fn it_comes_after_the_filter_and_before_the_mask() {
    let (image, mark) =
        (flat(9, 9, Channels::Rgb, [50, 60, 70, 255]), flat(9, 9, Channels::Rgb, [9, 8, 7, 255]));
    let limits = Limits::default();
    let context = Context { output_alpha: true, limits: &limits, full_size: None, watermark: Some(&mark) };
    let plan = Plan {
        watermark: Some(PLAIN),
        filter: Some(Filter { invert: Some(100.0), ..Default::default() }),
        mask: Some(Mask { shape: Shape::Ellipse, background: Some(Color::BLACK) }),
        ..Plan::default()
    };
    let made = operations::apply(image, &plan, &context, &mut Scratch::default()).unwrap();
    assert_eq!(at(&made, 4, 4), [9, 8, 7]);
    assert_eq!(at(&made, 0, 0), [0, 0, 0]);
}

#[test]
fn every_file_will_do_and_every_frame_gets_it() {
    let image = photo(120, 90);
    let animation = apng(&wandering(3, [20, 60, 120, 255]), 0);
    for format in FORMATS {
        let mark = file(&flat(30, 20, Channels::Rgb, [250, 10, 20, 255]), format);
        let plan = Plan { watermark: Some(PLAIN), ..to(Format::Png) };
        let (png, limits) = (png_of(&image), Limits::default());
        let input = Input { image: &png, watermark: Some(&mark) };
        let done = process(input, &plan, &limits, &mut Scratch::default()).unwrap();
        let (_, _, pixels) = decode_png(&done.bytes);
        let [r, g, b, _] = pixels[45 * 120 + 60];
        assert!(r > 230 && g < 40 && b < 50, "{format:?}: {r} {g} {b}");
        assert_eq!((done.output.width, done.output.height), (120, 90));

        let plan = Plan { watermark: Some(PLAIN), ..to(Format::Apng) };
        let input = Input { image: &animation, watermark: Some(&mark) };
        let done = process(input, &plan, &limits, &mut Scratch::default()).unwrap();
        assert_eq!(done.output.frames, 3);
        for (frame, _) in frames_of(&done.bytes) {
            let [r, g, b, _] = frame[12 * 32 + 16];
            assert!(r > 230 && g < 40 && b < 50, "{format:?}: {r} {g} {b}");
        }
    }
}

#[test]
fn what_is_wrong_with_it_names_it() {
    let (image, limits) =
        (png_of(&photo(20, 10)), Limits { input_side_px: 40, output_side_px: 50, ..Limits::default() });
    let run = |mark: &[u8], asked| {
        let plan = Plan { watermark: Some(asked), ..to(Format::Png) };
        let input = Input { image: &image, watermark: Some(mark) };
        process(input, &plan, &limits, &mut Scratch::default()).unwrap_err()
    };
    let mut broken = file(&photo(20, 10), Format::Png);
    broken.truncate(60);
    let error = run(&broken, PLAIN);
    assert!(matches!(&error, Error::Watermark(inner) if matches!(**inner, Error::Corrupt { .. })), "{error}");
    assert!(error.to_string().starts_with("watermark: the PNG image is corrupt: "), "{error}");
    let error = run(b"%PDF-1.7", PLAIN).to_string();
    assert!(error.starts_with("watermark: ") && error.contains("a PDF document"), "{error}");
    let error = run(&file(&photo(41, 10), Format::Png), PLAIN).to_string();
    assert_eq!(error, "watermark: the side of an input in pixels is limited to 40, got 41");
    let wide = Watermark { width: Some(Length::Percent(300.0)), ..PLAIN };
    let error = run(&file(&photo(4, 4), Format::Png), wide).to_string();
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
    fn any_asked()(
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
    fn anything_can_lie_anywhere(image in any_image(), mark in any_image(), asked in any_asked()) {
        let made = lay(&image, &mark, asked);
        prop_assert_eq!((made.width(), made.height()), (image.width(), image.height()));
        prop_assert_eq!(made.channels().has_alpha(), image.channels().has_alpha());
        prop_assert_eq!(lay(&image, &mark, Watermark { opacity: 0.0, ..asked }), image);
    }

    #[test]
    fn one_that_was_fitted_before_lies_the_same(mark in (1..500_u32, 1..500_u32), image in (1..500_u32, 1..500_u32), asked in any_asked()) {
        let image = Size::new(image.0, image.1);
        let first = watermark(&asked, Size::new(mark.0, mark.1), image);
        prop_assert_eq!(watermark(&asked, first.size, image), first);
    }

    #[test]
    fn spans_lie_in_both_and_never_meet(mark in (1..99_u32, 1..99_u32), image in (1..99_u32, 1..99_u32), asked in any_asked()) {
        let (mark, image) = (Size::new(mark.0, mark.1), Size::new(image.0, image.1));
        let placed = watermark(&asked, mark, image);
        let mut end = 0;
        for span in placed.columns(image) {
            prop_assert!(span.length > 0 && span.in_image >= end);
            prop_assert!(span.in_mark + span.length <= placed.size.width);
            end = span.in_image + span.length;
        }
        prop_assert!(end <= image.width);
    }

    #[test]
    fn an_opaque_tile_without_gaps_leaves_nothing(image in any_image(), side in 1..9_u32, asked in any_asked()) {
        let mark = flat(side, side, Channels::Gray, [77; 4]);
        let asked = Watermark { tile: true, padding: 0, opacity: 100.0, width: None, height: None, ..asked };
        let expected = flat(image.width(), image.height(), image.channels(), [77, 77, 77, 255]);
        let made = lay(&image, &mark, asked);
        prop_assert_eq!(distance(&made, &expected), 0);
    }
}
