//! Decoding: what is offered, and the way to the frame header. What follows it is the business of `run`, what happens in
//! a scan that of `sequential` and `progressive`.

mod bits;
mod huffman;
mod idct;
mod layout;
mod markers;
mod paint;
mod progressive;
mod restart;
mod run;
mod samples;
mod sequential;

pub use self::markers::{Coding, Component, Frame};
pub use self::paint::Colour;

use self::layout::Layout;
use self::markers::Tables;
use self::paint::Painter;
use self::run::{Gathered, Run};
use crate::Error;

/// How small a picture is made: to so many eighths of its size, rounded up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scale(usize);

impl Scale {
    /// The size as it is.
    pub const FULL: Self = Self(8);

    /// All of them, the smallest first.
    pub const ALL: [Self; 7] = [Self(1), Self(2), Self(3), Self(4), Self(5), Self(6), Self(8)];

    /// The smallest at which a picture of the size `full` is at least as large as `needed`, or else its full size.
    pub fn at_least(full: (u32, u32), needed: (u32, u32)) -> Self {
        let suffices = |scale: &Self| {
            let (width, height) = scale.of(full.0, full.1);
            width >= needed.0 && height >= needed.1
        };
        Self::ALL.into_iter().find(suffices).unwrap_or(Self::FULL)
    }

    /// 1–6 or 8.
    pub fn eighths(self) -> usize {
        self.0
    }

    /// The size that a picture is reduced to.
    pub fn of(self, width: u32, height: u32) -> (u32, u32) {
        let side = |side: u32| (u64::from(side) * self.0 as u64).div_ceil(8) as u32;
        (side(width), side(height))
    }
}

/// How decoding went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Whether data was missing or made no sense, so that parts of the picture are gray or wrong.
    pub damaged: bool,
}

/// A file whose frame header was read.
#[derive(Debug)]
pub struct Decoder<'a> {
    data: &'a [u8],
    /// Where the segments behind the frame header begin.
    at: usize,
    frame: Frame,
    tables: Tables,
}

impl<'a> Decoder<'a> {
    /// Reads a file up to its frame header. Allocates nothing that depends on the size of the picture.
    ///
    /// # Errors
    /// When there is no frame, or one that is not decoded here.
    pub fn new(data: &'a [u8]) -> Result<Self, Error> {
        let mut tables = Tables::new()?;
        let mut at = 0;
        while let Some((marker, end)) = markers::next_marker(data, at) {
            at = end;
            if matches!(marker, 0x01 | 0xd0..=0xd8) {
                continue;
            }
            let Some(body) = markers::body(data, end) else { break };
            at = end + 2 + body.len();
            match marker {
                0xc4 => tables.read_huffman(body)?,
                0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                    let frame = markers::read_frame(marker, body)?;
                    return Ok(Self { data, at, frame, tables });
                }
                0xdb => tables.read_quantisation(body)?,
                0xdd => tables.read_restart_interval(body),
                0xda | 0xd9 => break,
                _ => {}
            }
        }
        Err(Error::Corrupt("no frame header"))
    }

    /// What is in the frame header.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Decodes the picture, reduced by `scale`, into `pixels`: rows without padding, as many bytes per pixel as there
    /// are components. At most `max_scans` scans are read; the picture is as good as those.
    ///
    /// # Errors
    /// When there is nothing to be decoded. What goes wrong after the first scan is no error.
    ///
    /// # Panics
    /// When `pixels` has another length than [`Scale::of`] the frame's size, times the number of components.
    pub fn decode(
        self,
        scale: Scale,
        colour: Colour,
        max_scans: u32,
        pixels: &mut [u8],
    ) -> Result<Outcome, Error> {
        let layout = Layout::new(&self.frame, scale);
        let n_components = self.frame.components.len();
        assert_eq!(pixels.len(), layout.width * layout.height * n_components, "buffer and size disagree");
        let mut painter = Painter::new(&layout, colour, pixels);
        let mut run = Run {
            data: self.data,
            frame: &self.frame,
            layout: &layout,
            tables: self.tables,
            quantisation: vec![None; n_components],
            gathered: Gathered::Nothing,
            damaged: false,
        };
        let mut result = run.segments(self.at, max_scans, &mut painter);
        if matches!(run.gathered, Gathered::Nothing) {
            result = result.and(Err(Error::Corrupt("no picture data")));
            return result.map(|()| Outcome { damaged: true });
        }
        run.finish(&mut painter);
        Ok(Outcome { damaged: run.damaged || result.is_err() })
    }
}
