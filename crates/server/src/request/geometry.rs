//! `flip`, `crop`, `resize`, `scale`, `padding`: rules between their attributes, and their part of the plan. What
//! changes nothing is not in the plan.

use pixaven_imaging::plan::{Crop, CropAt, Flip, Gravity, Padding, Resize, ResizeMode, Scale};

use super::Problem;
use super::table::{self, CropMode};

/// What is kept around a face when nothing is said.
const FACE_PADDING_PERCENT: f64 = 50.0;

pub(super) fn flip(hash: &table::Flip) -> Option<Flip> {
    let (horizontal, vertical) = (hash.horizontal == Some(true), hash.vertical == Some(true));
    (horizontal || vertical).then_some(Flip { horizontal, vertical })
}

pub(super) fn crop(hash: &table::Crop) -> Result<Crop, Problem> {
    let invalid = |message: &str| Err(Problem::Invalid(message.to_owned()));
    let gravity = hash.gravity.unwrap_or_default();
    if hash.mode == Some(CropMode::Face) {
        return Ok(Crop::Face { padding: hash.padding.unwrap_or(FACE_PADDING_PERCENT) });
    }
    if hash.mode == Some(CropMode::Ratio) {
        return match hash.ratio {
            Some(ratio) => Ok(Crop::Ratio { ratio, gravity }),
            None => invalid("crop.ratio is required when crop.mode is ratio"),
        };
    }
    let Some((width, height)) = hash.width.zip(hash.height) else {
        return invalid("crop.width and crop.height are required when crop.mode is rect");
    };
    let at = match (hash.x, hash.y) {
        (None, None) => CropAt::Gravity(gravity),
        (Some(_), Some(_)) if hash.gravity.is_some() => {
            return invalid("crop.gravity cannot be combined with crop.x and crop.y");
        }
        (Some(x), Some(y)) => CropAt::Point { x, y },
        _ => return invalid("crop.x and crop.y are needed together"),
    };
    Ok(Crop::Rect { width, height, at })
}

pub(super) fn resize(hash: &table::Resize) -> Result<Resize, Problem> {
    let mode = hash.mode.unwrap_or_default();
    if hash.width.is_none() && hash.height.is_none() {
        return Err(Problem::Invalid("resize needs resize.width or resize.height".to_owned()));
    }
    let name = match mode {
        ResizeMode::Fit => Some("fit"),
        ResizeMode::Exact => Some("exact"),
        ResizeMode::Fill => Some("fill"),
        ResizeMode::Auto | ResizeMode::Portrait | ResizeMode::Landscape => None,
    };
    if let Some(name) = name.filter(|_| hash.width.is_none() || hash.height.is_none()) {
        let message = format!("resize.width and resize.height are both required when resize.mode is {name}");
        return Err(Problem::Invalid(message));
    }
    // Only this mode cuts anything off; for the others nobody need look for faces.
    let gravity = hash.gravity.filter(|_| mode == ResizeMode::Fit || !is_face(hash.gravity));
    Ok(Resize {
        mode,
        width: hash.width,
        height: hash.height,
        gravity: gravity.unwrap_or_default(),
        upscale: hash.upscale.unwrap_or(true),
        background: hash.background,
        kernel: hash.filter.unwrap_or_default(),
    })
}

fn is_face(gravity: Option<Gravity>) -> bool {
    matches!(gravity, Some(Gravity::Face | Gravity::Faces))
}

pub(super) fn scale(hash: &table::Scale) -> Result<Option<Scale>, Problem> {
    let Some(size) = hash.size else {
        return Err(Problem::Invalid("scale.size is required".to_owned()));
    };
    let scale = Scale { size, ratio: hash.ratio.unwrap_or(1.0) };
    Ok((scale != Scale { size: 1.0, ratio: 1.0 }).then_some(scale))
}

pub(super) fn padding(hash: &table::Padding) -> Option<Padding> {
    let side = |side: Option<u32>| side.or(hash.size).unwrap_or(0);
    let padding = Padding {
        top: side(hash.top),
        right: side(hash.right),
        bottom: side(hash.bottom),
        left: side(hash.left),
        background: hash.background,
    };
    let Padding { top, right, bottom, left, background: _ } = padding;
    [top, right, bottom, left].iter().any(|&side| side > 0).then_some(padding)
}
