//! Writes TIFF directories in little-endian order, for TIFF files and for EXIF blocks, which are small TIFF
//! files.

/// A directory entry that will be written.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) tag: u16,
    pub(super) kind: u16,
    pub(super) count: u32,
    /// The bytes of the entry's values, in little-endian order.
    pub(super) bytes: Vec<u8>,
}

impl Field {
    /// Creates an entry whose values are 16-bit integers.
    pub(super) fn shorts(tag: u16, values: &[u16]) -> Self {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Self { tag, kind: 3, count: values.len() as u32, bytes }
    }

    /// Creates an entry whose values are 32-bit integers.
    pub(super) fn longs(tag: u16, values: &[u32]) -> Self {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Self { tag, kind: 4, count: values.len() as u32, bytes }
    }

    /// Creates an entry whose only value is a fraction of two 32-bit integers.
    pub(super) fn rational(tag: u16, over: u32, under: u32) -> Self {
        let bytes = [over, under].map(u32::to_le_bytes).as_flattened().to_vec();
        Self { tag, kind: 5, count: 1, bytes }
    }
}

/// Returns a file header in which the offset of the first directory is 0. [`set_first`] sets the offset
/// later.
pub(super) const HEADER: &[u8; 8] = b"II*\0\0\0\0\0";

/// Writes the offset of the first directory into the file header.
pub(super) fn set_first(file: &mut [u8], at: u32) {
    file[4..8].copy_from_slice(&at.to_le_bytes());
}

/// Appends a directory that states no next directory. Returns the offset of the directory.
pub(super) fn push_directory(mut fields: Vec<Field>, file: &mut Vec<u8>) -> u32 {
    // TIFF requires that the entries of a directory are sorted by tag.
    fields.sort_by_key(|field| field.tag);
    file.resize(file.len().next_multiple_of(2), 0);
    let at = file.len();
    let mut values = Vec::new();
    let values_at = at + 2 + 12 * fields.len() + 4;
    file.extend((fields.len() as u16).to_le_bytes());
    for Field { tag, kind, count, mut bytes } in fields {
        file.extend([tag, kind].map(u16::to_le_bytes).as_flattened());
        file.extend(count.to_le_bytes());
        if bytes.len() <= 4 {
            bytes.resize(4, 0);
            file.extend_from_slice(&bytes);
        } else {
            file.extend(((values_at + values.len()) as u32).to_le_bytes());
            values.extend_from_slice(&bytes);
            values.resize(values.len().next_multiple_of(2), 0);
        }
    }
    file.extend([0; 4]);
    file.extend_from_slice(&values);
    at as u32
}
