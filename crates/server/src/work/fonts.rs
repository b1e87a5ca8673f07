//! The fonts of this machine, for the text in SVG images. Image workers open no files: a worker asks the server
//! for a font, and the server finds the font file and sends its bytes. The directory is read when the first
//! worker asks, so a server that gets no such image reads no fonts.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use fontdb::{Database, FaceInfo, Family, ID, Query, Stretch, Style, Weight};
use pixaven_imaging::fonts::{FontFile, FontQuery, Slant};
use skrifa::MetadataProvider as _;

use crate::runtime::blocking::{BlockingThreads, ComputationError};

/// The largest font file that is sent to a worker, in bytes. Fonts with all characters of Chinese have about
/// half of this size.
const MAX_FILE_BYTES: usize = 48 << 20;

/// The largest number of answers that are remembered.
const MAX_ANSWERS: usize = 1_000;

/// All widths that fonts have, the narrowest first, as the width classes 1 to 9 of OpenType.
const WIDTHS: [Stretch; 9] = [
    Stretch::UltraCondensed,
    Stretch::ExtraCondensed,
    Stretch::Condensed,
    Stretch::SemiCondensed,
    Stretch::Normal,
    Stretch::SemiExpanded,
    Stretch::Expanded,
    Stretch::ExtraExpanded,
    Stretch::UltraExpanded,
];

/// The fonts of a directory or of the operating system. A clone is cheap, and all clones share one list.
#[derive(Clone)]
pub struct FontLibrary {
    shared: Arc<Shared>,
    threads: BlockingThreads,
}

struct Shared {
    /// `None` means the font directories of the operating system.
    directory: Option<PathBuf>,
    faces: OnceLock<Database>,
    /// The answers to queries that were searched before. The search for a character opens many fonts.
    answers: Mutex<HashMap<FontQuery, Option<ID>>>,
}

impl std::fmt::Debug for FontLibrary {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("FontLibrary").field(&self.shared.directory).finish()
    }
}

impl FontLibrary {
    /// Prepares the fonts in `directory`, or those of the operating system. No font is read yet.
    ///
    /// # Errors
    /// If `directory` is not a directory that can be read.
    pub fn open(directory: Option<PathBuf>) -> io::Result<Self> {
        if let Some(directory) = &directory {
            std::fs::read_dir(directory)
                .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", directory.display())))?;
        }
        let shared = Shared { directory, faces: OnceLock::new(), answers: Mutex::default() };
        Ok(Self { shared: Arc::new(shared), threads: BlockingThreads::new(1) })
    }

    /// Returns the font that fits best, or `None` if there is no such font.
    ///
    /// # Errors
    /// [`ComputationError`] if the search panics.
    pub async fn find(&self, query: FontQuery) -> Result<Option<FontFile>, ComputationError> {
        let shared = Arc::clone(&self.shared);
        self.threads.run(usize::MAX, move || shared.find(&query)).await
    }
}

impl Shared {
    fn find(&self, query: &FontQuery) -> Option<FontFile> {
        let faces = self.faces.get_or_init(|| self.read_faces());
        let known = self.answers.lock().unwrap_or_else(PoisonError::into_inner).get(query).copied();
        let id = known.unwrap_or_else(|| {
            let id = match query.character {
                None => by_family(faces, query),
                Some(character) => by_character(faces, query, character),
            };
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            if answers.len() >= MAX_ANSWERS {
                answers.clear();
            }
            answers.insert(query.clone(), id);
            id
        })?;
        let read = |bytes: &[u8], index| (bytes.len() <= MAX_FILE_BYTES).then(|| (bytes.to_vec(), index));
        let (bytes, index) = faces.with_face_data(id, read)??;
        Some(FontFile { bytes, index })
    }

    fn read_faces(&self) -> Database {
        let mut faces = Database::new();
        match &self.directory {
            Some(directory) => faces.load_fonts_dir(directory),
            None => faces.load_system_fonts(),
        }
        tracing::info!(n_faces = faces.len(), "the fonts for SVG images were read");
        faces
    }
}

/// Finds the best face of the first family that exists.
fn by_family(faces: &Database, query: &FontQuery) -> Option<ID> {
    // `Database::query` compares upper and lower case, but CSS does not.
    let existing = |wanted: &String| {
        let mut names = faces.faces().flat_map(|face| &face.families);
        names.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(name, _)| name.as_str())
    };
    let family = query.families.iter().find_map(existing)?;
    faces.query(&Query {
        families: &[Family::Name(family)],
        weight: Weight(query.weight),
        stretch: WIDTHS[usize::from(query.width.clamp(1, 9)) - 1],
        style: style(query.slant),
    })
}

/// Finds a face that has a character. Faces that look more like the query are tried first.
fn by_character(faces: &Database, query: &FontQuery, character: char) -> Option<ID> {
    let likeness = |face: &&FaceInfo| {
        let is_slant_equal = face.style == style(query.slant);
        let width = face.stretch.to_number().abs_diff(query.width);
        (Reverse(is_slant_equal), width, face.weight.0.abs_diff(query.weight), face.post_script_name.clone())
    };
    let mut candidates: Vec<&FaceInfo> = faces.faces().collect();
    candidates.sort_by_cached_key(likeness);
    let has_character = |face: &&&FaceInfo| {
        let glyph = faces.with_face_data(face.id, |bytes, index| {
            skrifa::FontRef::from_index(bytes, index).ok()?.charmap().map(character)
        });
        glyph.flatten().is_some()
    };
    candidates.iter().find(has_character).map(|face| face.id)
}

fn style(slant: Slant) -> Style {
    match slant {
        Slant::Normal => Style::Normal,
        Slant::Italic => Style::Italic,
        Slant::Oblique => Style::Oblique,
    }
}
