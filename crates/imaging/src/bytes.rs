//! Reads integers at byte offsets of a file. Every function returns `None` when the integer would end after
//! the last byte of the file.

/// The unsigned 16-bit little-endian integer at offset `at`.
pub(crate) fn u16_le(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|&b| u16::from_le_bytes(b))
}

/// The unsigned 32-bit little-endian integer at offset `at`.
pub(crate) fn u32_le(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|&b| u32::from_le_bytes(b))
}

/// The unsigned 16-bit big-endian integer at offset `at`.
pub(crate) fn u16_be(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|&b| u16::from_be_bytes(b))
}

/// The unsigned 32-bit big-endian integer at offset `at`.
pub(crate) fn u32_be(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|&b| u32::from_be_bytes(b))
}
