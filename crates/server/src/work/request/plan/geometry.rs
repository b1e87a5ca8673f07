//! Builds the parts of the plan for the operations that move pixels or change the size: `flip`, `crop`,
//! `resize`, `scale` and `padding`. Each function checks the rules between the attributes of one operation
//! and returns the part of the plan for this operation.

use pixaven_imaging::plan::{Crop, CropAt, Flip, Gravity, Padding, Resize, ResizeMode, Scale};

use crate::work::request::RequestError;
use crate::work::request::table::{self, CropMode};

/// The default margin around a face for `crop`, in percent of the longer side of the box around the face.
const FACE_PADDING_PERCENT: f64 = 50.0;

pub(super) fn flip(object: &table::Flip) -> Option<Flip> {
    let (horizontal, vertical) = (object.horizontal == Some(true), object.vertical == Some(true));
    (horizontal || vertical).then_some(Flip { horizontal, vertical })
}

pub(super) fn crop(object: &table::Crop) -> Result<Crop, RequestError> {
    let invalid = |message: &str| Err(RequestError::Invalid(message.to_owned()));
    let gravity = object.gravity.unwrap_or_default();
    if object.mode == Some(CropMode::Face) {
        return Ok(Crop::Face { padding: object.padding.unwrap_or(FACE_PADDING_PERCENT) });
    }
    if object.mode == Some(CropMode::Ratio) {
        return match object.ratio {
            Some(ratio) => Ok(Crop::Ratio { ratio, gravity }),
            None => invalid("crop.ratio is required when crop.mode is ratio"),
        };
    }
    let Some((width, height)) = object.width.zip(object.height) else {
        return invalid("crop.width and crop.height are required when crop.mode is rect");
    };
    let at = match (object.x, object.y) {
        (None, None) => CropAt::Gravity(gravity),
        (Some(_), Some(_)) if object.gravity.is_some() => {
            return invalid("crop.gravity cannot be combined with crop.x and crop.y");
        }
        (Some(x), Some(y)) => CropAt::Point { x, y },
        _ => return invalid("crop.x and crop.y are needed together"),
    };
    Ok(Crop::Rect { width, height, at })
}

pub(super) fn resize(object: &table::Resize) -> Result<Resize, RequestError> {
    let mode = object.mode.unwrap_or_default();
    if object.width.is_none() && object.height.is_none() {
        return Err(RequestError::Invalid("resize needs resize.width or resize.height".to_owned()));
    }
    let name_of_mode_with_both_sides = match mode {
        ResizeMode::Fit => Some("fit"),
        ResizeMode::Exact => Some("exact"),
        ResizeMode::Fill => Some("fill"),
        ResizeMode::Auto | ResizeMode::Portrait | ResizeMode::Landscape => None,
    };
    if let Some(name) = name_of_mode_with_both_sides
        && (object.width.is_none() || object.height.is_none())
    {
        let message = format!("resize.width and resize.height are both required when resize.mode is {name}");
        return Err(RequestError::Invalid(message));
    }
    // Of the modes of `resize`, only `fit` cuts off a part of the image, so the gravity has no effect in the
    // other modes. In these modes a gravity of `face` or `faces` is dropped, because it would cause a
    // needless search for faces.
    let gravity = object.gravity.filter(|_| mode == ResizeMode::Fit || !is_face(object.gravity));
    Ok(Resize {
        mode,
        width: object.width,
        height: object.height,
        gravity: gravity.unwrap_or_default(),
        upscale: object.upscale.unwrap_or(true),
        background: object.background,
        kernel: object.filter.unwrap_or_default(),
        light: object.light.unwrap_or_default(),
    })
}

fn is_face(gravity: Option<Gravity>) -> bool {
    matches!(gravity, Some(Gravity::Face | Gravity::Faces))
}

pub(super) fn scale(object: &table::Scale) -> Result<Option<Scale>, RequestError> {
    let Some(size) = object.size else {
        return Err(RequestError::Invalid("scale.size is required".to_owned()));
    };
    let scale = Scale { size, ratio: object.ratio.unwrap_or(1.0) };
    Ok((scale != Scale { size: 1.0, ratio: 1.0 }).then_some(scale))
}

pub(super) fn padding(object: &table::Padding) -> Option<Padding> {
    let side = |side: Option<u32>| side.or(object.size).unwrap_or(0);
    let padding = Padding {
        top: side(object.top),
        right: side(object.right),
        bottom: side(object.bottom),
        left: side(object.left),
        background: object.background,
    };
    let Padding { top, right, bottom, left, background: _ } = padding;
    [top, right, bottom, left].iter().any(|&side| side > 0).then_some(padding)
}
