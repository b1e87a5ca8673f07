//! Tests of faces: detection must find faces at the right positions, and the crops and gravities of a plan
//! must use these positions.

use pixaven_imaging::geometry::{Rect, Size, crop, resize, resolve_faces, uses_faces};
use pixaven_imaging::plan::{Crop, CropAt, Flip, Gravity, Plan, Resize, ResizeMode};
use pixaven_imaging::{Channels, Format, Image, Limits, Processed, Scratch, process};
use proptest::prelude::*;

use crate::geometry::resize_to;
use crate::helpers::{decode_png, photo, plan_for, png_of, run};

/// A portrait of 200×200 pixels; see `tests/faces/README.md`.
const PORTRAIT: &[u8] = include_bytes!("../faces/astronaut.jpg");

/// The position of the face in the portrait.
const FACE: Rect = Rect { x: 53, y: 48, width: 96, height: 96 };

fn portrait() -> Image {
    let (width, height, pixels) = decode_png(&run(PORTRAIT, &plan_for(Format::Png)).bytes);
    Image::new(width, height, Channels::Rgb, pixels.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect())
}

/// Creates a landscape into which the portrait is copied at the given positions.
fn with_faces(width: u32, height: u32, positions: &[(u32, u32)]) -> Vec<u8> {
    let (mut image, portrait) = (photo(width, height), portrait());
    for &(left, top) in positions {
        for (y, row) in (top..).zip(portrait.data().chunks_exact(600)) {
            let start = (y * width + left) as usize * 3;
            image.data_mut()[start..start + 600].copy_from_slice(row);
        }
    }
    png_of(&image)
}

fn with_crop(crop: Crop) -> Plan {
    Plan { crop: Some(crop), ..plan_for(Format::Png) }
}

fn find_faces(file: &[u8]) -> Vec<Rect> {
    run(file, &with_crop(Crop::Face { padding: 0.0 })).faces.expect("the plan uses faces")
}

#[track_caller]
fn assert_near(found: Rect, expected: Rect, tolerance: u32) {
    let sides = |rect: Rect| [rect.x, rect.y, rect.width, rect.height];
    let near = sides(found).into_iter().zip(sides(expected)).all(|(a, b)| a.abs_diff(b) <= tolerance);
    assert!(near, "{found:?}, not {expected:?}");
}

fn moved(face: Rect, (x, y): (u32, u32)) -> Rect {
    Rect { x: face.x + x, y: face.y + y, ..face }
}

#[test]
fn face_in_a_portrait_is_detected_at_its_position() {
    let found = find_faces(PORTRAIT);
    assert_eq!(found.len(), 1);
    assert_near(found[0], FACE, 8);
}

#[test]
fn several_faces_are_detected_in_a_large_image() {
    let positions = [(100, 80), (1300, 700)];
    let file = with_faces(1600, 1000, &positions);
    let mut found = find_faces(&file);
    found.sort_by_key(|face| face.x);
    assert_eq!(found.len(), 2, "{found:?}");
    for (found, place) in found.into_iter().zip(positions) {
        assert_near(found, moved(FACE, place), 14);
    }
    assert_eq!(find_faces(&file), find_faces(&file), "detection must be deterministic");
}

#[test]
fn faces_are_reported_only_if_an_operation_of_the_plan_uses_face_gravity() {
    let plan = |gravity| Plan {
        resize: Some(Resize { gravity, ..resize_to(ResizeMode::Fit, Some(40), Some(80)) }),
        ..plan_for(Format::Png)
    };
    assert_eq!(run(PORTRAIT, &plan(Gravity::Center)).faces, None);
    assert_eq!(run(PORTRAIT, &plan(Gravity::Face)).faces.map(|faces| faces.len()), Some(1));
    assert!(uses_faces(&plan(Gravity::Faces)) && !uses_faces(&plan(Gravity::Top)));
}

#[test]
fn crop_to_faces_keeps_the_bounding_box_of_all_faces_plus_the_padding() {
    let file = with_faces(800, 600, &[(500, 300)]);
    let done = run(&file, &with_crop(Crop::Face { padding: 25.0 }));
    let face = done.faces.as_ref().unwrap()[0];
    assert_near(face, moved(FACE, (500, 300)), 10);
    let side = face.width + 2 * (f64::from(face.width) * 0.25).round() as u32;
    assert!(
        done.output.width.abs_diff(side) <= 1 && done.output.height.abs_diff(side) <= 1,
        "{:?}",
        done.output
    );
    assert!(done.warnings.is_empty());
}

