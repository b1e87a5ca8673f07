//! `adjust`, `filter`, `mask`, `border`: rules between their attributes, and their part of the plan. What changes
//! nothing is not in the plan.

use pixaven_imaging::plan::{Adjust, Blur, Border, Color, Duotone, Filter, Mask, Shape};

use super::Problem;
use super::table::{self, BlurMode, MaskShape};

/// Plans hold single precision; the ranges of the table are exact in it.
fn single(number: f64) -> f32 {
    number as f32
}

pub(super) fn adjust(hash: &table::Adjust) -> Option<Adjust> {
    let of = |value: Option<f64>| single(value.unwrap_or(0.0));
    let adjust = Adjust {
        unsharp: of(hash.unsharp),
        brightness: of(hash.brightness),
        contrast: of(hash.contrast),
        saturation: of(hash.saturation),
        vibrance: of(hash.vibrance),
        exposure: of(hash.exposure),
        gamma: of(hash.gamma),
        hue: of(hash.hue),
        temperature: of(hash.temperature),
        tint: of(hash.tint),
        highlights: of(hash.highlights),
        shadows: of(hash.shadows),
    };
    (adjust != Adjust::default()).then_some(adjust)
}

pub(super) fn filter(hash: &table::Filter) -> Result<Option<Filter>, Problem> {
    let of = |strength: Option<Option<f64>>| strength.flatten().map(single);
    let filter = Filter {
        blur: hash.blur.as_ref().map(blur).transpose()?,
        pixelate: of(hash.pixelate),
        sepia: of(hash.sepia),
        mono: of(hash.mono),
        invert: of(hash.invert),
        vignette: of(hash.vignette),
        posterize: of(hash.posterize),
        duotone: hash.duotone.as_ref().map(duotone).transpose()?,
        noise: of(hash.noise),
        emboss: of(hash.emboss),
        edges: of(hash.edges),
    };
    Ok((filter != Filter::default()).then_some(filter))
}

fn blur(hash: &table::Blur) -> Result<Blur, Problem> {
    let Some(radius) = hash.value.map(single) else {
        return Err(Problem::Invalid("filter.blur.value is required".to_owned()));
    };
    Ok(match hash.mode.unwrap_or(BlurMode::Gaussian) {
        BlurMode::Gaussian => Blur::Gaussian { radius },
        BlurMode::Box => Blur::Box { radius },
        BlurMode::Motion => Blur::Motion { radius, angle: single(hash.angle.unwrap_or(0.0)) },
    })
}

fn duotone(hash: &table::Duotone) -> Result<Duotone, Problem> {
    match (hash.shadows, hash.highlights) {
        (Some(shadows), Some(highlights)) => Ok(Duotone { shadows, highlights }),
        _ => Err(Problem::Invalid(
            "filter.duotone.shadows and filter.duotone.highlights are both required".to_owned(),
        )),
    }
}

pub(super) fn mask(hash: &table::Mask) -> Result<Mask, Problem> {
    let shape = match (hash.shape, hash.radius) {
        (None, _) => return Err(Problem::Invalid("mask.shape is required".to_owned())),
        (Some(MaskShape::Ellipse), _) => Shape::Ellipse,
        (Some(MaskShape::Rounded), Some(radius)) => Shape::Rounded { radius },
        (Some(MaskShape::Rounded), None) => {
            return Err(Problem::Invalid("mask.radius is required when mask.shape is rounded".to_owned()));
        }
    };
    Ok(Mask { shape, background: hash.background })
}

pub(super) fn border(hash: &table::Border) -> Option<Border> {
    let border = Border {
        size: hash.size.unwrap_or(0),
        color: hash.color.unwrap_or(Color::BLACK),
        radius: hash.radius.unwrap_or(0),
        background: hash.background,
    };
    (border.size > 0 || border.radius > 0).then_some(border)
}
