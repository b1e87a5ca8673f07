//! Converts an image with at most 256 colours to a colour table and indices, without loss.

use crate::{Channels, Image, Scratch};

/// An image of at most 256 colours.
#[derive(Debug)]
pub(super) struct Indexed {
    /// The colour table, which has at least one entry. An entry is red, green, blue and alpha.
    pub(super) colors: Vec<[u8; 4]>,
    /// For each pixel, the index of its colour in the colour table, in one byte.
    pub(super) indices: Vec<u8>,
}

/// The number of slots of the hash table. It is eight times the largest number of colours, so that few slots
/// are probed for each colour.
const N_SLOTS: usize = 2048;

/// The number of pixels after which the buffer of the indices grows, so that a picture with many colours uses
/// little of the buffer.
const N_AT_ONCE: usize = 1 << 14;

/// Converts an image that has at most `max_colors` (≤ 256) colours. Returns `None` for an image with more
/// colours. All transparent pixels count as one colour, because they look the same. The entries are sorted by
/// alpha: opaque entries come last.
pub(super) fn exact(image: &Image, max_colors: usize, scratch: &mut Scratch) -> Option<Indexed> {
    let mut indices = scratch.take_room(image.data().len() / image.channels().count());
    let found = match image.channels() {
        Channels::Gray => index::<1>(image, max_colors, &mut indices, |[v]| [v, v, v, 255]),
        Channels::Rgb => index::<3>(image, max_colors, &mut indices, |[r, g, b]| [r, g, b, 255]),
        Channels::Rgba => {
            index::<4>(image, max_colors, &mut indices, |pixel| if pixel[3] == 0 { [0; 4] } else { pixel })
        }
    };
    match found {
        Some(colors) => Some(sorted(&colors, indices)),
        None => {
            scratch.give(indices);
            None
        }
    }
}

fn index<const N: usize>(
    image: &Image,
    max_colors: usize,
    indices: &mut Vec<u8>,
    color: impl Fn([u8; N]) -> [u8; 4],
) -> Option<Vec<[u8; 4]>> {
    let mut colors: Vec<[u8; 4]> = Vec::with_capacity(max_colors);
    // A slot of the hash table contains 0 if it is free, else 1 plus the index of a colour.
    let mut slots = [0u16; N_SLOTS];
    let mut last: Option<([u8; N], u8)> = None;
    for pixels in image.data().as_chunks::<N>().0.chunks(N_AT_ONCE) {
        let first = indices.len();
        indices.resize(first + pixels.len(), 0);
        for (&pixel, index) in pixels.iter().zip(&mut indices[first..]) {
            if let Some((color, number)) = last
                && color == pixel
            {
                *index = number;
                continue;
            }
            let number = find_or_add(color(pixel), max_colors, &mut colors, &mut slots)?;
            last = Some((pixel, number));
            *index = number;
        }
    }
    Some(colors)
}

/// Returns the index of a colour in the colour table. If the table does not contain the colour yet, adds it.
/// Returns `None` if the table is full.
fn find_or_add(
    color: [u8; 4],
    max_colors: usize,
    colors: &mut Vec<[u8; 4]>,
    slots: &mut [u16; N_SLOTS],
) -> Option<u8> {
    // The slot is found by Fibonacci hashing: the upper bits of the product depend on all bits of the colour.
    let mut slot = (u32::from_le_bytes(color).wrapping_mul(0x9e37_79b9) >> 21) as usize;
    loop {
        match slots[slot] {
            0 if colors.len() == max_colors => return None,
            0 => {
                colors.push(color);
                slots[slot] = colors.len() as u16;
                return Some((colors.len() - 1) as u8);
            }
            taken if colors[usize::from(taken) - 1] == color => return Some((taken - 1) as u8),
            _ => slot = (slot + 1) % N_SLOTS,
        }
    }
}

/// Sorts the colour table by alpha, then by brightness, so that the order does not depend on the positions of
/// the pixels. Transparent entries come first, because a PNG then stores fewer alpha values.
fn sorted(colors: &[[u8; 4]], mut indices: Vec<u8>) -> Indexed {
    let mut order: Vec<u8> = (0..colors.len()).map(|i| i as u8).collect();
    order.sort_by_key(|&i| {
        let [r, g, b, a] = colors[usize::from(i)];
        (a, u32::from(r) + u32::from(g) + u32::from(b), r, g, b)
    });
    let mut new_number = [0u8; 256];
    for (new, &old) in order.iter().enumerate() {
        new_number[usize::from(old)] = new as u8;
    }
    indices.iter_mut().for_each(|index| *index = new_number[usize::from(*index)]);
    Indexed { colors: order.iter().map(|&i| colors[usize::from(i)]).collect(), indices }
}
