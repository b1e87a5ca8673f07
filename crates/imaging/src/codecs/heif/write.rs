//! Making HEIF files: items with their properties and links, and the bytes they consist of.

use crate::isobmff::write_box;
use crate::metadata::Metadata;

/// Number of an item.
pub(in crate::codecs) type ItemId = u16;

/// A property: a whole box, and whether a reader that does not understand it must give up.
pub(in crate::codecs) type Property = (Vec<u8>, bool);

struct Item {
    kind: [u8; 4],
    media_type: &'static [u8],
    hidden: bool,
    /// Numbers of properties, from 1, with the bit for "essential".
    properties: Vec<u8>,
    data: Vec<u8>,
}

/// A file in the making.
#[derive(Default)]
pub(in crate::codecs) struct Writer {
    items: Vec<Item>,
    /// Each box once, however many items have it.
    properties: Vec<Vec<u8>>,
    /// Kind, from, to.
    references: Vec<([u8; 4], ItemId, Vec<ItemId>)>,
}

impl Writer {
    /// Adds a picture. A hidden one is only there for another.
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

    fn number(&mut self, (content, essential): &Property) -> u8 {
        let known = self.properties.iter().position(|property| property == content);
        let index = known.unwrap_or_else(|| {
            self.properties.push(content.clone());
            self.properties.len() - 1
        });
        let flag = if *essential { 0x80 } else { 0 };
        flag | (index as u8 + 1)
    }

    /// Links an item to others.
    pub(in crate::codecs) fn refer(&mut self, kind: &[u8; 4], from: ItemId, to: Vec<ItemId>) {
        self.references.push((*kind, from, to));
    }

    /// Adds what is kept of the metadata.
    pub(in crate::codecs) fn metadata(&mut self, about: ItemId, metadata: &Metadata) {
        let mut add = |kind: &[u8; 4], media_type, data| {
            self.items.push(Item { kind: *kind, media_type, hidden: false, properties: Vec::new(), data });
            self.references.push((*b"cdsc", self.items.len() as ItemId, vec![about]));
        };
        if let Some(exif) = &metadata.exif {
            // Nothing stands between the length and the TIFF structure.
            add(b"Exif", b"", [&[0; 4], exif.as_slice()].concat());
        }
        if let Some(xmp) = &metadata.xmp {
            add(b"mime", b"application/rdf+xml", xmp.clone());
        }
    }

    /// The file. `brands` begins with the major one.
    pub(in crate::codecs) fn finish(self, brands: &[&[u8; 4]], primary: ItemId) -> Vec<u8> {
        let mut file = Vec::new();
        write_box(&mut file, b"ftyp", |out| {
            out.extend_from_slice(brands[0]);
            out.extend_from_slice(&[0; 4]);
            brands.iter().for_each(|brand| out.extend_from_slice(*brand));
        });
        // Where the data begin does not change how long the box is that says it.
        let mut meta = Vec::new();
        self.meta(&mut meta, primary, 0);
        let first = file.len() + meta.len() + 8;
        self.meta(&mut file, primary, first);
        write_box(&mut file, b"mdat", |out| {
            self.items.iter().for_each(|item| out.extend_from_slice(&item.data));
        });
        file
    }

    fn meta(&self, out: &mut Vec<u8>, primary: ItemId, first: usize) {
        full_box(out, b"meta", [0; 4], |out| {
            full_box(out, b"hdlr", [0; 4], |out| {
                out.extend_from_slice(b"\0\0\0\0pict\0\0\0\0\0\0\0\0\0\0\0\0\0");
            });
            full_box(out, b"pitm", [0; 4], |out| push16(out, primary.into()));
            self.locations(out, first);
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

    fn locations(&self, out: &mut Vec<u8>, first: usize) {
        full_box(out, b"iloc", [0; 4], |out| {
            // Offsets and lengths have four bytes, bases none.
            out.extend_from_slice(&[0x44, 0]);
            push16(out, self.items.len());
            let mut offset = first;
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

    fn links(&self, out: &mut Vec<u8>) {
        for (kind, from, to) in &self.references {
            write_box(out, kind, |out| {
                push16(out, (*from).into());
                push16(out, to.len());
                to.iter().for_each(|&to| push16(out, to.into()));
            });
        }
    }

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
    out.extend_from_slice(&u16::try_from(number).expect("a file of ours has few items").to_be_bytes());
}

fn push32(out: &mut Vec<u8>, number: usize) {
    out.extend_from_slice(&u32::try_from(number).expect("our files are far below 4 GiB").to_be_bytes());
}

/// Writes a box that begins with a version and flags.
fn full_box(out: &mut Vec<u8>, kind: &[u8; 4], version: [u8; 4], content: impl FnOnce(&mut Vec<u8>)) {
    write_box(out, kind, |out| {
        out.extend_from_slice(&version);
        content(out);
    });
}

fn property(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    write_box(&mut out, kind, |out| parts.iter().for_each(|part| out.extend_from_slice(part)));
    out
}

/// The configuration of a decoder, of which `kind` is `av1C` or `hvcC`.
pub(in crate::codecs) fn configuration(kind: &[u8; 4], content: &[u8]) -> Property {
    (property(kind, &[content]), true)
}

/// Width and height as coded.
pub(in crate::codecs) fn size(width: u32, height: u32) -> Property {
    (property(b"ispe", &[&[0; 4], &width.to_be_bytes(), &height.to_be_bytes()]), false)
}

/// Bits of each of `n_channels` channels.
pub(in crate::codecs) fn depths(depth: u8, n_channels: u8) -> Property {
    (property(b"pixi", &[&[0, 0, 0, 0, n_channels], &vec![depth; n_channels.into()]]), false)
}

/// sRGB colours as luma and chroma of BT.601 in full range, which is also what JPEG has.
pub(in crate::codecs) fn srgb() -> Property {
    (property(b"colr", &[b"nclx", &[0, 1, 0, 13, 0, 6, 0x80]]), false)
}

/// The role of a picture with the transparency of another. The name is one of those that all readers know.
pub(in crate::codecs) fn alpha() -> Property {
    (property(b"auxC", &[b"\0\0\0\0urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"]), true)
}

/// The upper left part of a picture that is coded larger.
pub(in crate::codecs) fn crop(coded: (u32, u32), shown: (u32, u32)) -> Property {
    let mut content = Vec::new();
    for side in [shown.0, shown.1] {
        content.extend_from_slice(&side.to_be_bytes());
        content.extend_from_slice(&1u32.to_be_bytes());
    }
    // The distance of the middle of what is shown from that of what is coded.
    for (coded, shown) in [(coded.0, shown.0), (coded.1, shown.1)] {
        let twice = i64::from(shown) - i64::from(coded);
        content.extend_from_slice(&(twice as i32).to_be_bytes());
        content.extend_from_slice(&2u32.to_be_bytes());
    }
    (property(b"clap", &[&content]), true)
}

/// The content of a grid item.
pub(in crate::codecs) fn grid(columns: u32, rows: u32, width: u32, height: u32) -> Vec<u8> {
    let [columns, rows] =
        [columns, rows].map(|n| u8::try_from(n - 1).expect("a grid has at most 256 tiles a side"));
    [&[0, 1, rows, columns], &width.to_be_bytes()[..], &height.to_be_bytes()].concat()
}
