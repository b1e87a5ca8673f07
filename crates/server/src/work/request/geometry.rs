//! `flip`, `crop`, `resize`, `scale`, `padding`: rules between their attributes, and their part of the plan. What
//! changes nothing is not in the plan.

use pixaven_imaging::plan::{Crop, CropAt, Flip, Gravity, Padding, Resize, ResizeMode, Scale};

use super::RequestError;
use super::table::{self, CropMode};

/// What is kept around a face when nothing is said.
const FACE_PADDING_PERCENT: f64 = 50.0;

pub(super) fn flip(fields: &table::Flip) -> Option<Flip> {
    let (horizontal, vertical) = (fields.horizontal == Some(true), fields.vertical == Some(true));
    (horizontal || vertical).then_some(Flip { horizontal, vertical })
}

pub(super) fn crop(fields: &table::Crop) -> Result<Crop, RequestError> {
    let invalid = |message: &str| Err(RequestError::Invalid(message.to_owned()));
    let gravity = fields.gravity.unwrap_or_default();
    if fields.mode == Some(CropMode::Face) {
        return Ok(Crop::Face { padding: fields.padding.unwrap_or(FACE_PADDING_PERCENT) });
    }
    if fields.mode == Some(CropMode::Ratio) {
        return match fields.ratio {
            Some(ratio) => Ok(Crop::Ratio { ratio, gravity }),
            None => invalid("crop.ratio is required when crop.mode is ratio"),
        };
    }
    let Some((width, height)) = fields.width.zip(fields.height) else {
        return invalid("crop.width and crop.height are required when crop.mode is rect");
    };
    let at = match (fields.x, fields.y) {
        (None, None) => CropAt::Gravity(gravity),
        (Some(_), Some(_)) if fields.gravity.is_some() => {
            return invalid("crop.gravity cannot be combined with crop.x and crop.y");
        }
        (Some(x), Some(y)) => CropAt::Point { x, y },
        _ => return invalid("crop.x and crop.y are needed together"),
    };
    Ok(Crop::Rect { width, height, at })
}

pub(super) fn resize(fields: &table::Resize) -> Result<Resize, RequestError> {
    let mode = fields.mode.unwrap_or_default();
    if fields.width.is_none() && fields.height.is_none() {
        return Err(RequestError::Invalid("resize needs resize.width or resize.height".to_owned()));
    }
    let name = match mode {
        ResizeMode::Fit => Some("fit"),
        ResizeMode::Exact => Some("exact"),
        ResizeMode::Fill => Some("fill"),
        ResizeMode::Auto | ResizeMode::Portrait | ResizeMode::Landscape => None,
    };
    if let Some(name) = name.filter(|_| fields.width.is_none() || fields.height.is_none()) {
        let message = format!("resize.width and resize.height are both required when resize.mode is {name}");
        return Err(RequestError::Invalid(message));
    }
    // Only this mode cuts anything off; for the others nobody need look for faces.
    let gravity = fields.gravity.filter(|_| mode == ResizeMode::Fit || !is_face(fields.gravity));
    Ok(Resize {
        mode,
        width: fields.width,
        height: fields.height,
        gravity: gravity.unwrap_or_default(),
        upscale: fields.upscale.unwrap_or(true),
        background: fields.background,
        kernel: fields.filter.unwrap_or_default(),
    })
}

fn is_face(gravity: Option<Gravity>) -> bool {
    matches!(gravity, Some(Gravity::Face | Gravity::Faces))
}

pub(super) fn scale(fields: &table::Scale) -> Result<Option<Scale>, RequestError> {
    let Some(size) = fields.size else {
        return Err(RequestError::Invalid("scale.size is required".to_owned()));
    };
    let scale = Scale { size, ratio: fields.ratio.unwrap_or(1.0) };
    Ok((scale != Scale { size: 1.0, ratio: 1.0 }).then_some(scale))
}

pub(super) fn padding(fields: &table::Padding) -> Option<Padding> {
    let side = |side: Option<u32>| side.or(fields.size).unwrap_or(0);
    let padding = Padding {
        top: side(fields.top),
        right: side(fields.right),
        bottom: side(fields.bottom),
        left: side(fields.left),
        background: fields.background,
    };
    let Padding { top, right, bottom, left, background: _ } = padding;
    [top, right, bottom, left].iter().any(|&side| side > 0).then_some(padding)
}