#[test]
fn crop_to_faces_is_centred_with_a_warning_if_no_face_is_found() {
    let file = png_of(&photo(300, 200));
    let done = run(&file, &with_crop(Crop::Face { padding: 50.0 }));
    assert_eq!((done.output.width, done.output.height, done.faces), (200, 200, Some(vec![])));
    assert_eq!(done.warnings, ["no face was found: the middle of the image was taken instead"]);
    let centred = run(&file, &with_crop(Crop::Ratio { ratio: 1.0, gravity: Gravity::Center }));
    assert_eq!(done.bytes, centred.bytes);
    for size in [(1, 1), (39, 300), (40, 40), (41, 39), (3000, 2)] {
        let done = run(&png_of(&photo(size.0, size.1)), &with_crop(Crop::Face { padding: 50.0 }));
        assert_eq!(done.faces, Some(vec![]), "{size:?}");
    }
}

#[test]
fn crop_or_resize_with_gravity_face_keeps_the_detected_face_in_the_output() {
    let positions = [(20, 20), (1380, 20)];
    let file = with_faces(1600, 400, &positions[1..]);
    let kept = |plan: &Plan, file: &[u8]| -> Processed {
        process(file, plan, &Limits::default(), &mut Scratch::default()).unwrap()
    };
    let fit = |gravity| Plan {
        resize: Some(Resize { gravity, ..resize_to(ResizeMode::Fit, Some(400), Some(400)) }),
        ..plan_for(Format::Png)
    };
    // Detection also finds the face in the output, so the part that the plan kept contains the face. This
    // part ends at the right edge of the image.
    let done = kept(&fit(Gravity::Face), &file);
    assert_near(find_faces(&done.bytes)[0], moved(FACE, (180, 20)), 12);
    let ratio = with_crop(Crop::Ratio { ratio: 1.0, gravity: Gravity::Face });
    assert_near(find_faces(&kept(&ratio, &file).bytes)[0], moved(FACE, (180, 20)), 12);
    let rect = Crop::Rect { width: 200, height: 200, at: CropAt::Gravity(Gravity::Face) };
    let done = kept(&with_crop(rect), &file);
    assert_eq!((done.output.width, done.output.height), (200, 200));
    assert_near(find_faces(&done.bytes)[0], FACE, 14);
    // If there is one face at each end of the image, the plan keeps the middle between the faces, which
    // contains no face.
    let done = kept(&fit(Gravity::Faces), &with_faces(1600, 400, &positions));
    assert_eq!(done.faces.unwrap().len(), 2);
    assert_eq!(find_faces(&done.bytes), []);
}

#[test]
fn crops_and_gravities_that_refer_to_faces_are_replaced_with_coordinates_of_the_faces() {
    let (size, face) = (Size::new(1000, 500), Rect { x: 700, y: 100, width: 100, height: 80 });
    let other = Rect { x: 100, y: 300, width: 50, height: 50 };
    let resolved_crop = |crop| resolve_faces(&with_crop(crop), size, &[face, other]).0.crop.unwrap();
    let at = |x, y, width, height| Crop::Rect { width, height, at: CropAt::Point { x, y } };
    assert_eq!(resolved_crop(Crop::Face { padding: 0.0 }), at(100, 100, 700, 250));
    assert_eq!(resolved_crop(Crop::Face { padding: 10.0 }), at(30, 30, 840, 390));
    assert_eq!(
        resolved_crop(Crop::Face { padding: 500.0 }),
        at(0, 0, 1000, 500),
        "the crop is clipped to the image"
    );
    let ratio = |gravity| Crop::Ratio { ratio: 1.0, gravity };
    assert_eq!(resolved_crop(ratio(Gravity::Face)), ratio(Gravity::Point { x: 750, y: 140 }));
    assert_eq!(resolved_crop(ratio(Gravity::Faces)), ratio(Gravity::Point { x: 450, y: 225 }));
    assert_eq!(resolved_crop(ratio(Gravity::Top)), ratio(Gravity::Top));
    let kept = crop(size, resolved_crop(ratio(Gravity::Face))).unwrap();
    assert_eq!(kept, Rect { x: 500, y: 0, width: 500, height: 500 });

    // A flip changes the positions of faces. Faces outside of the crop are ignored.
    let flip = Some(Flip { horizontal: true, vertical: false });
    let mirrored = Plan { flip, ..with_crop(ratio(Gravity::Face)) };
    assert_eq!(
        resolve_faces(&mirrored, size, &[face]).0.crop,
        Some(ratio(Gravity::Point { x: 250, y: 140 }))
    );
    let fit = Resize { gravity: Gravity::Faces, ..resize_to(ResizeMode::Fit, Some(10), Some(10)) };
    let both = Plan { resize: Some(fit), ..with_crop(at(0, 250, 400, 250)) };
    let (plan, warning) = resolve_faces(&both, size, &[face, other]);
    assert_eq!((plan.resize.unwrap().gravity, warning), (Gravity::Point { x: 125, y: 75 }, None));
}

