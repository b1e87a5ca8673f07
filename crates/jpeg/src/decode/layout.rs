//! Sizes: how many blocks a frame has, how many pixels are made of each, and what is missing to the size of the output.

use super::Scale;
use super::markers::Frame;

/// The sides that a block can be given.
const SIDES: [usize; 7] = [8, 6, 5, 4, 3, 2, 1];

/// How samples become as many as pixels, along one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stretch {
    /// There are as many already.
    None,
    /// Twice as many, by the triangle filter of the common libraries.
    Double,
    /// Any other ratio, by repetition: this many pixels for this many samples.
    Ratio(usize, usize),
}

/// Sizes of one component. Blocks count at full size, samples are those of the reduced picture.
#[derive(Debug, Clone)]
pub(super) struct Laid {
    /// Blocks of an MCU side by side and on top of each other.
    pub(super) horizontal: usize,
    pub(super) vertical: usize,
    /// Samples made of a block.
    pub(super) side_x: usize,
    pub(super) side_y: usize,
    /// Blocks that hold something of the picture.
    pub(super) blocks_wide: usize,
    pub(super) blocks_high: usize,
    /// Samples that belong to the picture.
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) stretch_x: Stretch,
    pub(super) stretch_y: Stretch,
}

/// Sizes of everything.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// The reduced picture in pixels.
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) mcus_wide: usize,
    pub(super) mcus_high: usize,
    pub(super) components: Vec<Laid>,
}

/// One axis of a component.
struct Axis {
    side: usize,
    n_blocks: usize,
    n_samples: usize,
    stretch: Stretch,
}

impl Layout {
    pub(super) fn new(frame: &Frame, scale: Scale) -> Self {
        let (width, height) = scale.of(frame.width, frame.height);
        // With a single component factors mean nothing (T.81 A.2.2): an MCU is a block.
        let single = frame.components.len() == 1;
        let factors = |c: &super::Component| {
            if single { (1, 1) } else { (usize::from(c.horizontal), usize::from(c.vertical)) }
        };
        let most = |of: fn((usize, usize)) -> usize| frame.components.iter().map(|c| of(factors(c))).max();
        let (h_max, v_max) = (most(|(h, _)| h).unwrap_or(1), most(|(_, v)| v).unwrap_or(1));
        let (full_width, full_height) = (frame.width as usize, frame.height as usize);
        let laid = frame.components.iter().map(|component| {
            let (horizontal, vertical) = factors(component);
            let x = axis(full_width, horizontal, h_max, scale.eighths());
            let y = axis(full_height, vertical, v_max, scale.eighths());
            Laid {
                horizontal,
                vertical,
                side_x: x.side,
                side_y: y.side,
                blocks_wide: x.n_blocks,
                blocks_high: y.n_blocks,
                width: x.n_samples,
                height: y.n_samples,
                stretch_x: x.stretch,
                stretch_y: y.stretch,
            }
        });
        Self {
            width: width as usize,
            height: height as usize,
            mcus_wide: full_width.div_ceil(8 * h_max),
            mcus_high: full_height.div_ceil(8 * v_max),
            components: laid.collect(),
        }
    }
}

/// Blocks are made as large as they may be without being larger than needed: coarse chroma keeps its detail in a
/// reduced picture, and need not be stretched.
fn axis(full: usize, factor: usize, most: usize, eighths: usize) -> Axis {
    let wanted = eighths * most;
    let side = SIDES.into_iter().find(|side| wanted.is_multiple_of(side * factor)).unwrap_or(eighths);
    let made = side * factor;
    let stretch = match (wanted / made, wanted % made) {
        (1, 0) => Stretch::None,
        (2, 0) => Stretch::Double,
        _ => Stretch::Ratio(wanted, made),
    };
    Axis {
        side,
        n_blocks: (full * factor).div_ceil(8 * most),
        n_samples: (full * factor * side).div_ceil(8 * most),
        stretch,
    }
}
