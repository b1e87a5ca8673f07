//! Parses the frame header (T.81 B.2.2), which states the coding process, the size and the components.

use crate::Error;

/// The marker of the segment that introduces the frames of a hierarchical file.
const DHP: u8 = 0xde;

/// The marker of the frame header of JPEG-LS (ITU-T T.87), which shares the other markers with T.81.
const JPEG_LS: u8 = 0xf7;

/// How the coefficients of a frame are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// Baseline or extended sequential coding: every scan contains complete blocks.
    Sequential,
    /// Progressive coding: every scan contains some of the coefficients, or one more bit of their values.
    Progressive,
    /// Lossless coding: there are no coefficients. Every sample is stored as the difference from a value that
    /// is predicted from its neighbours.
    Lossless,
}

/// How the bits of the coefficients or differences are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntropyCoding {
    /// Huffman codes.
    Huffman,
    /// The adaptive binary arithmetic coder of T.81 annex D.
    Arithmetic,
}

/// One component of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Component {
    /// The identifier by which scan headers name the component.
    pub id: u8,
    /// Horizontal sampling factor, 1–4.
    pub horizontal: u8,
    /// Vertical sampling factor, 1–4.
    pub vertical: u8,
    /// The number of the quantisation table.
    pub table: u8,
}

/// The content of a frame header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Width in pixels, at least 1.
    pub width: u32,
    /// Height in pixels, at least 1.
    pub height: u32,
    /// What the scans contain.
    pub coding: Coding,
    /// How the bits of the scans are coded.
    pub entropy_coding: EntropyCoding,
    /// The number of bits of a sample in the file. Decoded samples have 8 bits.
    pub precision: u8,
    /// The components of the frame; there are one to four.
    pub components: Vec<Component>,
}

impl Frame {
    /// Returns whether the segment with this marker is a frame header. The segment DHP, which introduces the
    /// frames of a hierarchical file, also counts as a frame header.
    pub fn is_header(marker: u8) -> bool {
        matches!(marker, 0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf | DHP | JPEG_LS)
    }

    /// Reads a frame header: the body of the SOF segment with this marker.
    ///
    /// # Errors
    /// Returns [`Error::Unsupported`] with the name of the coding process if this crate does not implement
    /// it, and [`Error::Corrupt`] if the header is invalid.
    pub fn parse(marker: u8, body: &[u8]) -> Result<Self, Error> {
        let coding = match marker {
            0xc0 | 0xc1 | 0xc9 => Coding::Sequential,
            0xc2 | 0xca => Coding::Progressive,
            0xc3 => Coding::Lossless,
            0xcb => return Err(Error::Unsupported("lossless coding with arithmetic codes (SOF11)")),
            JPEG_LS => return Err(Error::Unsupported("JPEG-LS (SOF55)")),
            _ => return Err(Error::Unsupported("hierarchical coding")),
        };
        let entropy_coding = match marker {
            0xc9 | 0xca => EntropyCoding::Arithmetic,
            _ => EntropyCoding::Huffman,
        };
        let &[precision, h1, h0, w1, w0, n_components, ref rest @ ..] = body else {
            return Err(Error::Corrupt("the frame header is too short"));
        };
        match (coding, precision) {
            (Coding::Lossless, 2..=16) | (_, 8 | 12) => {}
            _ => return Err(Error::Unsupported("a number of bits per sample other than 8 and 12")),
        }
        let (width, height) = (u16::from_be_bytes([w1, w0]).into(), u16::from_be_bytes([h1, h0]).into());
        if width == 0 {
            return Err(Error::Corrupt("the width is zero"));
        }
        if height == 0 {
            return Err(Error::Unsupported("a height that is stated only after the first scan (DNL)"));
        }
        let components = components(n_components, rest)?;
        Ok(Self { width, height, coding, entropy_coding, precision, components })
    }
}

/// Reads the components of a frame header.
fn components(n_components: u8, entries: &[u8]) -> Result<Vec<Component>, Error> {
    if n_components == 0 {
        return Err(Error::Corrupt("the frame header names no component"));
    }
    if n_components > 4 {
        return Err(Error::Unsupported("more than four components"));
    }
    let entries = entries.as_chunks::<3>().0.iter().take(n_components.into());
    let components: Vec<Component> = entries
        .map(|&[id, factors, table]| Component {
            id,
            horizontal: factors >> 4,
            vertical: factors & 15,
            table,
        })
        .collect();
    if components.len() != usize::from(n_components) {
        return Err(Error::Corrupt("the frame header is too short"));
    }
    if components.iter().any(|c| !matches!(c.horizontal, 1..=4) || !matches!(c.vertical, 1..=4)) {
        return Err(Error::Corrupt("a sampling factor is not from 1 to 4"));
    }
    Ok(components)
}
