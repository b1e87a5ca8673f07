//! Converts descriptive tags between TIFF and EXIF: title, camera, position and more. In a TIFF file, these
//! tags and the tags of the pixels are in the same directory; an EXIF block is a separate TIFF structure.
//! After the conversion to EXIF, a file of another format can contain the tags.
//!
//! Not converted: tags that describe the stored pixels, thumbnails, and maker notes. Maker notes contain
//! offsets into the original file, which would be wrong in another file.

use super::directory::{Directory, Entry, File, bytes_of_kind};
use super::writer::{self, Field};
use crate::limits::{Limit, check};
use crate::{Error, Limits};

/// The tags of the main directory that do not describe the pixels: description, make, model, software, time,
/// artist, host, copyright, and the tags that Windows adds.
const DESCRIPTIVE_TAGS: [u16; 13] =
    [270, 271, 272, 305, 306, 315, 316, 33_432, 40_091, 40_092, 40_093, 40_094, 40_095];

/// The tag with the offset of the EXIF directory, which has the settings of the camera.
const CAMERA: u16 = 34_665;
/// The tag with the offset of the GPS directory, which has the position of the camera.
const POSITION: u16 = 34_853;

/// The tag with the maker note, a block whose format only the maker of the camera knows.
const MAKER_NOTE: u16 = 37_500;
/// The tag with the offset of the interoperability directory.
const INTEROPERABILITY: u16 = 40_965;

/// The descriptive tags of a TIFF file or an EXIF block.
#[derive(Debug, Default)]
pub(super) struct ExifFields {
    main: Vec<Field>,
    camera: Vec<Field>,
    position: Vec<Field>,
}

impl ExifFields {
    /// Reads the tags from the main directory of a file and from the directories that it refers to.
    pub(super) fn read(file: &File<'_>, directory: &Directory, limits: &Limits) -> Result<Self, Error> {
        let mut n_bytes = 0;
        let mut fields = |directory: &Directory, wanted: &dyn Fn(u16) -> bool| {
            let entries = directory.entries.iter().filter(|entry| wanted(entry.tag));
            let fields: Vec<Field> = entries.filter_map(|entry| field(file, entry)).collect();
            n_bytes += fields.iter().map(|field| field.bytes.len() as u64).sum::<u64>();
            check(Limit::MetadataBytes, limits.metadata_bytes, n_bytes).map(|()| fields)
        };
        let main = fields(directory, &|tag| DESCRIPTIVE_TAGS.contains(&tag))?;
        // If a directory cannot be read, its tags are left out.
        let linked_directory = |tag| {
            let at = directory.number(file, tag)?;
            file.directory(at, limits).ok()
        };
        let portable = |tag| !matches!(tag, MAKER_NOTE | INTEROPERABILITY);
        let camera = linked_directory(CAMERA).map(|directory| fields(&directory, &portable)).transpose()?;
        let position =
            linked_directory(POSITION).map(|directory| fields(&directory, &portable)).transpose()?;
        Ok(Self { main, camera: camera.unwrap_or_default(), position: position.unwrap_or_default() })
    }

    /// Reads the tags from an EXIF block. Returns no tags if the block is malformed.
    pub(super) fn of_block(block: &[u8]) -> Self {
        let block = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
        let limits = Limits::default();
        let read = || {
            let (file, first) = File::open(block)?;
            Self::read(&file, &file.directory(first, &limits)?, &limits)
        };
        read().unwrap_or_default()
    }

    /// Converts the tags to an EXIF block. Returns `None` when there are no tags.
    pub(super) fn into_block(self) -> Option<Vec<u8>> {
        if self.main.is_empty() && self.camera.is_empty() && self.position.is_empty() {
            return None;
        }
        let mut block = writer::HEADER.to_vec();
        let fields = self.push(&mut block);
        let at = writer::push_directory(fields, &mut block);
        writer::set_first(&mut block, at);
        Some(block)
    }

    /// Appends the camera directory and the position directory to a file. Returns the tags for the main
    /// directory.
    pub(super) fn push(self, file: &mut Vec<u8>) -> Vec<Field> {
        let mut main = self.main;
        for (tag, fields) in [(CAMERA, self.camera), (POSITION, self.position)] {
            if !fields.is_empty() {
                let at = writer::push_directory(fields, file);
                main.push(Field::longs(tag, &[at]));
            }
        }
        main
    }
}

/// Copies an entry and converts its values to little-endian order. Returns `None` if the type of the values
/// exists only in BigTIFF, or if the file ends before the last value.
fn field(file: &File<'_>, entry: &Entry) -> Option<Field> {
    if !(1..=12).contains(&entry.kind) {
        return None;
    }
    let mut bytes = file.bytes_of(entry).to_vec();
    let n_bytes = bytes_of_kind(entry.kind);
    let count = u32::try_from(entry.count).ok().filter(|&count| count > 0)?;
    if bytes.len() / n_bytes < count as usize {
        return None;
    }
    if file.big_endian {
        // A fraction consists of two integers of four bytes each, whose byte orders are converted separately.
        let unit = if matches!(entry.kind, 5 | 10) { 4 } else { n_bytes };
        bytes.chunks_exact_mut(unit).for_each(<[u8]>::reverse);
    }
    Some(Field { tag: entry.tag, kind: entry.kind, count, bytes })
}
