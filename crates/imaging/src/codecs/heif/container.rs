//! Reads the `meta` box of a HEIF file (ISO/IEC 23008-12): the items, their properties, their references and
//! the locations of their data. Decodes nothing.

mod meta;

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::Error;
use crate::isobmff::{Boxes, Fields};
use crate::limits::{Limit, Limits, check};

/// The identifier of an item.
pub(super) type ItemId = u32;

/// The items of a file, with their properties and references.
#[derive(Debug)]
pub(super) struct Container<'a> {
    input: &'a [u8],
    format: &'static str,
    pub(super) primary: ItemId,
    items: BTreeMap<ItemId, Item>,
    references: Vec<Reference>,
    properties: Vec<([u8; 4], &'a [u8])>,
    /// The content of the `idat` box.
    inline: &'a [u8],
}

/// An item: a coded picture, a picture derived from other items, or metadata.
#[derive(Debug, Default)]
struct Item {
    kind: [u8; 4],
    /// The media type of an item of type `mime`.
    media_type: Vec<u8>,
    /// The construction method, which says from where the offsets of the data are counted: 0 means from the
    /// start of the file, 1 means from the start of the box `idat`.
    construction: u8,
    /// Offset and length of each part of the data. A length of 0 means that the part extends to the end of
    /// the file or of the box `idat`.
    extents: Vec<(u64, u64)>,
    /// Indices into [`Container::properties`], in the order in which the properties apply.
    properties: Vec<usize>,
}

/// A reference from one item to other items.
#[derive(Debug)]
struct Reference {
    kind: [u8; 4],
    from: ItemId,
    to: Vec<ItemId>,
}

/// Counts the parts of a file, such as items, properties and references, and compares the count with the
/// limit on parts.
pub(super) struct Budget {
    max: u64,
    used: u64,
}

impl Budget {
    /// Creates a budget from which nothing was used yet.
    pub(super) fn new(limits: &Limits) -> Self {
        Self { max: limits.parts.into(), used: 0 }
    }

    /// Adds `n` parts to the count. Fails when the count exceeds the limit.
    pub(super) fn spend(&mut self, n: usize) -> Result<(), Error> {
        self.used = self.used.saturating_add(n as u64);
        check(Limit::Parts, self.max, self.used)
    }
}

impl<'a> Container<'a> {
    /// Reads the boxes of a file. `format` is the name of the format in errors.
    pub(super) fn parse(input: &'a [u8], format: &'static str, limits: &Limits) -> Result<Self, Error> {
        let corrupt = |reason: &str| Error::Corrupt { format, reason: reason.to_owned() };
        let mut budget = Budget::new(limits);
        let mut meta = None;
        let mut has_tracks = false;
        for (kind, content) in Boxes::new(input) {
            budget.spend(1)?;
            match &kind {
                b"meta" => meta = meta.or(content.get(4..)),
                b"moov" => has_tracks = true,
                _ => {}
            }
        }
        let Some(meta) = meta else {
            return Err(if has_tracks {
                let reason = "a sequence of pictures in another coding than AV1 and HEVC".to_owned();
                Error::Unsupported { format, reason }
            } else {
                corrupt("it has no `meta` box")
            });
        };
        let mut container = Self {
            input,
            format,
            primary: 0,
            items: BTreeMap::new(),
            references: Vec::new(),
            properties: Vec::new(),
            inline: &[],
        };
        let mut primary = None;
        for (kind, content) in Boxes::new(meta) {
            budget.spend(1)?;
            let parsed = match &kind {
                b"pitm" => {
                    primary = meta::primary_item(content);
                    primary.map(|_| ())
                }
                b"iinf" => container.take_infos(content, &mut budget)?,
                b"iloc" => container.take_locations(content, &mut budget)?,
                b"iref" => container.take_references(content, &mut budget)?,
                b"iprp" => container.take_properties(content, &mut budget)?,
                b"idat" => {
                    container.inline = content;
                    Some(())
                }
                _ => Some(()),
            };
            let name = String::from_utf8_lossy(&kind).into_owned();
            parsed.ok_or_else(|| corrupt(&format!("the `{name}` box is broken")))?;
        }
        container.primary = primary.ok_or_else(|| corrupt("it does not say which picture is meant"))?;
        Ok(container)
    }

