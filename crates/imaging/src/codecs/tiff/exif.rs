//! What a TIFF says about its picture and its camera: in a TIFF file among the tags that describe the pixels,
//! in EXIF a structure of its own. Taken out of the one and put into the other, so that files of all formats
//! can carry it.
//!
//! Left out: everything that describes the stored pixels, thumbnails, and notes of the camera's maker, which
//! refer to places in the file they come from.

use super::directory::{Directory, Entry, File, bytes_of_kind};
use super::writer::{self, Field};
use crate::limits::{Limit, check};
use crate::{Error, Limits};

/// Description, make, model, software, time, artist, host, copyright, and what Windows adds: of the main
/// directory, the tags that say nothing about the pixels.
const DESCRIPTIVE: [u16; 13] =
    [270, 271, 272, 305, 306, 315, 316, 33_432, 40_091, 40_092, 40_093, 40_094, 40_095];

/// The places of the directories with the camera's settings and with where it was.
const CAMERA: u16 = 34_665;
const POSITION: u16 = 34_853;

/// What makers keep to themselves, and the directory for exchange with cameras.
const MAKER_NOTE: u16 = 37_500;
const INTEROPERABILITY: u16 = 40_965;

/// The describing part of a file.
#[derive(Debug, Default)]
pub(super) struct Description {
    main: Vec<Field>,
    camera: Vec<Field>,
    position: Vec<Field>,
}

impl Description {
    /// Reads it from the main directory of a file.
    pub(super) fn read(file: &File<'_>, directory: &Directory, limits: &Limits) -> Result<Self, Error> {
        let mut n_bytes = 0;
        let mut fields = |directory: &Directory, wanted: &dyn Fn(u16) -> bool| {
            let entries = directory.entries.iter().filter(|entry| wanted(entry.tag));
            let fields: Vec<Field> = entries.filter_map(|entry| field(file, entry)).collect();
            n_bytes += fields.iter().map(|field| field.bytes.len() as u64).sum::<u64>();
            check(Limit::MetadataBytes, limits.metadata_bytes, n_bytes).map(|()| fields)
        };
        let main = fields(directory, &|tag| DESCRIPTIVE.contains(&tag))?;
        // A directory that cannot be read describes nothing.
        let other = |tag| {
            let at = directory.number(file, tag)?;
            file.directory(at, limits).ok()
        };
        let portable = |tag| !matches!(tag, MAKER_NOTE | INTEROPERABILITY);
        let camera = other(CAMERA).map(|directory| fields(&directory, &portable)).transpose()?;
        let position = other(POSITION).map(|directory| fields(&directory, &portable)).transpose()?;
        Ok(Self { main, camera: camera.unwrap_or_default(), position: position.unwrap_or_default() })
    }

    /// Reads it from an EXIF block. One that is broken says nothing.
    pub(super) fn of_block(block: &[u8]) -> Self {
        let block = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
        let limits = Limits::default();
        let read = || {
            let (file, first) = File::open(block)?;
            Self::read(&file, &file.directory(first, &limits)?, &limits)
        };
        read().unwrap_or_default()
    }

    /// An EXIF block, unless there is nothing to say.
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

    /// Appends what does not belong into the main directory to a file; what does is given back.
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

/// An entry with its values in the order in which they are written; `None` for a type that classic TIFF does
/// not have, and where values are missing.
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
        // Fractions are two numbers.
        let unit = if matches!(entry.kind, 5 | 10) { 4 } else { n_bytes };
        bytes.chunks_exact_mut(unit).for_each(<[u8]>::reverse);
    }
    Some(Field { tag: entry.tag, kind: entry.kind, count, bytes })
}
