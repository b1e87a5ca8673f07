//! Builds the parts of the plan for the operations that change colours or cover pixels: `adjust`, `filter`,
//! `mask` and `border`. Each function checks the rules between the attributes of one operation and returns
//! the part of the plan for this operation.

use pixaven_imaging::plan::{Adjust, Blur, Border, Color, Duotone, Filter, Mask, Shape};

use crate::work::request::RequestError;
use crate::work::request::table::{self, BlurMode, MaskShape};

/// Converts the amount of an effect to single precision, in which plans store amounts. The bounds of the
/// accepted ranges convert without rounding.
fn single_precision(number: f64) -> f32 {
    number as f32
}

pub(super) fn adjust(object: &table::Adjust) -> Option<Adjust> {
    let amount = |value: Option<f64>| single_precision(value.unwrap_or(0.0));
    let adjust = Adjust {
        unsharp: amount(object.unsharp),
        brightness: amount(object.brightness),
        contrast: amount(object.contrast),
        saturation: amount(object.saturation),
        vibrance: amount(object.vibrance),
        exposure: amount(object.exposure),
        gamma: amount(object.gamma),
        hue: amount(object.hue),
        temperature: amount(object.temperature),
        tint: amount(object.tint),
        highlights: amount(object.highlights),
        shadows: amount(object.shadows),
    };
    (adjust != Adjust::default()).then_some(adjust)
}

pub(super) fn filter(object: &table::Filter) -> Result<Option<Filter>, RequestError> {
    let amount = |amount: Option<Option<f64>>| amount.flatten().map(single_precision);
    let filter = Filter {
        blur: object.blur.as_ref().map(blur).transpose()?,
        pixelate: amount(object.pixelate),
        sepia: amount(object.sepia),
        mono: amount(object.mono),
        invert: amount(object.invert),
        vignette: amount(object.vignette),
        posterize: amount(object.posterize),
        duotone: object.duotone.as_ref().map(duotone).transpose()?,
        noise: amount(object.noise),
        emboss: amount(object.emboss),
        edges: amount(object.edges),
    };
    Ok((filter != Filter::default()).then_some(filter))
}

fn blur(object: &table::Blur) -> Result<Blur, RequestError> {
    let Some(radius) = object.value.map(single_precision) else {
        return Err(RequestError::Invalid("filter.blur.value is required".to_owned()));
    };
    Ok(match object.mode.unwrap_or(BlurMode::Gaussian) {
        BlurMode::Gaussian => Blur::Gaussian { radius },
        BlurMode::Box => Blur::Box { radius },
        BlurMode::Motion => Blur::Motion { radius, angle: single_precision(object.angle.unwrap_or(0.0)) },
    })
}

fn duotone(object: &table::Duotone) -> Result<Duotone, RequestError> {
    match (object.shadows, object.highlights) {
        (Some(shadows), Some(highlights)) => Ok(Duotone { shadows, highlights }),
        _ => Err(RequestError::Invalid(
            "filter.duotone.shadows and filter.duotone.highlights are both required".to_owned(),
        )),
    }
}

pub(super) fn mask(object: &table::Mask) -> Result<Mask, RequestError> {
    let shape = match (object.shape, object.radius) {
        (None, _) => return Err(RequestError::Invalid("mask.shape is required".to_owned())),
        (Some(MaskShape::Ellipse), _) => Shape::Ellipse,
        (Some(MaskShape::Rounded), Some(radius)) => Shape::Rounded { radius },
        (Some(MaskShape::Rounded), None) => {
            return Err(RequestError::Invalid(
                "mask.radius is required when mask.shape is rounded".to_owned(),
            ));
        }
    };
    Ok(Mask { shape, background: object.background })
}

pub(super) fn border(object: &table::Border) -> Option<Border> {
    let border = Border {
        size: object.size.unwrap_or(0),
        color: object.color.unwrap_or(Color::BLACK),
        radius: object.radius.unwrap_or(0),
        background: object.background,
    };
    (border.size > 0 || border.radius > 0).then_some(border)
}
