//! The colour table of a GIF file: that of the first frame. A later frame whose colours are all in it needs none of its
//! own, which saves up to 768 bytes each.

use std::collections::HashMap;

use crate::codecs::canvas::Area;
use crate::codecs::palette::Indexed;

/// Entries a table has at most.
const MAX_COLORS: usize = 256;

/// Stands for a pixel that is left open.
const TRANSPARENT: [u8; 4] = [0; 4];

/// At least one colour, each once.
pub(super) struct Table {
    colors: Vec<[u8; 4]>,
    numbers: HashMap<[u8; 4], u8>,
}

impl Table {
    /// A table of these colours. `for_more`: frames will follow, which leave open what did not change.
    pub(super) fn new(colors: &[[u8; 4]], for_more: bool) -> Self {
        let mut colors = colors.to_vec();
        if for_more && colors.len() < MAX_COLORS && !colors.contains(&TRANSPARENT) {
            colors.push(TRANSPARENT);
        }
        let numbers = colors.iter().enumerate().map(|(i, &color)| (color, i as u8)).collect();
        Self { colors, numbers }
    }

    /// Bits of an index. A table has 2, 4, … 256 entries.
    pub(super) fn depth(&self) -> u8 {
        self.colors.len().next_power_of_two().trailing_zeros().max(1) as u8
    }

    /// The entries as the file has them.
    pub(super) fn bytes(&self) -> Vec<u8> {
        bytes(&self.colors)
    }

    /// A compressed frame, with a table of its own if it needs one.
    pub(super) fn frame(&self, indexed: &Indexed, area: Area) -> ::gif::Frame<'static> {
        let places: Option<Vec<u8>> =
            indexed.colors.iter().map(|color| self.numbers.get(color).copied()).collect();
        let transparent = indexed.colors.iter().position(|color| color[3] == 0);
        let mut frame = ::gif::Frame {
            left: area.left as u16,
            top: area.top as u16,
            width: area.width as u16,
            height: area.height as u16,
            ..::gif::Frame::default()
        };
        match places {
            Some(places) => {
                let moved = indexed.indices.iter().map(|&index| places[usize::from(index)]);
                frame.buffer = moved.collect::<Vec<u8>>().into();
                frame.transparent = transparent.map(|index| places[index]);
            }
            None => {
                frame.buffer = indexed.indices.clone().into();
                frame.transparent = transparent.map(|index| index as u8);
                frame.palette = Some(bytes(&indexed.colors));
            }
        }
        frame.make_lzw_pre_encoded();
        frame
    }
}

fn bytes(colors: &[[u8; 4]]) -> Vec<u8> {
    colors.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect()
}