#[test]
fn faces_in_a_jpeg_decoded_at_reduced_size_are_reported_in_full_size_pixels() {
    let jpeg = run(&with_faces(1600, 1000, &[(600, 300)]), &plan_for(Format::Jpeg)).bytes;
    let fit = Resize { gravity: Gravity::Face, ..resize_to(ResizeMode::Fit, Some(50), Some(50)) };
    let done = run(&jpeg, &Plan { resize: Some(fit), ..plan_for(Format::Png) });
    assert_near(done.faces.unwrap()[0], moved(FACE, (600, 300)), 14);
    assert_eq!((done.output.width, done.output.height), (50, 50));
}

prop_compose! {
    fn any_face(size: Size)(x in 0..size.width, y in 0..size.height, width in 1..=size.width, height in 1..=size.height) -> Rect {
        Rect { x, y, width: width.min(size.width - x), height: height.min(size.height - y) }
    }
}

fn size_and_faces() -> impl Strategy<Value = (Size, Vec<Rect>)> {
    (1..3000_u32, 1..3000_u32).prop_flat_map(|(width, height)| {
        let size = Size::new(width, height);
        (Just(size), prop::collection::vec(any_face(size), 0..4))
    })
}

proptest! {
    #[test]
    fn crop_and_resize_rectangles_computed_from_faces_lie_inside_the_image(
        (size, faces) in size_and_faces(),
        padding in 0.0..500.0,
        (width, height) in (1..4000_u32, 1..4000_u32),
        gravity in prop::sample::select(vec![Gravity::Face, Gravity::Faces]),
        flips: (bool, bool),
    ) {
        let crops = [
            Crop::Face { padding },
            Crop::Ratio { ratio: f64::from(width) / f64::from(height), gravity },
            Crop::Rect { width, height, at: CropAt::Gravity(gravity) },
        ];
        for crop_options in crops {
            let resize_options = Resize { gravity, ..resize_to(ResizeMode::Fit, Some(width), Some(height)) };
            let plan = Plan {
                flip: Some(Flip { horizontal: flips.0, vertical: flips.1 }),
                resize: Some(resize_options),
                ..with_crop(crop_options)
            };
            let (plan, warning) = resolve_faces(&plan, size, &faces);
            prop_assert!(!uses_faces(&plan));
            prop_assert_eq!(warning.is_some(), faces.is_empty());
            let kept = crop(size, plan.crop.unwrap()).unwrap();
            prop_assert!(kept.x + kept.width <= size.width && kept.y + kept.height <= size.height);
            let resized = resize(kept.size(), plan.resize.unwrap());
            let (right, bottom) = (resized.window.left + resized.window.width, resized.window.top + resized.window.height);
            prop_assert!(resized.window.left >= 0.0 && right <= f64::from(kept.width), "{:?}", resized);
            prop_assert!(resized.window.top >= 0.0 && bottom <= f64::from(kept.height), "{:?}", resized);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn faces_detected_in_random_patterns_lie_inside_the_image(
        (width, height) in (30..140_u32, 30..140_u32),
        seed: u32,
        block in 1..24_u32,
        padding in 0.0..500.0,
    ) {
        let mut data = Vec::new();
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let hash = (x / block).wrapping_mul(0x9E37_79B1) ^ (y / block).wrapping_mul(0x85EB_CA77) ^ seed;
            data.push(((hash ^ (hash >> 15)).wrapping_mul(0x2C1B_3C6D) >> 24) as u8);
        }
        let file = png_of(&Image::new(width, height, Channels::Gray, data));
        let done = run(&file, &with_crop(Crop::Face { padding }));
        for face in done.faces.unwrap() {
            prop_assert!(face.width > 0 && face.x + face.width <= width, "{face:?}");
            prop_assert!(face.height > 0 && face.y + face.height <= height, "{face:?}");
        }
    }
}
