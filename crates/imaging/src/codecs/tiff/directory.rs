//! Reads the structure of a TIFF file (TIFF 6.0, section 2) and of a BigTIFF file: byte order, directories,
//! entries and their values. `page.rs` interprets the tags.

use crate::limits::{Limit, check};
use crate::{Error, Limits};

use super::corrupt;

/// The bytes of a TIFF file, with the byte order of its numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct File<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) big_endian: bool,
    /// Whether the file is a BigTIFF, with offsets and counts of 64 bits.
    big: bool,
}

/// An image file directory, which is a list of entries.
#[derive(Debug, Default)]
pub(super) struct Directory {
    pub(super) entries: Vec<Entry>,
    /// The offset of the next directory, or 0 if this directory is the last.
    pub(super) next: u64,
}

/// A directory entry, which has a tag and the location of the values of this tag.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) tag: u16,
    /// The data type of the values, as a number that the standard defines.
    pub(super) kind: u16,
    /// The number of values of the entry (not the number of bytes).
    pub(super) count: u64,
    /// The offset in the file of the first value.
    at: u64,
}

/// Returns the size in bytes of a value of the type with this number (TIFF 6.0, section 2; BigTIFF adds 16 to
/// 18).
pub(super) fn bytes_of_kind(kind: u16) -> usize {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16..=18 => 8,
        _ => 1,
    }
}

impl<'a> File<'a> {
    /// Reads the file header. Returns the file and the offset of the first directory.
    pub(super) fn open(bytes: &'a [u8]) -> Result<(Self, u64), Error> {
        let (big_endian, big) = match bytes.first_chunk() {
            Some(b"II*\0") => (false, false),
            Some(b"MM\0*") => (true, false),
            Some(b"II+\0") => (false, true),
            Some(b"MM\0+") => (true, true),
            _ => return Err(corrupt("the header is not one of a TIFF")),
        };
        let file = Self { bytes, big_endian, big };
        let first = if big { file.number(8, 8) } else { file.number(4, 4) };
        Ok((file, first.ok_or_else(|| corrupt("the header is cut off"))?))
    }

    /// Reads an unsigned integer of `n_bytes` bytes (1, 2, 4 or 8).
    fn number(&self, at: u64, n_bytes: usize) -> Option<u64> {
        let bytes = self.bytes.get(usize::try_from(at).ok()?..)?.get(..n_bytes)?;
        let join = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        Some(if self.big_endian { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) })
    }

    /// Reads the directory at the offset `at`. If the directory is truncated, the result contains only the
    /// entries that are inside the file.
    pub(super) fn directory(&self, at: u64, limits: &Limits) -> Result<Directory, Error> {
        let (count_bytes, entry_bytes, place_bytes) = if self.big { (8, 20, 8) } else { (2, 12, 4) };
        let outside = || corrupt("a directory lies outside the file");
        let n_entries = self.number(at, count_bytes).ok_or_else(outside)?;
        check(Limit::Parts, limits.parts.into(), n_entries)?;
        let first = at + count_bytes as u64;
        let mut directory = Directory::default();
        for entry in (0..n_entries).map(|i| first + i * entry_bytes) {
            let read = || {
                let tag = self.number(entry, 2)? as u16;
                let kind = self.number(entry + 2, 2)? as u16;
                let count = self.number(entry + 4, place_bytes)?;
                let value = entry + 4 + place_bytes as u64;
                let fits = count.checked_mul(bytes_of_kind(kind) as u64)? <= place_bytes as u64;
                let at = if fits { value } else { self.number(value, place_bytes)? };
                Some(Entry { tag, kind, count, at })
            };
            match read() {
                Some(entry) => directory.entries.push(entry),
                None if entry >= self.bytes.len() as u64 => break,
                None => {}
            }
        }
        directory.next = self.number(first + n_entries * entry_bytes, place_bytes).unwrap_or(0);
        Ok(directory)
    }

    /// Returns the end of the TIFF directory at the offset `at`, as a file offset. If the file ends before the
    /// directory's number of entries, a directory without entries is assumed.
    pub(super) fn end_of_directory(&self, at: u64) -> u64 {
        let (count_bytes, entry_bytes, place_bytes) = if self.big { (8, 20, 8) } else { (2, 12, 4) };
        let n_entries = self.number(at, count_bytes).unwrap_or(0);
        let n_bytes = n_entries.saturating_mul(entry_bytes).saturating_add(place_bytes);
        let end_of_count = at.saturating_add(count_bytes as u64);
        if n_entries == 0 { end_of_count } else { end_of_count.saturating_add(n_bytes) }
    }

    /// Returns the bytes of the values of an entry. If the file ends early, returns only the bytes that are
    /// inside the file.
    pub(super) fn bytes_of(&self, entry: &Entry) -> &'a [u8] {
        let rest = usize::try_from(entry.at).ok().and_then(|at| self.bytes.get(at..)).unwrap_or_default();
        let n_bytes =
            usize::try_from(entry.count).unwrap_or(usize::MAX).saturating_mul(bytes_of_kind(entry.kind));
        &rest[..n_bytes.min(rest.len())]
    }

    /// Returns the values of an entry whose type is an integer type. Returns at most `max` values, and only
    /// values that are inside the file.
    pub(super) fn numbers_of(&self, entry: &Entry, max: usize) -> Vec<u64> {
        let n_bytes = bytes_of_kind(entry.kind);
        let values = self.bytes_of(entry).chunks_exact(n_bytes).take(max);
        (0..).zip(values).filter_map(|(i, _)| self.number(entry.at + i * n_bytes as u64, n_bytes)).collect()
    }

    /// Returns the values of an entry of any type, converted to floating-point numbers. Returns at most `max`
    /// values.
    pub(super) fn reals_of(&self, entry: &Entry, max: usize) -> Vec<f64> {
        let numbers = self.numbers_of(entry, max);
        match entry.kind {
            5 | 10 => {
                let fraction = |i: u64| {
                    let (over, under) =
                        (self.number(entry.at + i * 8, 4)?, self.number(entry.at + i * 8 + 4, 4)?);
                    let signed = |v: u64| if entry.kind == 10 { f64::from(v as i32) } else { v as f64 };
                    Some(if under == 0 { 0.0 } else { signed(over) / signed(under) })
                };
                (0..numbers.len() as u64).filter_map(fraction).collect()
            }
            11 => numbers.into_iter().map(|v| f64::from(f32::from_bits(v as u32))).collect(),
            12 => numbers.into_iter().map(f64::from_bits).collect(),
            _ => numbers.into_iter().map(|v| v as f64).collect(),
        }
    }
}

impl Directory {
    /// Returns the first entry with this tag, or `None` if the directory has no such entry.
    pub(super) fn find(&self, tag: u16) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.tag == tag)
    }

    /// Returns the first value of a tag whose type is an integer type, or `None` if there is no such value.
    pub(super) fn number(&self, file: &File<'_>, tag: u16) -> Option<u64> {
        self.find(tag).and_then(|entry| file.numbers_of(entry, 1).first().copied())
    }
}
