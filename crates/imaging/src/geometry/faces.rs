//! If a plan refers to faces in a crop or a gravity, this module replaces the reference by coordinates.

use super::{Rect, Size};
use crate::plan::{Crop, CropAt, Flip, Gravity, Plan, Resize, ResizeMode};

/// Whether the result of the plan depends on the positions of faces.
pub fn uses_faces(plan: &Plan) -> bool {
    let crop = match plan.crop {
        Some(Crop::Face { .. }) => true,
        Some(Crop::Ratio { gravity, .. } | Crop::Rect { at: CropAt::Gravity(gravity), .. }) => {
            is_by_faces(gravity)
        }
        Some(Crop::Rect { at: CropAt::Point { .. }, .. }) | None => false,
    };
    // Only the mode `fit` of `resize` cuts off parts of the image. In all other modes, gravity has no effect.
    crop || plan.resize.is_some_and(|resize| resize.mode == ResizeMode::Fit && is_by_faces(resize.gravity))
}

/// Replaces each reference to faces in the crop and the gravity of the plan by coordinates. The coordinates
/// are those of an image of the size `size`, to which its EXIF orientation was applied. `faces` are sorted by
/// size, the largest first. If `faces` is empty, the coordinates are those of the centre of the image, and
/// the second returned value is a warning.
pub fn resolve_faces(plan: &Plan, size: Size, faces: &[Rect]) -> (Plan, Option<String>) {
    let faces: Vec<Rect> =
        faces.iter().map(|&face| plan.flip.map_or(face, |flip| mirror(face, size, flip))).collect();
    let crop = plan.crop.map(|options| resolve_crop(options, size, &faces));
    let kept = crop.and_then(|options| super::crop(size, options).ok());
    let resize = plan.resize.map(|options| {
        let visible: Vec<Rect> = match kept {
            Some(kept) => faces.iter().filter_map(|&face| clip_to(face, kept)).collect(),
            None => faces.clone(),
        };
        let gravity = resolve_gravity(options.gravity, &visible);
        Resize { gravity, ..options }
    });
    let warning =
        faces.is_empty().then(|| "no face was found: the middle of the image was taken instead".to_owned());
    (Plan { crop, resize, ..plan.clone() }, warning)
}

fn is_by_faces(gravity: Gravity) -> bool {
    matches!(gravity, Gravity::Face | Gravity::Faces)
}

fn resolve_crop(options: Crop, size: Size, faces: &[Rect]) -> Crop {
    match options {
        Crop::Face { padding } => match bounding_box(faces) {
            Some(face) => padded_box(face, padding, size),
            None => Crop::Ratio { ratio: 1.0, gravity: Gravity::Center },
        },
        Crop::Ratio { ratio, gravity } => Crop::Ratio { ratio, gravity: resolve_gravity(gravity, faces) },
        Crop::Rect { width, height, at: CropAt::Gravity(gravity) } => {
            Crop::Rect { width, height, at: CropAt::Gravity(resolve_gravity(gravity, faces)) }
        }
        Crop::Rect { at: CropAt::Point { .. }, .. } => options,
    }
}

/// A crop to the rectangle `face`, which is extended on each side by `padding` percent of the longer side of
/// `face` and clipped to the image.
fn padded_box(face: Rect, padding: f64, size: Size) -> Crop {
    let margin = f64::from(face.width.max(face.height)) * padding / 100.0;
    let side = |start: u32, length: u32, bound: u32| {
        let first = (f64::from(start) - margin).round().max(0.0) as u32;
        let end = (f64::from(start) + f64::from(length) + margin).round().min(bound.into()) as u32;
        (first, end.saturating_sub(first).max(1))
    };
    let (x, width) = side(face.x, face.width, size.width);
    let (y, height) = side(face.y, face.height, size.height);
    Crop::Rect { width, height, at: CropAt::Point { x, y } }
}

/// Replaces `Face` by the centre of the largest face, and `Faces` by the centre of the bounding box of all
/// faces. Returns any other gravity unchanged.
fn resolve_gravity(gravity: Gravity, faces: &[Rect]) -> Gravity {
    let target = match gravity {
        Gravity::Face => faces.first().copied(),
        Gravity::Faces => bounding_box(faces),
        _ => return gravity,
    };
    target.map_or(Gravity::Center, |face| Gravity::Point {
        x: face.x + face.width / 2,
        y: face.y + face.height / 2,
    })
}

/// The smallest rectangle that contains all faces. `None` if there is no face.
fn bounding_box(faces: &[Rect]) -> Option<Rect> {
    faces.iter().copied().reduce(|a, b| {
        let (x, y) = (a.x.min(b.x), a.y.min(b.y));
        let right = (a.x + a.width).max(b.x + b.width);
        let bottom = (a.y + a.height).max(b.y + b.height);
        Rect { x, y, width: right - x, height: bottom - y }
    })
}

/// The position of the face after the image is flipped.
fn mirror(face: Rect, size: Size, flip: Flip) -> Rect {
    let position = |is_mirrored: bool, start: u32, length: u32, bound: u32| {
        if is_mirrored { bound.saturating_sub(start + length) } else { start }
    };
    Rect {
        x: position(flip.horizontal, face.x, face.width, size.width),
        y: position(flip.vertical, face.y, face.height, size.height),
        ..face
    }
}

/// The part of the face inside of the rectangle `kept`, relative to the upper left corner of `kept`. `None`
/// if the whole face is outside of `kept`.
fn clip_to(face: Rect, kept: Rect) -> Option<Rect> {
    let side = |start: u32, length: u32, from: u32, n_kept: u32| {
        let first = start.max(from);
        let end = (start + length).min(from + n_kept);
        (end > first).then(|| (first - from, end - first))
    };
    let (x, width) = side(face.x, face.width, kept.x, kept.width)?;
    let (y, height) = side(face.y, face.height, kept.y, kept.height)?;
    Some(Rect { x, y, width, height })
}
