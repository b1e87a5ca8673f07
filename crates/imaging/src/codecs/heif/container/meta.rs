//! Parses the boxes inside the `meta` box of a HEIF file.

use super::{Budget, Container, ItemId, Reference};
use crate::Error;
use crate::isobmff::{Boxes, Fields};

impl<'a> Container<'a> {
    /// Reads the box `iinf`, which states the types of the items. Returns `None` if the box is malformed.
    pub(super) fn take_infos(&mut self, content: &[u8], budget: &mut Budget) -> Result<Option<()>, Error> {
        let mut fields = Fields::new(content);
        let counted = fields.version_and_flags().and_then(|(version, _)| fields.u32_or_u16(version != 0));
        if counted.is_none() {
            return Ok(None);
        }
        for (kind, content) in Boxes::new(fields.rest()) {
            budget.spend(1)?;
            if kind == *b"infe" {
                // An entry of version 0 or 1 has no item type. Such an entry cannot describe a picture, so it
                // is skipped.
                if let Some((id, kind, media_type)) = item_info(content) {
                    let item = self.items.entry(id).or_default();
                    item.kind = kind;
                    item.media_type = media_type;
                }
            }
        }
        Ok(Some(()))
    }

    /// Reads the box `iloc`, which states where the data of the items are. Returns `None` if the box is
    /// malformed.
    pub(super) fn take_locations(
        &mut self,
        content: &[u8],
        budget: &mut Budget,
    ) -> Result<Option<()>, Error> {
        let mut fields = Fields::new(content);
        let Some((version, _)) = fields.version_and_flags() else { return Ok(None) };
        let Some([sizes, more]) = fields.array() else { return Ok(None) };
        let (offset_size, length_size, base_size) = (sizes >> 4, sizes & 15, more >> 4);
        let index_size = if version == 0 { 0 } else { more & 15 };
        let has_wide_ids = version >= 2;
        let Some(n_items) = fields.u32_or_u16(has_wide_ids) else { return Ok(None) };
        for _ in 0..n_items {
            budget.spend(1)?;
            let Some(id) = fields.u32_or_u16(has_wide_ids) else { return Ok(None) };
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

    /// Reads the box `iref`, which contains the references between items. Returns `None` if the box is
    /// malformed.
    pub(super) fn take_references(
        &mut self,
        content: &[u8],
        budget: &mut Budget,
    ) -> Result<Option<()>, Error> {
        let mut fields = Fields::new(content);
        let Some((version, _)) = fields.version_and_flags() else { return Ok(None) };
        for (kind, content) in Boxes::new(fields.rest()) {
            let mut fields = Fields::new(content);
            let has_wide_ids = version != 0;
            let Some((from, n)) = fields.u32_or_u16(has_wide_ids).zip(fields.u16()) else { return Ok(None) };
            budget.spend(1 + usize::from(n))?;
            let to: Option<Vec<_>> = (0..n).map(|_| fields.u32_or_u16(has_wide_ids)).collect();
            let Some(to) = to else { return Ok(None) };
            self.references.push(Reference { kind, from, to });
        }
        Ok(Some(()))
    }

    /// Reads the box `iprp`, which contains all properties and states which items have them. Returns `None`
    /// if the box is malformed.
    pub(super) fn take_properties(
        &mut self,
        content: &'a [u8],
        budget: &mut Budget,
    ) -> Result<Option<()>, Error> {
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

    /// Reads the box `ipma`, which states the properties of each item. Returns `None` if the box is
    /// malformed.
    fn take_associations(&mut self, content: &[u8], budget: &mut Budget) -> Result<Option<()>, Error> {
        let mut fields = Fields::new(content);
        let Some(((version, flags), n_items)) = fields.version_and_flags().zip(fields.u32()) else {
            return Ok(None);
        };
        for _ in 0..n_items {
            let id = fields.u32_or_u16(version != 0);
            let Some((id, n)) = id.zip(fields.u8()) else { return Ok(None) };
            budget.spend(1 + usize::from(n))?;
            let item = self.items.entry(id).or_default();
            for _ in 0..n {
                // The highest bit states whether the property is essential, so the bit is removed from the
                // index.
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
}

/// Parses the `pitm` box, which contains the identifier of the primary item.
pub(super) fn primary_item(content: &[u8]) -> Option<ItemId> {
    let mut fields = Fields::new(content);
    let (version, _) = fields.version_and_flags()?;
    fields.u32_or_u16(version != 0)
}

/// Parses an `infe` box of version 2 or 3, which contains the identifier, the type and the media type of an
/// item.
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
