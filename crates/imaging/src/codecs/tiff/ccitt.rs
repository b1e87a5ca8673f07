//! Decodes the CCITT codings of black-and-white pictures: modified Huffman, Group 3 in one and two
//! dimensions, and Group 4 (ITU-T T.4 and T.6). The `fax` crate has the code tables. This module decides
//! which code comes next. The module tolerates missing and additional optional codes, because scanners and
//! old programs write such data.

use fax::maps::{Mode, black, mode, white};
use fax::{BitReader, Color};

use super::page::Compression;

/// The bit of the tag T4Options that allows two-dimensional coding of rows.
const TWO_DIMENSIONS: u64 = 1;

/// Reads bits, the highest bit of a byte first. After the end of the data, the reader returns zeros, which
/// are not a valid code.
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
    /// Whether all bits of the data were read.
    fn is_at_end(&self) -> bool {
        self.at >= self.data.len() * 8
    }

    /// If an end-of-line code comes next, skips it. The code is at least eleven zeros, including fill bits,
    /// then a one.
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

    /// Decodes the length of a run of one colour. A length can consist of several codes, which are added up.
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

/// Decodes up to `n_rows` rows of `width` pixels into packed bits, where 1 is black. The result has fewer
/// rows if the data end early. If a row contains an invalid code, the pixels before this code are kept.
pub(super) fn decode(
    data: &[u8],
    compression: Compression,
    options: u64,
    width: usize,
    n_rows: usize,
) -> Vec<u8> {
    let mut bits = Bits { data, at: 0 };
    let mut rows = Vec::new();
    // Each row is represented by the list of columns at which the colour changes. A row begins with white,
    // and its last change is at the column `width`.
    let (mut above, mut row) = (vec![width], Vec::new());
    for _ in 0..n_rows {
        row.clear();
        let is_complete = match compression {
            Compression::CcittGroup4 => two_dimensions(&mut bits, &above, &mut row, width),
            Compression::CcittGroup3 => group3(&mut bits, options, &above, &mut row, width),
            _ => {
                let is_complete = one_dimension(&mut bits, &mut row, width);
                let boundary = if compression == Compression::CcittRleWords { 16 } else { 8 };
                bits.at = bits.at.next_multiple_of(boundary);
                is_complete
            }
        };
        if row.is_empty() && (compression != Compression::CcittGroup3 || bits.is_at_end()) {
            break;
        }
        paint(&row, width, &mut rows);
        if !is_complete && compression == Compression::CcittGroup4 {
            // Decoding ends at an incomplete row. In Group 4, a row is coded by its difference from the row
            // above, so the rows below an incomplete row cannot be decoded.
            break;
        }
        std::mem::swap(&mut above, &mut row);
    }
    rows
}

/// Converts the row to packed bits and appends the bits to `rows`.
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

/// Decodes a row of Group 3 coding. Returns whether the row is complete.
fn group3(bits: &mut Bits<'_>, options: u64, above: &[usize], row: &mut Vec<usize>, width: usize) -> bool {
    let ended = bits.skip_end_of_line();
    let mut is_one_dimensional = true;
    if options & TWO_DIMENSIONS != 0 && ended {
        is_one_dimensional = bits.peek(1) == Some(1);
        bits.at += 1;
    }
    let is_complete = if is_one_dimensional {
        one_dimension(bits, row, width)
    } else {
        two_dimensions(bits, above, row, width)
    };
    if !is_complete {
        // Skips to the next end-of-line code, after which decoding can continue.
        while !bits.is_at_end() && bits.peek(11) != Some(0) {
            bits.at += 1;
        }
    }
    is_complete
}

/// Decodes a row that is coded as runs, alternately white and black. Returns whether the row is complete.
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

/// Decodes a row that is coded by its difference from the row above. Returns whether the row is complete.
fn two_dimensions(bits: &mut Bits<'_>, above: &[usize], row: &mut Vec<usize>, width: usize) -> bool {
    let (mut x, mut color) = (0usize, Color::White);
    let mut at_start = true;
    // The index in `above` of b1, the reference change that T.6, 2.2.1 defines. After each code, b1 can move
    // to the left by a few changes, so each search begins a few changes before the index that was found last.
    let mut index = 0usize;
    while x < width {
        let white = color == Color::White;
        // Finds the reference changes b1 and b2 (T.6, 2.2.1). b1 is the first change in the row above that is
        // to the right of `x` and has the opposite colour. b2 is the change after b1.
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
