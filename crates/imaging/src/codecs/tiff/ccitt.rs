//! CCITT coding of black and white: modified Huffman, Group 3 in one and two dimensions, Group 4 (ITU-T T.4
//! and T.6). The code tables are those of the `fax` crate; which code is due when is decided here, since
//! scanners and old programs leave out or add whatever the standards let them.

use fax::maps::{Mode, black, mode, white};
use fax::{BitReader, Color};

use super::page::Compression;

/// Bits of T4Options.
const TWO_DIMENSIONS: u64 = 1;

/// A walk over bits, the highest first; behind the end are zeros, of which there is no code.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl BitReader for Bits<'_> {
    type Error = ();

    fn peek(&self, bits: u8) -> Option<u16> {
        let byte = self.at / 8;
        if byte >= self.data.len() {
            return None;
        }
        let value =
            (0..3).fold(0u32, |value, i| value << 8 | u32::from(*self.data.get(byte + i).unwrap_or(&0)));
        Some((value << 8 << (self.at % 8) >> (32 - u32::from(bits))) as u16)
    }

    fn consume(&mut self, bits: u8) -> Result<(), ()> {
        self.at += usize::from(bits);
        Ok(())
    }

    fn bits_to_byte_boundary(&self) -> u8 {
        (self.at.next_multiple_of(8) - self.at) as u8
    }
}

impl Bits<'_> {
    fn is_at_end(&self) -> bool {
        self.at >= self.data.len() * 8
    }

    /// Skips fill and an end-of-line code, if they are next: eleven zeros or more, then a one.
    fn skip_end_of_line(&mut self) -> bool {
        if self.peek(11) != Some(0) {
            return false;
        }
        let start = self.at;
        while self.peek(1) == Some(0) {
            self.at += 1;
        }
        let found = self.peek(1) == Some(1);
        self.at = if found { self.at + 1 } else { start };
        found
    }

    fn run(&mut self, color: Color) -> Option<usize> {
        let mut sum = 0usize;
        loop {
            let part = match color {
                Color::White => white::decode(self),
                Color::Black => black::decode(self),
            }?;
            sum = sum.saturating_add(part.into());
            if part < 64 {
                return Some(sum);
            }
        }
    }
}

/// Decodes up to `n_rows` rows of `width` pixels into packed bits, 1 = black; rows that are not there are
/// left out. A row with an error ends where the error is.
pub(super) fn decode(
    data: &[u8],
    compression: Compression,
    options: u64,
    width: usize,
    n_rows: usize,
) -> Vec<u8> {
    let mut bits = Bits { data, at: 0 };
    let mut rows = Vec::new();
    // Where the colour changes, beginning with white; ends with the width.
    let (mut above, mut row) = (vec![width], Vec::new());
    for _ in 0..n_rows {
        row.clear();
        let whole = match compression {
            Compression::CcittGroup4 => two_dimensions(&mut bits, &above, &mut row, width),
            Compression::CcittGroup3 => group3(&mut bits, options, &above, &mut row, width),
            _ => {
                let whole = one_dimension(&mut bits, &mut row, width);
                let boundary = if compression == Compression::CcittRleWords { 16 } else { 8 };
                bits.at = bits.at.next_multiple_of(boundary);
                whole
            }
        };
        if row.is_empty() && (compression != Compression::CcittGroup3 || bits.is_at_end()) {
            break;
        }
        paint(&row, width, &mut rows);
        if !whole && compression == Compression::CcittGroup4 {
            // Without the row above, those below mean nothing.
            break;
        }
        std::mem::swap(&mut above, &mut row);
    }
    rows
}

/// Appends a row of packed bits.
fn paint(changes: &[usize], width: usize, rows: &mut Vec<u8>) {
    let start = rows.len();
    rows.resize(start + width.div_ceil(8), 0);
    let row = &mut rows[start..];
    for pair in changes.chunks(2) {
        let from = pair[0].min(width);
        let to = pair.get(1).map_or(from, |&to| to.min(width));
        for x in from..to {
            row[x / 8] |= 0x80 >> (x % 8);
        }
    }
}

fn group3(bits: &mut Bits<'_>, options: u64, above: &[usize], row: &mut Vec<usize>, width: usize) -> bool {
    let ended = bits.skip_end_of_line();
    let mut flat = true;
    if options & TWO_DIMENSIONS != 0 && ended {
        flat = bits.peek(1) == Some(1);
        bits.at += 1;
    }
    let whole = if flat { one_dimension(bits, row, width) } else { two_dimensions(bits, above, row, width) };
    if !whole {
        // The next end-of-line code is where both sides agree again.
        while !bits.is_at_end() && bits.peek(11) != Some(0) {
            bits.at += 1;
        }
    }
    whole
}

/// A row of runs, white and black in turn; whether it is whole.
fn one_dimension(bits: &mut Bits<'_>, row: &mut Vec<usize>, width: usize) -> bool {
    let (mut x, mut color) = (0, Color::White);
    while x < width {
        let Some(run) = bits.run(color) else { return false };
        x += run;
        row.push(x.min(width));
        color = !color;
    }
    true
}

/// A row told by its differences from the row above; whether it is whole.
fn two_dimensions(bits: &mut Bits<'_>, above: &[usize], row: &mut Vec<usize>, width: usize) -> bool {
    let (mut x, mut color) = (0usize, Color::White);
    let mut at_start = true;
    // Changes of the row above that are to the left of `x` are never needed again, except the last few.
    let mut index = 0usize;
    while x < width {
        let white = color == Color::White;
        // The first change above that is to the right and of the opposite colour: T.6, 2.2.1, b1 and b2.
        index = index.saturating_sub(4);
        while above.get(index).is_some_and(|&b| {
            let left = if at_start { false } else { b <= x };
            left || index.is_multiple_of(2) != white
        }) {
            index += 1;
        }
        let change = |i: usize| above.get(i).map_or(width, |&b| b.min(width));
        let (b1, b2) = (change(index), change(index + 1));
        match mode::decode(bits) {
            Some(Mode::Pass) => {
                x = b2;
            }
            Some(Mode::Vertical(by)) => {
                let to = b1 as isize + isize::from(by);
                if to < x as isize {
                    return false;
                }
                x = (to as usize).min(width);
                row.push(x);
                color = !color;
            }
            Some(Mode::Horizontal) => {
                for _ in 0..2 {
                    let Some(run) = bits.run(color) else { return false };
                    x = x.saturating_add(run).min(width);
                    row.push(x);
                    color = !color;
                }
            }
            _ => return false,
        }
        at_start = false;
    }
    true
}
