//! Chooses the fonts for the text of documents. The families of a `font-family` list are tried in their order:
//! each family itself, then families with letters of the same widths. If none of them exists, the text is
//! drawn with the family that this crate contains, and a warning names the family that is missing. A character
//! that the chosen font lacks is drawn with any font that has the character.

mod families;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use resvg::usvg::fontdb::{Database, Family, ID, Query, Source, Stretch, Style, Weight};
use resvg::usvg::{Font, FontResolver, FontStretch, FontStyle};
use skrifa::MetadataProvider as _;

use self::families::{EMBEDDED, Names};
use crate::fonts::{FontFile, FontQuery, FontSource, MAX_QUERIES, Slant};

/// The largest number of fonts with which one piece of text is shaped, because a text is shaped completely
/// with each of its fonts.
const MAX_FONTS_OF_TEXT: usize = 5;

/// The largest sum of the lengths of all fonts that a document gets from the [`FontSource`], in bytes.
const MAX_FONT_BYTES: usize = 64 << 20;

/// The largest number of warnings about fonts.
const MAX_WARNINGS: usize = 10;

/// The fonts of all documents of a file.
pub(super) struct Fonts<'a> {
    chooser: Mutex<Chooser<'a>>,
}

impl<'a> Fonts<'a> {
    /// Creates the state for a file for which no font was loaded yet.
    pub(super) fn new(source: Option<&'a dyn FontSource>) -> Self {
        Self {
            chooser: Mutex::new(Chooser {
                source,
                fonts: Arc::default(),
                queries: HashMap::new(),
                n_bytes: 0,
                warnings: Vec::new(),
            }),
        }
    }

    /// Returns the callbacks through which `usvg` chooses fonts. Every call also replaces the font database of
    /// the document by one that contains all fonts so far. Fonts are only added, so the ids stay valid.
    pub(super) fn resolver(&self) -> FontResolver<'_> {
        FontResolver {
            select_font: Box::new(|font, database| {
                let mut chooser = self.lock();
                let id = chooser.by_families(font);
                database.clone_from(&chooser.fonts);
                id
            }),
            select_fallback: Box::new(|character, used, database| {
                let mut chooser = self.lock();
                let id = chooser.by_character(character, used);
                database.clone_from(&chooser.fonts);
                id
            }),
        }
    }

    /// Returns the warnings about missing families and characters, without duplicates.
    pub(super) fn warnings(self) -> Vec<String> {
        self.chooser.into_inner().unwrap_or_else(PoisonError::into_inner).warnings
    }

    fn lock(&self) -> MutexGuard<'_, Chooser<'a>> {
        self.chooser.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Finds fonts and remembers them.
struct Chooser<'a> {
    source: Option<&'a dyn FontSource>,
    /// All fonts that were loaded for the file.
    fonts: Arc<Database>,
    /// The answers of the source so far.
    queries: HashMap<FontQuery, Option<ID>>,
    /// The sum of the lengths of all fonts that came from the source.
    n_bytes: usize,
    warnings: Vec<String>,
}