    /// Returns the four-character type of an item.
    pub(super) fn kind(&self, id: ItemId) -> Option<[u8; 4]> {
        self.items.get(&id).map(|item| item.kind)
    }

    /// Returns the properties of an item, in the order in which they apply to the picture.
    pub(super) fn properties(&self, id: ItemId) -> impl Iterator<Item = ([u8; 4], &'a [u8])> {
        let indices = self.items.get(&id).map(|item| item.properties.as_slice()).unwrap_or_default();
        indices.iter().filter_map(|&index| self.properties.get(index).copied())
    }

    /// Returns the content of the first property of this type that the item has.
    pub(super) fn property(&self, id: ItemId, kind: &[u8; 4]) -> Option<&'a [u8]> {
        self.properties(id).find(|(found, _)| found == kind).map(|(_, content)| content)
    }

    /// Returns the items to which the item `id` refers with a reference of type `kind`.
    pub(super) fn references_from(&self, id: ItemId, kind: &[u8; 4]) -> &[ItemId] {
        let found = self.references.iter().find(|reference| reference.from == id && reference.kind == *kind);
        found.map(|reference| reference.to.as_slice()).unwrap_or_default()
    }

    /// Returns the items that refer to the item `id` with a reference of type `kind`.
    pub(super) fn references_to(&self, id: ItemId, kind: [u8; 4]) -> impl Iterator<Item = ItemId> {
        let refers_to_id = move |reference: &&Reference| reference.kind == kind && reference.to.contains(&id);
        self.references.iter().filter(refers_to_id).map(|reference| reference.from)
    }

    /// Returns the data of an item. Fails when the data are longer than the file, which is possible because
    /// the parts of an item may overlap.
    pub(super) fn data(&self, id: ItemId) -> Result<Cow<'a, [u8]>, Error> {
        let corrupt = |reason: &str| Error::Corrupt { format: self.format, reason: reason.to_owned() };
        let item = self.items.get(&id).ok_or_else(|| corrupt("an item is missing"))?;
        let source = match item.construction {
            0 => self.input,
            1 => self.inline,
            other => {
                let reason = format!("items of construction method {other}");
                return Err(Error::Unsupported { format: self.format, reason });
            }
        };
        let part = |&(offset, length): &(u64, u64)| {
            let rest = source.get(usize::try_from(offset).ok()?..)?;
            if length == 0 { Some(rest) } else { rest.get(..usize::try_from(length).ok()?) }
        };
        let parts: Option<Vec<&[u8]>> = item.extents.iter().map(part).collect();
        let parts = parts.ok_or_else(|| corrupt("the file ends before an item does"))?;
        if parts.iter().map(|part| part.len()).fold(0, usize::saturating_add) > self.input.len() {
            return Err(corrupt("an item is larger than the file"));
        }
        match parts.as_slice() {
            [] => Err(corrupt("an item has no data")),
            [only] => Ok(Cow::Borrowed(only)),
            several => Ok(Cow::Owned(several.concat())),
        }
    }

    /// Returns the EXIF block (a TIFF structure) and the XMP packet that describe an item.
    pub(super) fn metadata(&self, id: ItemId) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
        let (mut exif, mut xmp) = (None, None);
        for about in self.references_to(id, *b"cdsc") {
            let Some(item) = self.items.get(&about) else { continue };
            match &item.kind {
                b"Exif" if exif.is_none() => exif = self.data(about).ok().and_then(|data| tiff(&data)),
                b"mime" if xmp.is_none() && item.media_type == b"application/rdf+xml" => {
                    xmp = self.data(about).ok().map(Cow::into_owned);
                }
                _ => {}
            }
        }
        (exif, xmp)
    }
}

/// The TIFF structure in an `Exif` item. The item begins with the number of bytes before the structure
/// (ISO/IEC 23008-12, annex A.2.1).
fn tiff(data: &[u8]) -> Option<Vec<u8>> {
    let mut fields = Fields::new(data);
    let skipped = fields.u32()? as usize;
    fields.take(skipped)?;
    Some(fields.rest().to_vec())
}
