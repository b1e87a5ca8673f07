//! The fonts for the text in documents. This crate reads no files: it contains one font family, and asks a
//! [`FontSource`] for all other fonts.

use serde::{Deserialize, Serialize};

/// The largest number of fonts for which the processing of one image asks a [`FontSource`].
pub const MAX_QUERIES: u32 = 64;

/// A description of the font that a text needs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FontQuery {
    /// The names of the accepted families, the preferred family first. Upper and lower case are equal. Empty
    /// if `character` is present: then every family is accepted.
    pub families: Vec<String>,
    /// The character for which the font must have a glyph. `None` if the families decide.
    pub character: Option<char>,
    /// The weight that comes closest is chosen: 400 is regular, 700 is bold.
    pub weight: u16,
    /// The width class of OpenType that comes closest is chosen: from 1 (narrowest) to 9 (widest). 5 is
    /// normal.
    pub width: u16,
    /// The slant that comes closest is chosen.
    pub slant: Slant,
}

/// Whether the letters of a font lean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slant {
    /// Upright letters.
    Normal,
    /// Letters that lean and have shapes of their own.
    Italic,
    /// Upright letters that were slanted.
    Oblique,
}

/// A font file.
#[derive(Clone)]
pub struct FontFile {
    /// The content of the file: TrueType, OpenType, or a collection of such fonts.
    pub bytes: Vec<u8>,
    /// The number of the font in a collection, from 0. It is 0 for a file with a single font.
    pub index: u32,
}

/// A place from which fonts can be obtained, for example a directory of the server.
pub trait FontSource: std::fmt::Debug + Sync {
    /// Returns the font that fits best, or `None` if there is no font with one of the families or with the
    /// character. The result depends only on the query as long as one image is processed.
    fn find(&self, query: &FontQuery) -> Option<FontFile>;
}