impl Chooser<'_> {
    /// Returns the font for a text, and adds a warning if the first family of the text is missing.
    fn by_families(&mut self, font: &Font) -> Option<ID> {
        let names = Names::of(font.families());
        let query = FontQuery {
            families: names.before_embedded,
            character: None,
            weight: font.weight(),
            width: width_class(font.stretch()),
            slant: match font.style() {
                FontStyle::Normal => Slant::Normal,
                FontStyle::Italic => Slant::Italic,
                FontStyle::Oblique => Slant::Oblique,
            },
        };
        let found = if query.families.is_empty() { None } else { self.ask(&query) };
        let id = found.or_else(|| self.embedded(&query))?;
        if let Some(wanted) = names.first {
            let used = self.fonts.face(id)?.families.clone();
            if !used.iter().any(|(name, _)| name.eq_ignore_ascii_case(&wanted)) {
                let used = used.first().map_or("another font", |(name, _)| name);
                self.warn(format!("the font family {wanted:?} is missing: its text was drawn with {used}"));
            }
        }
        Some(id)
    }

    /// Returns a font that has `character` and is not one of the fonts `used`. The first of them is the font
    /// that was chosen for the text. Adds a warning if no font has the character.
    fn by_character(&mut self, character: char, used: &[ID]) -> Option<ID> {
        if used.len() >= MAX_FONTS_OF_TEXT {
            return None;
        }
        let base = self.fonts.face(*used.first()?)?;
        let query = FontQuery {
            families: Vec::new(),
            character: Some(character),
            weight: base.weight.0,
            width: base.stretch.to_number(),
            slant: match base.style {
                Style::Normal => Slant::Normal,
                Style::Italic => Slant::Italic,
                Style::Oblique => Slant::Oblique,
            },
        };
        let embedded = self.embedded(&query);
        let loaded = self.fonts.faces().map(|face| face.id);
        let fits = |id: &ID| !used.contains(id) && has_character(&self.fonts, *id, character);
        let found = embedded.into_iter().chain(loaded).find(fits);
        let found = found.or_else(|| self.ask(&query).filter(|id| !used.contains(id)));
        if found.is_none() {
            let code = u32::from(character);
            self.warn(format!("no font has the character {character:?} (U+{code:04X})"));
        }
        found
    }

    /// Returns the face of the embedded family that fits best.
    fn embedded(&mut self, query: &FontQuery) -> Option<ID> {
        let fonts = Arc::make_mut(&mut self.fonts);
        if fonts.is_empty() {
            for bytes in
                [notosans::REGULAR_TTF, notosans::BOLD_TTF, notosans::ITALIC_TTF, notosans::BOLD_ITALIC_TTF]
            {
                fonts.load_font_source(Source::Binary(Arc::new(bytes)));
            }
        }
        let style = match query.slant {
            Slant::Normal => Style::Normal,
            Slant::Italic => Style::Italic,
            Slant::Oblique => Style::Oblique,
        };
        fonts.query(&Query {
            families: &[Family::Name(EMBEDDED)],
            weight: Weight(query.weight),
            stretch: Stretch::Normal,
            style,
        })
    }

    /// Asks the source for a font, unless it was asked before, and loads the font.
    fn ask(&mut self, query: &FontQuery) -> Option<ID> {
        let source = self.source?;
        if let Some(&known) = self.queries.get(query) {
            return known;
        }
        if self.queries.len() >= MAX_QUERIES as usize {
            self.warn(format!("the document asks for more than {MAX_QUERIES} fonts"));
            return None;
        }
        let file = source.find(query);
        let id = file.and_then(|file| self.load(file));
        self.queries.insert(query.clone(), id);
        id
    }

    /// Adds a font to the database. Returns `None` if the font is malformed or if the fonts of the document
    /// become too large.
    fn load(&mut self, file: FontFile) -> Option<ID> {
        self.n_bytes = self.n_bytes.saturating_add(file.bytes.len());
        if self.n_bytes > MAX_FONT_BYTES {
            self.warn(format!("the fonts of the document have more than {MAX_FONT_BYTES} bytes"));
            return None;
        }
        let fonts = Arc::make_mut(&mut self.fonts);
        let ids = fonts.load_font_source(Source::Binary(Arc::new(file.bytes)));
        ids.into_iter().find(|&id| fonts.face(id).is_some_and(|face| face.index == file.index))
    }

    /// Adds a warning unless the list already contains this warning or is full.
    fn warn(&mut self, warning: String) {
        if self.warnings.len() < MAX_WARNINGS && !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

/// Whether a font has a glyph for a character.
fn has_character(fonts: &Database, id: ID, character: char) -> bool {
    let found = fonts.with_face_data(id, |data, index| {
        let font = skrifa::FontRef::from_index(data, index).ok()?;
        font.charmap().map(character)
    });
    found.flatten().is_some()
}

/// The width class of OpenType, from 1 to 9.
fn width_class(stretch: FontStretch) -> u16 {
    match stretch {
        FontStretch::UltraCondensed => 1,
        FontStretch::ExtraCondensed => 2,
        FontStretch::Condensed => 3,
        FontStretch::SemiCondensed => 4,
        FontStretch::Normal => 5,
        FontStretch::SemiExpanded => 6,
        FontStretch::Expanded => 7,
        FontStretch::ExtraExpanded => 8,
        FontStretch::UltraExpanded => 9,
    }
}
