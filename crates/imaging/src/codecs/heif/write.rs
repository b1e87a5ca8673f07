//! Writes HEIF files: items with their properties and references, and the data of the items.

use crate::isobmff::write_box;
use crate::metadata::Metadata;

/// The identifier of an item.
pub(in crate::codecs) type ItemId = u16;

/// A property of an item: the bytes of its box, and whether the property is essential. If a reader does not
/// understand an essential property, it must ignore the item.
pub(in crate::codecs) type Property = (Vec<u8>, bool);

/// An item that will be written to the file.
struct Item {
    kind: [u8; 4],
    media_type: &'static [u8],
    hidden: bool,
    /// The numbers of the item's properties, counted from 1. If the highest bit of a number is set, the
    /// property is essential.
    properties: Vec<u8>,
    data: Vec<u8>,
}

/// A HEIF file that is built in memory by adding items.
#[derive(Default)]
pub(in crate::codecs) struct Writer {
    items: Vec<Item>,
    /// The properties of all items, without duplicates: items with equal properties share them.
    properties: Vec<Vec<u8>>,
    /// The references between items. Each has a type, a source item and target items.
    references: Vec<([u8; 4], ItemId, Vec<ItemId>)>,
}

impl Writer {
    /// Adds a picture. A picture that is only a part of another picture must be `hidden`, so that readers do
    /// not show it as a separate picture.
    pub(in crate::codecs) fn picture(
        &mut self,
        kind: &[u8; 4],
        hidden: bool,
        properties: &[Property],
        data: Vec<u8>,
    ) -> ItemId {
        let numbers = properties.iter().map(|property| self.number(property)).collect();
        self.items.push(Item { kind: *kind, media_type: b"", hidden, properties: numbers, data });
        self.items.len() as ItemId
    }

    /// Returns the number of a property in the file. Adds the property if the file does not have it yet.
    fn number(&mut self, (content, essential): &Property) -> u8 {
        let existing = self.properties.iter().position(|property| property == content);
        let index = existing.unwrap_or_else(|| {
            self.properties.push(content.clone());
            self.properties.len() - 1
        });
        let flag = if *essential { 0x80 } else { 0 };
        flag | (index as u8 + 1)
    }

    /// Adds a reference of type `kind` from one item to other items.
    pub(in crate::codecs) fn refer(&mut self, kind: &[u8; 4], from: ItemId, to: Vec<ItemId>) {
        self.references.push((*kind, from, to));
    }

    /// Adds the EXIF and XMP metadata as items that describe the item `about`.
    pub(in crate::codecs) fn metadata(&mut self, about: ItemId, metadata: &Metadata) {
        let mut add = |kind: &[u8; 4], media_type, data| {
            self.items.push(Item { kind: *kind, media_type, hidden: false, properties: Vec::new(), data });
            self.references.push((*b"cdsc", self.items.len() as ItemId, vec![about]));
        };
        if let Some(exif) = &metadata.exif {
            // An `Exif` item begins with a four-byte number: the number of bytes between this number and the
            // TIFF structure. This file has no bytes between them, so the number is 0.
            add(b"Exif", b"", [&[0; 4], exif.as_slice()].concat());
        }
        if let Some(xmp) = &metadata.xmp {
            add(b"mime", b"application/rdf+xml", xmp.clone());
        }
    }

    /// Returns the whole file. The first of `brands` becomes the major brand.
    pub(in crate::codecs) fn finish(self, brands: &[&[u8; 4]], primary: ItemId) -> Vec<u8> {
        let mut file = Vec::new();
        write_box(&mut file, b"ftyp", |out| {
            out.extend_from_slice(brands[0]);
            out.extend_from_slice(&[0; 4]);
            brands.iter().for_each(|brand| out.extend_from_slice(*brand));
        });
        // The box `meta` contains the offset of the data, which follow the box. The box is written twice:
        // first with the offset 0 to measure the length of the box, which does not depend on the offset, then
        // with the real offset.
        let mut meta = Vec::new();
        self.meta(&mut meta, primary, 0);
        let data_start = file.len() + meta.len() + 8;
        self.meta(&mut file, primary, data_start);
        write_box(&mut file, b"mdat", |out| {
            self.items.iter().for_each(|item| out.extend_from_slice(&item.data));
        });
        file
    }

    /// Appends the box `meta`. `data_start` is the offset of the data of the first item.
    fn meta(&self, out: &mut Vec<u8>, primary: ItemId, data_start: usize) {
        full_box(out, b"meta", [0; 4], |out| {
            full_box(out, b"hdlr", [0; 4], |out| {
                out.extend_from_slice(b"\0\0\0\0pict\0\0\0\0\0\0\0\0\0\0\0\0\0");
            });
            full_box(out, b"pitm", [0; 4], |out| push16(out, primary.into()));
            self.locations(out, data_start);
            full_box(out, b"iinf", [0; 4], |out| {
                push16(out, self.items.len());
                for (item, id) in self.items.iter().zip(1..) {
                    full_box(out, b"infe", [2, 0, 0, item.hidden.into()], |out| {
                        push16(out, id);
                        push16(out, 0);
                        out.extend_from_slice(&item.kind);
                        out.push(0);
                        if item.kind == *b"mime" {
                            out.extend_from_slice(item.media_type);
                            out.push(0);
                        }
                    });
                }
            });
            if !self.references.is_empty() {
                full_box(out, b"iref", [0; 4], |out| self.links(out));
            }
            write_box(out, b"iprp", |out| {
                write_box(out, b"ipco", |out| self.properties.iter().for_each(|content| out.extend(content)));
                self.associations(out);
            });
        });
    }

