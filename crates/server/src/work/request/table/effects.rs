//! Declares the operations that change colours or cover pixels: `auto`, `adjust`, `filter`, `mask` and
//! `border`.

use pixaven_imaging::plan::Color;

use super::effect_amount::EffectAmount;
use super::{object, object_schema};
use crate::work::request::value_types::{Boolean, Choice, HexColor, Integer, Number};

object_schema! {
    /// Corrects the image by means of the image's own data: its histogram and its EXIF orientation.
    Auto {
        enhance: bool = Boolean, "false", "improves levels, contrast and saturation by means of the histogram";
        orient: bool = Boolean, "true", "turns the image upright by its EXIF orientation";
    }
}

const PERCENT: Number = Number(-100.0, 100.0);

object_schema! {
    /// Changes tone and colour. The value 0 leaves every pixel as it is.
    Adjust {
        unsharp: f64 = Number(0.0, 100.0), "0", "sharper";
        brightness: f64 = PERCENT, "0", "darker (below 0) or brighter";
        contrast: f64 = PERCENT, "0", "less or more difference between dark and bright";
        saturation: f64 = PERCENT, "0", "paler or more colourful";
        vibrance: f64 = PERCENT, "0", "like `saturation`, but pale colours change more than strong ones";
        exposure: f64 = PERCENT, "0", "less or more light";
        gamma: f64 = PERCENT, "0", "darker or brighter middle tones";
        hue: f64 = Number(-180.0, 180.0), "0", "turns the colour wheel, in degrees";
        temperature: f64 = PERCENT, "0", "cooler or warmer";
        tint: f64 = PERCENT, "0", "greener or more magenta";
        highlights: f64 = PERCENT, "0", "darkens or brightens the bright parts";
        shadows: f64 = PERCENT, "0", "darkens or brightens the dark parts";
    }
}

/// The amount of an effect that has its full strength by default.
const STRENGTH: EffectAmount = EffectAmount { default: Some(100.0) };

object_schema! {
    /// Applies effects. Several effects are applied in the order of this table.
    Filter {
        blur: Blur = object::<Blur>(), "", "blurs the image";
        pixelate: Option<f64> = EffectAmount { default: None }, "", "squares of one colour; the value is their side in pixels";
        sepia: Option<f64> = STRENGTH, "", "the brown of old photographs";
        mono: Option<f64> = STRENGTH, "", "shades of gray";
        invert: Option<f64> = STRENGTH, "", "the negative of the image; below 100 only bright tones are reversed";
        vignette: Option<f64> = STRENGTH, "", "dark corners";
        posterize: Option<f64> = STRENGTH, "", "few tones";
        duotone: Duotone = object::<Duotone>(), "", "shades between two colours";
        noise: Option<f64> = STRENGTH, "", "random grain, strongest in the middle tones";
        emboss: Option<f64> = STRENGTH, "", "a relief";
        edges: Option<f64> = STRENGTH, "", "outlines";
    }
}

/// The function that weights neighbouring pixels in a blur.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::work::request) enum BlurMode {
    Gaussian,
    Box,
    Motion,
}
const BLUR_MODE: Choice<BlurMode> = Choice {
    keywords: &[("gaussian", BlurMode::Gaussian), ("box", BlurMode::Box), ("motion", BlurMode::Motion)],
    unsupported: &[],
};

object_schema! {
    /// Blurs the image.
    Blur {
        mode: BlurMode = BLUR_MODE, "gaussian", "how neighbouring pixels are weighted";
        value: f64 = Number(1.0, 100.0), "", "radius in pixels; required";
        angle: f64 = Number(0.0, 360.0), "0", "`motion`: direction in degrees, counter-clockwise from the right";
    }
}

object_schema! {
    /// Replaces the colours of the image with shades between two colours, by luma.
    Duotone {
        shadows: Color = HexColor, "", "the colour that replaces black; required";
        highlights: Color = HexColor, "", "the colour that replaces white; required";
    }
}

/// The shape of a mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::work::request) enum MaskShape {
    Ellipse,
    Rounded,
}
const MASK_SHAPE: Choice<MaskShape> = Choice {
    keywords: &[("ellipse", MaskShape::Ellipse), ("rounded", MaskShape::Rounded)],
    unsupported: &[],
};

/// The largest radius of a corner: half of the longest side that `resize` accepts.
const MAX_RADIUS_PX: u32 = 10_000;

object_schema! {
    /// Cuts the image to a shape that touches its edges.
    Mask {
        shape: MaskShape = MASK_SHAPE, "", "the shape; required";
        radius: u32 = Integer(0_u32, MAX_RADIUS_PX), "", "`rounded`: radius of the corners in pixels; required";
        background: Color = HexColor, "", "colour outside of the shape; without it transparent if the output format has alpha, else white";
    }
}

object_schema! {
    /// Draws a frame inside the image's bounds. The size of the image does not change.
    Border {
        size: u32 = Integer(0_u32, 1_000), "0", "thickness in pixels";
        color: Color = HexColor, "000", "colour of the frame";
        radius: u32 = Integer(0_u32, MAX_RADIUS_PX), "0", "radius of the corners in pixels";
        background: Color = HexColor, "", "colour outside of the corners; without it transparent if the output format has alpha, else white";
    }
}
