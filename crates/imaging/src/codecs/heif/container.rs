//! The `meta` box of a HEIF file (ISO/IEC 23008-12): its items, what is said about them and where their bytes
//! lie. Decodes nothing.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::Error;
use crate::isobmff::{Boxes, Fields};
use crate::limits::{Limit, Limits, check};

/// Number of an item.
pub(super) type ItemId = u32;

/// What a file says about its items.
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
    /// Whether there is a sequence of pictures beside the items.
    pub(super) has_sequence: bool,
}

/// One item: a coded picture, one made of others, or metadata.
#[derive(Debug, Default)]
struct Item {
    kind: [u8; 4],
    /// Media type of an item of kind `mime`.
    media_type: Vec<u8>,
    /// Where its bytes are counted from: 0 the file, 1 `idat`.
    construction: u8,
    /// Offset and length of its parts; a length of 0 means to the end.
    extents: Vec<(u64, u64)>,
    /// Indices into `properties`, in the order in which they apply.
    properties: Vec<usize>,
}

/// A link from one item to others.
#[derive(Debug)]
struct Reference {
    kind: [u8; 4],
    from: ItemId,
    to: Vec<ItemId>,
}

/// The parts that a file may still have.
struct Budget {
    max: u64,
    used: u64,
}

impl Budget {
    fn spend(&mut self, n: usize) -> Result<(), Error> {
        self.used = self.used.saturating_add(n as u64);
        check(Limit::Parts, self.max, self.used)
    }
}

