//! What a plan that speaks of faces means for a picture whose faces are known: the same plan without that word.

use super::{Rect, Size};
use crate::plan::{Crop, CropAt, Flip, Gravity, Plan, Resize, ResizeMode};

/// Whether the plan asks where the faces are.
pub fn asks_for_faces(plan: &Plan) -> bool {
    let crop = match plan.crop {
        Some(Crop::Face { .. }) => true,
        Some(Crop::Ratio { gravity, .. } | Crop::Rect { at: CropAt::Gravity(gravity), .. }) => {
            is_face(gravity)
        }
        Some(Crop::Rect { at: CropAt::Point { .. }, .. }) | None => false,
    };
    // The other modes cut nothing off.
    crop || plan.resize.is_some_and(|resize| resize.mode == ResizeMode::Fit && is_face(resize.gravity))
}

/// The plan for an upright picture of `size` with these faces, the largest first: every rectangle and every gravity by
/// faces is one by numbers. Without faces the middle stands for them, and the warning says so.
pub fn resolve(plan: &Plan, size: Size, faces: &[Rect]) -> (Plan, Option<String>) {
    let faces: Vec<Rect> =
        faces.iter().map(|&face| plan.flip.map_or(face, |flip| mirrored(face, size, flip))).collect();
    let crop = plan.crop.map(|asked| resolve_crop(asked, size, &faces));
    let kept = crop.and_then(|asked| super::crop(size, asked).ok());
    let resize = plan.resize.map(|asked| {
        let seen: Vec<Rect> = match kept {
            Some(kept) => faces.iter().filter_map(|&face| within(face, kept)).collect(),
            None => faces.clone(),
        };
        let gravity = towards(asked.gravity, &seen);
        Resize { gravity, ..asked }
    });
    let warning =
        faces.is_empty().then(|| "no face was found: the middle of the image was taken instead".to_owned());
    (Plan { crop, resize, ..plan.clone() }, warning)
}

fn is_face(gravity: Gravity) -> bool {
    matches!(gravity, Gravity::Face | Gravity::Faces)
}

fn resolve_crop(asked: Crop, size: Size, faces: &[Rect]) -> Crop {
    match asked {
        Crop::Face { padding } => match bounds(faces) {
            Some(face) => around(face, padding, size),
            None => Crop::Ratio { ratio: 1.0, gravity: Gravity::Center },
        },
        Crop::Ratio { ratio, gravity } => Crop::Ratio { ratio, gravity: towards(gravity, faces) },
        Crop::Rect { width, height, at: CropAt::Gravity(gravity) } => {
            Crop::Rect { width, height, at: CropAt::Gravity(towards(gravity, faces)) }
        }
        Crop::Rect { at: CropAt::Point { .. }, .. } => asked,
    }
}

/// The box with `padding` percent of its longer side around it, as far as the picture reaches.
fn around(face: Rect, padding: f64, size: Size) -> Crop {
    let more = f64::from(face.width.max(face.height)) * padding / 100.0;
    let side = |start: u32, length: u32, bound: u32| {
        let first = (f64::from(start) - more).round().max(0.0) as u32;
        let end = (f64::from(start) + f64::from(length) + more).round().min(bound.into()) as u32;
        (first, end.saturating_sub(first).max(1))
    };
    let (x, width) = side(face.x, face.width, size.width);
    let (y, height) = side(face.y, face.height, size.height);
    Crop::Rect { width, height, at: CropAt::Point { x, y } }
}

/// The gravity towards the middle of the largest face or of all of them.
fn towards(gravity: Gravity, faces: &[Rect]) -> Gravity {
    let target = match gravity {
        Gravity::Face => faces.first().copied(),
        Gravity::Faces => bounds(faces),
        _ => return gravity,
    };
    target.map_or(Gravity::Center, |face| Gravity::Point {
        x: face.x + face.width / 2,
        y: face.y + face.height / 2,
    })
}

/// The smallest box around all of them.
fn bounds(faces: &[Rect]) -> Option<Rect> {
    faces.iter().copied().reduce(|a, b| {
        let (x, y) = (a.x.min(b.x), a.y.min(b.y));
        let right = (a.x + a.width).max(b.x + b.width);
        let bottom = (a.y + a.height).max(b.y + b.height);
        Rect { x, y, width: right - x, height: bottom - y }
    })
}

fn mirrored(face: Rect, size: Size, flip: Flip) -> Rect {
    let turn = |turns: bool, start: u32, length: u32, bound: u32| {
        if turns { bound.saturating_sub(start + length) } else { start }
    };
    Rect {
        x: turn(flip.horizontal, face.x, face.width, size.width),
        y: turn(flip.vertical, face.y, face.height, size.height),
        ..face
    }
}

/// What of a face lies in the kept rectangle, seen from there.
fn within(face: Rect, kept: Rect) -> Option<Rect> {
    let side = |start: u32, length: u32, from: u32, n_kept: u32| {
        let first = start.max(from);
        let end = (start + length).min(from + n_kept);
        (end > first).then(|| (first - from, end - first))
    };
    let (x, width) = side(face.x, face.width, kept.x, kept.width)?;
    let (y, height) = side(face.y, face.height, kept.y, kept.height)?;
    Some(Rect { x, y, width, height })
}
