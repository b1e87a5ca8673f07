//! The global colour table of a GIF file, which has the colours of the first frame. A later frame whose
//! colours are all in the table needs no local colour table, which saves up to 768 bytes per frame.

use std::collections::HashMap;

use crate::codecs::canvas::Area;
use crate::codecs::palette::Indexed;

/// The largest number of entries of a GIF colour table.
const MAX_COLORS: usize = 256;

/// The colour of the entry for transparent pixels.
const TRANSPARENT: [u8; 4] = [0; 4];

/// A table of at least one colour, without duplicates.
pub(super) struct Table {
    colors: Vec<[u8; 4]>,
    /// The index of each colour in the table.
    indices: HashMap<[u8; 4], u8>,
}

impl Table {
    /// Creates a table of `colors`. If `is_animation` is true and the table is not full, adds a transparent
    /// entry, because later frames use this entry for unchanged pixels.
    pub(super) fn new(colors: &[[u8; 4]], is_animation: bool) -> Self {
        let mut colors = colors.to_vec();
        if is_animation && colors.len() < MAX_COLORS && !colors.contains(&TRANSPARENT) {
            colors.push(TRANSPARENT);
        }
        let indices = colors.iter().enumerate().map(|(i, &color)| (color, i as u8)).collect();
        Self { colors, indices }
    }

    /// Number of bits of an index, 1 to 8. In the file, the table has `2^depth` entries.
    pub(super) fn depth(&self) -> u8 {
        self.colors.len().next_power_of_two().trailing_zeros().max(1) as u8
    }

    /// Returns the entries in the form in which the file stores them: red, green and blue of each colour.
    pub(super) fn bytes(&self) -> Vec<u8> {
        bytes(&self.colors)
    }

    /// Compresses a frame with LZW. If the global table lacks a colour of the frame, the frame gets a local
    /// colour table.
    pub(super) fn frame(&self, indexed: &Indexed, area: Area) -> ::gif::Frame<'static> {
        let translation: Option<Vec<u8>> =
            indexed.colors.iter().map(|color| self.indices.get(color).copied()).collect();
        let transparent = indexed.colors.iter().position(|color| color[3] == 0);
        let mut frame = ::gif::Frame {
            left: area.left as u16,
            top: area.top as u16,
            width: area.width as u16,
            height: area.height as u16,
            ..::gif::Frame::default()
        };
        match translation {
            Some(translation) => {
                let indices = indexed.indices.iter().map(|&index| translation[usize::from(index)]);
                frame.buffer = indices.collect::<Vec<u8>>().into();
                frame.transparent = transparent.map(|index| translation[index]);
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
