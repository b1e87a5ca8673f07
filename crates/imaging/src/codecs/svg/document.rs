//! Parses a document and the documents inside of it. A document in a document is a `data:` URL of an `image`
//! element. All documents of a file share the limits on text and on parts, so that a file cannot avoid the
//! limits by splitting its content.

use std::sync::{Mutex, PoisonError};

use resvg::usvg::{ImageHrefResolver, ImageKind, Options, Tree};
use roxmltree::{Document, ParsingOptions};

use super::pictures::Pictures;
use super::source::MAX_TEXT_BYTES;
use super::text::Fonts;
use super::{audit, corrupt, entities, guarded, source, unsupported};
use crate::codecs::codec::OpenDecoder;
use crate::fonts::FontSource;
use crate::format::{self, Format};
use crate::limits::{Limit, check};
use crate::{Error, Limits};

/// The largest allowed number of documents that contain each other. A document that contains no other document
/// counts as one.
const MAX_LEVELS: u32 = 4;

/// The state that all documents of a file share.
pub(super) struct Documents<'a> {
    limits: &'a Limits,
    pictures: Pictures<'a>,
    fonts: Fonts<'a>,
    used: Mutex<Used>,
}

/// The sums over all documents that were parsed.
#[derive(Default)]
struct Used {
    n_text_bytes: u64,
    n_parts: u64,
}

/// The position of a document in the documents that contain it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    /// The number of documents that contain this document.
    level: u32,
    /// The number of elements that contain this document, over all levels.
    depth: u32,
}

impl<'a> Documents<'a> {
    /// Creates the state for a file. `fonts` offers fonts for text, and `open` opens the decoder of an
    /// embedded image.
    pub(super) fn new(limits: &'a Limits, fonts: Option<&'a dyn FontSource>, open: OpenDecoder) -> Self {
        Self {
            limits,
            pictures: Pictures::new(limits, open),
            fonts: Fonts::new(fonts),
            used: Mutex::default(),
        }
    }

    /// Returns the warnings about images that were not drawn and about fonts.
    pub(super) fn warnings(self) -> Vec<String> {
        let mut warnings = self.pictures.warnings();
        warnings.append(&mut self.fonts.warnings());
        warnings
    }

    /// Parses a document and all documents that it contains.
    pub(super) fn parse(&self, input: &[u8], place: Place) -> Result<Tree, Error> {
        let text = source::text(input)?;
        self.spend_text(entities::expanded_length(&text)?)?;
        let parsing =
            ParsingOptions { allow_dtd: true, nodes_limit: self.limits.parts, ..Default::default() };
        let document = Document::parse_with_options(&text, parsing).map_err(|error| self.refused(&error))?;
        let size = audit::check_document(&document, self.limits, place.depth)?;
        self.spend_parts(size.n_nodes)?;
        let inside = Place { level: place.level + 1, depth: place.depth + size.depth };
        let tree = guarded(|| Tree::from_xmltree(&document, &self.options(inside)))?;
        tree.map_err(|error| match error {
            resvg::usvg::Error::ParsingFailed(error) => self.refused(&error),
            other => corrupt(other),
        })
    }

    /// Parser options that forbid external resources: the parser opens no files and no URLs.
    fn options(&self, inside: Place) -> Options<'_> {
        Options {
            image_href_resolver: ImageHrefResolver {
                resolve_data: Box::new(move |_, data, _| self.embedded(&data, inside)),
                resolve_string: Box::new(|_, _| self.pictures.foreign()),
            },
            font_resolver: self.fonts.resolver(),
            // Browsers use a serif font for text that names no family.
            font_family: "serif".to_owned(),
            ..Options::default()
        }
    }

    /// Decodes the content of a `data:` URL: a raster image or a document.
    fn embedded(&self, data: &[u8], place: Place) -> Option<ImageKind> {
        if format::sniff(data) != Some(Format::Svg) {
            return self.pictures.embedded(data);
        }
        let tree = if place.level < MAX_LEVELS {
            self.parse(data, place)
        } else {
            Err(unsupported(&format!("more than {MAX_LEVELS} documents inside of each other")))
        };
        match tree {
            Ok(tree) => Some(ImageKind::SVG(tree)),
            Err(error) => self.pictures.left_out(&error),
        }
    }

    /// Converts an error of the XML parser. If the document has more nodes than allowed, the result is
    /// [`Error::Limit`].
    fn refused(&self, error: &roxmltree::Error) -> Error {
        match error {
            roxmltree::Error::NodesLimitReached => {
                let max = u64::from(self.limits.parts);
                Error::Limit { limit: Limit::Parts, max, got: max + 1 }
            }
            other => entities::refused(other),
        }
    }

    /// Adds the text of a document to the sum over all documents and checks the limit.
    fn spend_text(&self, n_bytes: u64) -> Result<(), Error> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.n_text_bytes = used.n_text_bytes.saturating_add(n_bytes);
        if used.n_text_bytes > MAX_TEXT_BYTES as u64 { Err(source::too_long()) } else { Ok(()) }
    }

    /// Adds the parts of a document to the sum over all documents and checks the limit.
    fn spend_parts(&self, n_parts: u64) -> Result<(), Error> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.n_parts = used.n_parts.saturating_add(n_parts);
        check(Limit::Parts, self.limits.parts.into(), used.n_parts)
    }
}