impl<'a> Container<'a> {
    /// Reads the boxes of a file. `format` is the name for errors.
    pub(super) fn parse(input: &'a [u8], format: &'static str, limits: &Limits) -> Result<Self, Error> {
        let corrupt = |reason: &str| Error::Corrupt { format, reason: reason.to_owned() };
        let mut budget = Budget { max: limits.parts.into(), used: 0 };
        let mut meta = None;
        let mut has_sequence = false;
        for (kind, content) in Boxes::new(input) {
            budget.spend(1)?;
            match &kind {
                b"meta" => meta = meta.or(content.get(4..)),
                b"moov" => has_sequence = true,
                _ => {}
            }
        }
        let Some(meta) = meta else {
            let reason = "a sequence of pictures without a still one".to_owned();
            return Err(if has_sequence {
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
            has_sequence,
        };
        let mut primary = None;
        for (kind, content) in Boxes::new(meta) {
            budget.spend(1)?;
            let parsed = match &kind {
                b"pitm" => {
                    primary = primary_item(content);
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

    fn take_infos(&mut self, content: &[u8], budget: &mut Budget) -> Result<Option<()>, Error> {
        let mut fields = Fields::new(content);
        let counted = fields
            .version_and_flags()
            .and_then(|(version, _)| if version == 0 { fields.u16().map(u32::from) } else { fields.u32() });
        if counted.is_none() {
            return Ok(None);
        }
        for (kind, content) in Boxes::new(fields.rest()) {
            budget.spend(1)?;
            if kind == *b"infe" {
                // Versions 0 and 1 have no type: nothing that could be a picture of ours.
                if let Some((id, kind, media_type)) = item_info(content) {
                    let item = self.items.entry(id).or_default();
                    item.kind = kind;
                    item.media_type = media_type;
                }
            }
        }
        Ok(Some(()))
    }

    fn take_locations(&mut self, content: &[u8], budget: &mut Budget) -> Result<Option<()>, Error> {
        let mut fields = Fields::new(content);
        let Some((version, _)) = fields.version_and_flags() else { return Ok(None) };
        let Some([sizes, more]) = fields.array() else { return Ok(None) };
        let (offset_size, length_size, base_size) = (sizes >> 4, sizes & 15, more >> 4);
        let index_size = if version == 0 { 0 } else { more & 15 };
        let wide = version >= 2;
        let id_of = |fields: &mut Fields<'_>| if wide { fields.u32() } else { fields.u16().map(u32::from) };
        let Some(n_items) = id_of(&mut fields) else { return Ok(None) };
        for _ in 0..n_items {
            budget.spend(1)?;
            let Some(id) = id_of(&mut fields) else { return Ok(None) };
            let construction = if version == 0 { Some(0) } else { fields.u16().map(|word| word as u8 & 15) };
            let head = construction.zip(fields.u16()).zip(fields.uint(base_size)).zip(fields.u16());
            let Some((((construction, _), base), n_extents)) = head else { return Ok(None) };
            budget.spend(n_extents.into())?;
            let item = self.items.entry(id).or_default();
            item.construction = construction;
            for _ in 0..n_extents {
                let extent = fields
                    .uint(index_size)
                    .and_then(|_| fields.uint(offset_size))
                    .and_then(|offset| base.checked_add(offset))
                    .zip(fields.uint(length_size));
                let Some(extent) = extent else { return Ok(None) };
                item.extents.push(extent);
            }
        }
        Ok(Some(()))
    }

    fn take_references(&mut self, content: &[u8], budget: &mut Budget) -> Result<Option<()>, Error> {
        let mut fields = Fields::new(content);
        let Some((version, _)) = fields.version_and_flags() else { return Ok(None) };
        for (kind, content) in Boxes::new(fields.rest()) {
            let mut fields = Fields::new(content);
            let id_of = |fields: &mut Fields<'_>| {
                if version == 0 { fields.u16().map(u32::from) } else { fields.u32() }
            };
            let Some((from, n)) = id_of(&mut fields).zip(fields.u16()) else { return Ok(None) };
            budget.spend(1 + usize::from(n))?;
            let to: Option<Vec<_>> = (0..n).map(|_| id_of(&mut fields)).collect();
            let Some(to) = to else { return Ok(None) };
            self.references.push(Reference { kind, from, to });
        }
        Ok(Some(()))
    }

    fn take_properties(&mut self, content: &'a [u8], budget: &mut Budget) -> Result<Option<()>, Error> {
        for (kind, content) in Boxes::new(content) {
            match &kind {
                b"ipco" => {
                    for property in Boxes::new(content) {
                        budget.spend(1)?;
                        self.properties.push(property);
                    }
                }
                b"ipma" if self.take_associations(content, budget)?.is_none() => return Ok(None),
                _ => {}
            }
        }
        Ok(Some(()))
    }

    fn take_associations(&mut self, content: &[u8], budget: &mut Budget) -> Result<Option<()>, Error> {
        let mut fields = Fields::new(content);
        let Some(((version, flags), n_items)) = fields.version_and_flags().zip(fields.u32()) else {
            return Ok(None);
        };
        for _ in 0..n_items {
            let id = if version == 0 { fields.u16().map(u32::from) } else { fields.u32() };
            let Some((id, n)) = id.zip(fields.u8()) else { return Ok(None) };
            budget.spend(1 + usize::from(n))?;
            let item = self.items.entry(id).or_default();
            for _ in 0..n {
                // The upper bit says whether a reader must understand the property.
                let index = if flags & 1 == 0 {
                    fields.u8().map(|index| usize::from(index & 0x7f))
                } else {
                    fields.u16().map(|index| usize::from(index & 0x7fff))
                };
                let Some(index) = index else { return Ok(None) };
                item.properties.extend(index.checked_sub(1));
            }
        }
        Ok(Some(()))
    }

    /// What kind of item this is.
    pub(super) fn kind(&self, id: ItemId) -> Option<[u8; 4]> {
        self.items.get(&id).map(|item| item.kind)
    }

    /// The properties of an item, in the order in which they apply.
    pub(super) fn properties(&self, id: ItemId) -> impl Iterator<Item = ([u8; 4], &'a [u8])> {
        let indices = self.items.get(&id).map(|item| item.properties.as_slice()).unwrap_or_default();
        indices.iter().filter_map(|&index| self.properties.get(index).copied())
    }

    /// The first property of a kind.
    pub(super) fn property(&self, id: ItemId, kind: &[u8; 4]) -> Option<&'a [u8]> {
        self.properties(id).find(|(found, _)| found == kind).map(|(_, content)| content)
    }

    /// The items that `id` is made of or refers to in the sense of `kind`.
    pub(super) fn references_from(&self, id: ItemId, kind: &[u8; 4]) -> &[ItemId] {
        let found = self.references.iter().find(|reference| reference.from == id && reference.kind == *kind);
        found.map(|reference| reference.to.as_slice()).unwrap_or_default()
    }

    /// The items that refer to `id` in the sense of `kind`.
    pub(super) fn references_to(&self, id: ItemId, kind: [u8; 4]) -> impl Iterator<Item = ItemId> {
        let to_it = move |reference: &&Reference| reference.kind == kind && reference.to.contains(&id);
        self.references.iter().filter(to_it).map(|reference| reference.from)
    }

    /// The bytes of an item, at most as many as the file has: parts that overlap are refused.
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

    /// EXIF (a TIFF structure) and XMP that describe an item.
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

fn primary_item(content: &[u8]) -> Option<ItemId> {
    let mut fields = Fields::new(content);
    let (version, _) = fields.version_and_flags()?;
    if version == 0 { fields.u16().map(u32::from) } else { fields.u32() }
}

/// Number, type and media type of an `infe` box of version 2 or 3.
fn item_info(content: &[u8]) -> Option<(ItemId, [u8; 4], Vec<u8>)> {
    let mut fields = Fields::new(content);
    let id = match fields.version_and_flags()?.0 {
        2 => fields.u16()?.into(),
        3 => fields.u32()?,
        _ => return None,
    };
    let _protection = fields.u16()?;
    let kind = fields.array()?;
    let _name = fields.text();
    Some((id, kind, if kind == *b"mime" { fields.text().to_vec() } else { Vec::new() }))
}

/// The TIFF structure of an `Exif` item, which begins with the number of bytes to skip before it (annex
/// A.2.1).
fn tiff(data: &[u8]) -> Option<Vec<u8>> {
    let mut fields = Fields::new(data);
    let skipped = fields.u32()? as usize;
    fields.take(skipped)?;
    Some(fields.rest().to_vec())
}
