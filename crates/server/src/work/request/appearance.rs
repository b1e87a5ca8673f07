//! `adjust`, `filter`, `mask`, `border`: rules between their attributes, and their part of the plan. What changes
//! nothing is not in the plan.

use pixaven_imaging::plan::{Adjust, Blur, Border, Color, Duotone, Filter, Mask, Shape};

use super::RequestError;
use super::table::{self, BlurMode, MaskShape};

/// Plans hold single precision; the ranges of the table are exact in it.
fn single(number: f64) -> f32 {
    number as f32
}

pub(super) fn adjust(fields: &table::Adjust) -> Option<Adjust> {
    let of = |value: Option<f64>| single(value.unwrap_or(0.0));
    let adjust = Adjust {
        unsharp: of(fields.unsharp),
        brightness: of(fields.brightness),
        contrast: of(fields.contrast),
        saturation: of(fields.saturation),
        vibrance: of(fields.vibrance),
        exposure: of(fields.exposure),
        gamma: of(fields.gamma),
        hue: of(fields.hue),
        temperature: of(fields.temperature),
        tint: of(fields.tint),
        highlights: of(fields.highlights),
        shadows: of(fields.shadows),
    };
    (adjust != Adjust::default()).then_some(adjust)
}

pub(super) fn filter(fields: &table::Filter) -> Result<Option<Filter>, RequestError> {
    let of = |strength: Option<Option<f64>>| strength.flatten().map(single);
    let filter = Filter {
        blur: fields.blur.as_ref().map(blur).transpose()?,
        pixelate: of(fields.pixelate),
        sepia: of(fields.sepia),
        mono: of(fields.mono),
        invert: of(fields.invert),
        vignette: of(fields.vignette),
        posterize: of(fields.posterize),
        duotone: fields.duotone.as_ref().map(duotone).transpose()?,
        noise: of(fields.noise),
        emboss: of(fields.emboss),
        edges: of(fields.edges),
    };
    Ok((filter != Filter::default()).then_some(filter))
}

fn blur(fields: &table::Blur) -> Result<Blur, RequestError> {
    let Some(radius) = fields.value.map(single) else {
        return Err(RequestError::Invalid("filter.blur.value is required".to_owned()));
    };
    Ok(match fields.mode.unwrap_or(BlurMode::Gaussian) {
        BlurMode::Gaussian => Blur::Gaussian { radius },
        BlurMode::Box => Blur::Box { radius },
        BlurMode::Motion => Blur::Motion { radius, angle: single(fields.angle.unwrap_or(0.0)) },
    })
}

fn duotone(fields: &table::Duotone) -> Result<Duotone, RequestError> {
    match (fields.shadows, fields.highlights) {
        (Some(shadows), Some(highlights)) => Ok(Duotone { shadows, highlights }),
        _ => Err(RequestError::Invalid(
            "filter.duotone.shadows and filter.duotone.highlights are both required".to_owned(),
        )),
    }
}

pub(super) fn mask(fields: &table::Mask) -> Result<Mask, RequestError> {
    let shape = match (fields.shape, fields.radius) {
        (None, _) => return Err(RequestError::Invalid("mask.shape is required".to_owned())),
        (Some(MaskShape::Ellipse), _) => Shape::Ellipse,
        (Some(MaskShape::Rounded), Some(radius)) => Shape::Rounded { radius },
        (Some(MaskShape::Rounded), None) => {
            return Err(RequestError::Invalid(
                "mask.radius is required when mask.shape is rounded".to_owned(),
            ));
        }
    };
    Ok(Mask { shape, background: fields.background })
}

pub(super) fn border(fields: &table::Border) -> Option<Border> {
    let border = Border {
        size: fields.size.unwrap_or(0),
        color: fields.color.unwrap_or(Color::BLACK),
        radius: fields.radius.unwrap_or(0),
        background: fields.background,
    };
    (border.size > 0 || border.radius > 0).then_some(border)
}
