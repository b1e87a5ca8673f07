//! Checks the entities that a document type declares, before the XML parser replaces references to them.
//! Drawing programs declare entities for the names of namespaces. Without a limit, a few short entities that
//! refer to each other expand to any amount of text.
//!
//! The check does not parse XML: it looks for declarations and references in the whole text, also in comments.
//! Therefore it finds at least the declarations and references that the parser finds. The parser replaces only
//! entities whose text is in the document, and never reads a file or a URL.

use std::collections::HashMap;

use super::source::MAX_TEXT_BYTES;
use super::{corrupt, source, unsupported};
use crate::Error;
use crate::limits::{Limit, check};

/// The largest allowed number of entities that a document declares.
const MAX_ENTITIES: u64 = 500;

/// The largest allowed depth of entities that refer to entities.
const MAX_DEPTH: u32 = 8;

const DECLARATION: &str = "<!ENTITY";

/// The entities of a document.
struct Entities<'a> {
    /// The values of the declarations of each entity. An entity that is declared more than once has several.
    values: HashMap<&'a str, Vec<&'a str>>,
    /// The lengths of the entities whose references were followed already, in bytes.
    lengths: HashMap<&'a str, u64>,
}

/// Returns the length of a text in bytes after its references to entities are replaced, or a greater number.
///
/// # Errors
/// [`Error::Unsupported`] if the expanded text is too long, or if entities are nested too deep or in a circle.
/// [`Error::Limit`] if the document declares too many entities.
pub(super) fn expanded_length(text: &str) -> Result<u64, Error> {
    let mut entities = Entities { values: HashMap::new(), lengths: HashMap::new() };
    let mut n_declared = 0;
    for declaration in text.split(DECLARATION).skip(1) {
        n_declared += 1;
        check(Limit::Parts, MAX_ENTITIES, n_declared)?;
        if let Some((name, value)) = declared(declaration) {
            entities.values.entry(name).or_default().push(value);
        }
    }
    if n_declared == 0 {
        return Ok(text.len() as u64);
    }
    let length = entities.length(text, 0)?;
    if length > MAX_TEXT_BYTES as u64 { Err(source::too_long()) } else { Ok(length) }
}

/// Converts an error of the XML parser about entities. Other errors mean that the document is malformed.
pub(super) fn refused(error: &roxmltree::Error) -> Error {
    match error {
        roxmltree::Error::EntityReferenceLoop(_) => too_deep(),
        other => corrupt(other),
    }
}

fn too_deep() -> Error {
    unsupported(&format!("entities nested more than {MAX_DEPTH} deep, or too many references to entities"))
}

/// Parses the rest of a declaration after `<!ENTITY`. Returns `None` if the declaration has no value in
/// quotes, which is the case for an external entity.
fn declared(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.trim_start().split_once(|c: char| c.is_whitespace())?;
    let rest = rest.trim_start();
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let value = rest[1..].split(quote).next()?;
    Some((name, value))
}

impl<'a> Entities<'a> {
    /// Returns the length of `text` plus the lengths of all entities to which it refers, in bytes.
    fn length(&mut self, text: &'a str, depth: u32) -> Result<u64, Error> {
        let mut length = text.len() as u64;
        for reference in text.split('&').skip(1) {
            let Some((name, _)) = reference.split_once(';') else { continue };
            length = length.saturating_add(self.entity_length(name, depth)?);
        }
        Ok(length)
    }

    fn entity_length(&mut self, name: &'a str, depth: u32) -> Result<u64, Error> {
        if let Some(&length) = self.lengths.get(name) {
            return Ok(length);
        }
        let Some(values) = self.values.get(name) else { return Ok(0) };
        if depth == MAX_DEPTH {
            return Err(too_deep());
        }
        let mut longest = 0;
        for value in values.clone() {
            longest = self.length(value, depth + 1)?.max(longest);
        }
        self.lengths.insert(name, longest);
        Ok(longest)
    }
}
