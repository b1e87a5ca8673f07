//! The components of a JPEG frame: their meaning (gray, RGB, YCbCr or inks) and their subsampling.

use pixaven_jpeg::{Coding, Component, Frame};

/// The meaning of the first three components of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transform {
    /// The components are gray, RGB or inks, and need no colour transform.
    None,
    /// The components are luma and chroma (YCbCr).
    YCbCr,
}

/// Determines the meaning of the components by the same rules as the IJG library. A JFIF marker means YCbCr.
/// An Adobe marker states the colour transform. If the file has neither marker, the identifiers of the
/// components decide. A lossless file without a marker is RGB, because a colour transform loses information.
pub(super) fn transform(frame: &Frame, jfif: bool, adobe: Option<u8>) -> Transform {
    let is_lossless = frame.coding == Coding::Lossless;
    match (frame.components.len(), adobe) {
        (3, _) if jfif => Transform::YCbCr,
        (3, Some(0)) => Transform::None,
        (3, Some(_)) => Transform::YCbCr,
        (3, None) if is_lossless || frame.components.iter().map(|c| c.id).eq(*b"RGB") => Transform::None,
        (3, None) => Transform::YCbCr,
        (4, Some(transform)) if transform != 0 => Transform::YCbCr,
        _ => Transform::None,
    }
}

/// The chroma subsampling in the usual notation, e.g. `4:2:0`, from the sampling factors of the first two
/// components. If the usual notation has no name for the factors, the result lists them, e.g. `2x2,1x2`.
pub(super) fn sampling(components: &[Component]) -> String {
    let (luma, chroma) = (components[0], components[1]);
    let same = |c: &Component| c.horizontal == chroma.horizontal && c.vertical == chroma.vertical;
    let usual = components[1..].iter().take(2).all(same)
        && luma.horizontal.is_multiple_of(chroma.horizontal)
        && luma.vertical.is_multiple_of(chroma.vertical);
    let ratio = (luma.horizontal / chroma.horizontal, luma.vertical / chroma.vertical);
    match ratio {
        (1, 1) if usual => "4:4:4".to_owned(),
        (2, 1) if usual => "4:2:2".to_owned(),
        (1, 2) if usual => "4:4:0".to_owned(),
        (2, 2) if usual => "4:2:0".to_owned(),
        (4, 1) if usual => "4:1:1".to_owned(),
        (4, 2) if usual => "4:1:0".to_owned(),
        _ => {
            let factors: Vec<String> =
                components.iter().map(|c| format!("{}x{}", c.horizontal, c.vertical)).collect();
            factors.join(",")
        }
    }
}
