//! Computes the sizes of a frame: the number of blocks, the samples per reduced block, and how many pixels
//! each sample becomes.

use super::Scale;
use super::frame::{Coding, Frame};

/// The possible widths and heights of a reduced block in samples, in descending order.
const BLOCK_SIDES: [usize; 7] = [8, 6, 5, 4, 3, 2, 1];

/// How the samples of a component are upsampled to pixels, along one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upsampling {
    /// No upsampling, because the component has one sample per pixel.
    None,
    /// Each sample becomes two pixels by the triangle filter that other JPEG libraries use.
    Double,
    /// Samples are repeated. `Ratio(n_pixels, n_samples)` means that `n_samples` samples become `n_pixels`
    /// pixels.
    Ratio(usize, usize),
}

/// The sizes of one component. Numbers of blocks refer to the image at full size; numbers of samples refer to
/// the reduced image. In a lossless frame, a block is a single sample.
#[derive(Debug, Clone)]
pub(super) struct ComponentSizes {
    /// The number of blocks of the component in one MCU, horizontally and vertically.
    pub(super) horizontal: usize,
    pub(super) vertical: usize,
    /// The width and height of a reduced block in samples.
    pub(super) block_width: usize,
    pub(super) block_height: usize,
    /// The number of blocks that contain a part of the image, horizontally and vertically.
    pub(super) blocks_wide: usize,
    pub(super) blocks_high: usize,
    /// The number of samples that belong to the image, horizontally and vertically.
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) upsampling_x: Upsampling,
    pub(super) upsampling_y: Upsampling,
}

/// The sizes of a frame and of all its components.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// The size of the reduced image in pixels.
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) mcus_wide: usize,
    pub(super) mcus_high: usize,
    /// The number of bits of a sample in the file. Decoded samples have 8 bits.
    pub(super) precision: u8,
    pub(super) components: Vec<ComponentSizes>,
}

/// The sizes of one component along one axis, horizontal or vertical.
struct Axis {
    block_side: usize,
    n_blocks: usize,
    n_samples: usize,
    upsampling: Upsampling,
}

impl Layout {
    pub(super) fn new(frame: &Frame, scale: Scale) -> Self {
        let (width, height) = scale.of(frame.width, frame.height);
        // If a frame has a single component, its sampling factors have no effect (T.81 A.2.2): an MCU is one
        // block.
        let single = frame.components.len() == 1;
        let factors = |c: &super::Component| {
            if single { (1, 1) } else { (usize::from(c.horizontal), usize::from(c.vertical)) }
        };
        let max_factor =
            |pick: fn((usize, usize)) -> usize| frame.components.iter().map(|c| pick(factors(c))).max();
        let (h_max, v_max) = (max_factor(|(h, _)| h).unwrap_or(1), max_factor(|(_, v)| v).unwrap_or(1));
        let (full_width, full_height) = (frame.width as usize, frame.height as usize);
        let unit = if frame.coding == Coding::Lossless { 1 } else { 8 };
        let components = frame.components.iter().map(|component| {
            let (horizontal, vertical) = factors(component);
            let x = axis(full_width, horizontal, h_max, unit, scale);
            let y = axis(full_height, vertical, v_max, unit, scale);
            // Other JPEG libraries repeat the samples of a component that is at most two samples wide.
            let is_repeated = x.upsampling == Upsampling::Double && x.n_samples <= 2;
            let upsampling = |axis: &Axis| match axis.upsampling {
                Upsampling::Double if is_repeated => Upsampling::Ratio(2, 1),
                other => other,
            };
            ComponentSizes {
                horizontal,
                vertical,
                block_width: x.block_side,
                block_height: y.block_side,
                blocks_wide: x.n_blocks,
                blocks_high: y.n_blocks,
                width: x.n_samples,
                height: y.n_samples,
                upsampling_x: upsampling(&x),
                upsampling_y: upsampling(&y),
            }
        });
        Self {
            width: width as usize,
            height: height as usize,
            mcus_wide: full_width.div_ceil(unit * h_max),
            mcus_high: full_height.div_ceil(unit * v_max),
            precision: frame.precision,
            components: components.collect(),
        }
    }
}

/// Selects the largest block side, in samples, that does not exceed the side that the output needs. A
/// subsampled chroma component then keeps its detail in a reduced image and needs no upsampling. `unit` is
/// the side of a block at full size; a block of a single sample cannot be reduced.
fn axis(full: usize, factor: usize, max_factor: usize, unit: usize, scale: Scale) -> Axis {
    let needed = scale.eighths() * max_factor;
    let reduced_side =
        || BLOCK_SIDES.into_iter().find(|block_side| needed.is_multiple_of(block_side * factor));
    let eighths = if unit == 1 { 8 } else { reduced_side().unwrap_or(scale.eighths()) };
    let available = eighths * factor;
    let upsampling = match (needed / available, needed % available) {
        (1, 0) => Upsampling::None,
        (2, 0) => Upsampling::Double,
        _ => Upsampling::Ratio(needed, available),
    };
    Axis {
        block_side: if unit == 1 { 1 } else { eighths },
        n_blocks: (full * factor).div_ceil(unit * max_factor),
        n_samples: (full * factor * eighths).div_ceil(8 * max_factor),
        upsampling,
    }
}