    /// Appends the box `iloc`, which states the location of the data of each item.
    fn locations(&self, out: &mut Vec<u8>, data_start: usize) {
        full_box(out, b"iloc", [0; 4], |out| {
            // The two bytes state that offsets and lengths have four bytes each, and that there are no base
            // offsets.
            out.extend_from_slice(&[0x44, 0]);
            push16(out, self.items.len());
            let mut offset = data_start;
            for (item, id) in self.items.iter().zip(1..) {
                push16(out, id);
                push16(out, 0);
                push16(out, 1);
                push32(out, offset);
                push32(out, item.data.len());
                offset += item.data.len();
            }
        });
    }

    /// Appends one box for each reference between items.
    fn links(&self, out: &mut Vec<u8>) {
        for (kind, from, to) in &self.references {
            write_box(out, kind, |out| {
                push16(out, (*from).into());
                push16(out, to.len());
                to.iter().for_each(|&to| push16(out, to.into()));
            });
        }
    }

    /// Appends the box `ipma`, which states the properties of each item.
    fn associations(&self, out: &mut Vec<u8>) {
        full_box(out, b"ipma", [0; 4], |out| {
            let with_properties = self.items.iter().zip(1..).filter(|(item, _)| !item.properties.is_empty());
            push32(out, with_properties.clone().count());
            for (item, id) in with_properties {
                push16(out, id);
                out.push(item.properties.len() as u8);
                out.extend_from_slice(&item.properties);
            }
        });
    }
}

fn push16(out: &mut Vec<u8>, number: usize) {
    out.extend_from_slice(
        &u16::try_from(number).expect("a file that this crate writes has few items").to_be_bytes(),
    );
}

fn push32(out: &mut Vec<u8>, number: usize) {
    out.extend_from_slice(
        &u32::try_from(number).expect("a file that this crate writes is smaller than 4 GiB").to_be_bytes(),
    );
}

/// Appends a "full box", a box whose content begins with a version and flags.
fn full_box(out: &mut Vec<u8>, kind: &[u8; 4], version: [u8; 4], content: impl FnOnce(&mut Vec<u8>)) {
    write_box(out, kind, |out| {
        out.extend_from_slice(&version);
        content(out);
    });
}

/// Returns a box whose content is `parts`, one after the other.
fn property(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    write_box(&mut out, kind, |out| parts.iter().for_each(|part| out.extend_from_slice(part)));
    out
}

/// Returns the property with the decoder configuration of an item. `kind` is `av1C` or `hvcC`.
pub(in crate::codecs) fn configuration(kind: &[u8; 4], content: &[u8]) -> Property {
    (property(kind, &[content]), true)
}

/// Returns the property `ispe`, which states the width and the height of a picture before cropping.
pub(in crate::codecs) fn size(width: u32, height: u32) -> Property {
    (property(b"ispe", &[&[0; 4], &width.to_be_bytes(), &height.to_be_bytes()]), false)
}

/// Returns the property `pixi`, which states the number of bits of each of the `n_channels` channels.
pub(in crate::codecs) fn depths(depth: u8, n_channels: u8) -> Property {
    (property(b"pixi", &[&[0, 0, 0, 0, n_channels], &vec![depth; n_channels.into()]]), false)
}

/// Returns the property that states that the colours are sRGB, coded as YCbCr of BT.601 in full range, as in
/// JPEG.
pub(in crate::codecs) fn srgb() -> Property {
    (property(b"colr", &[b"nclx", &[0, 1, 0, 13, 0, 6, 0x80]]), false)
}

/// Returns the property that marks a picture as the alpha plane of another picture. The property contains a
/// URN that all readers support.
pub(in crate::codecs) fn alpha() -> Property {
    (property(b"auxC", &[b"\0\0\0\0urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"]), true)
}

/// Returns the property that crops a picture of the size `coded` to its upper left part of the size `shown`.
pub(in crate::codecs) fn crop(coded: (u32, u32), shown: (u32, u32)) -> Property {
    let mut content = Vec::new();
    for side in [shown.0, shown.1] {
        content.extend_from_slice(&side.to_be_bytes());
        content.extend_from_slice(&1u32.to_be_bytes());
    }
    // The distance of the centre of the shown part from the centre of the coded picture is written as a
    // fraction with the denominator 2.
    for (coded, shown) in [(coded.0, shown.0), (coded.1, shown.1)] {
        let twice = i64::from(shown) - i64::from(coded);
        content.extend_from_slice(&(twice as i32).to_be_bytes());
        content.extend_from_slice(&2u32.to_be_bytes());
    }
    (property(b"clap", &[&content]), true)
}

/// Returns the data of a grid item: the number of rows and columns, and the size of the assembled picture.
pub(in crate::codecs) fn grid(columns: u32, rows: u32, width: u32, height: u32) -> Vec<u8> {
    let [columns, rows] =
        [columns, rows].map(|n| u8::try_from(n - 1).expect("a grid has at most 256 tiles a side"));
    [&[0, 1, rows, columns], &width.to_be_bytes()[..], &height.to_be_bytes()].concat()
}
