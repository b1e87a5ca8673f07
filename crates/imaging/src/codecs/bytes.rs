//! Numbers at places of a file, for the formats that are read by our own code. Beyond the end there is nothing: `None`.

/// An unsigned 16-bit number, low byte first.
pub(super) fn u16_le(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|&b| u16::from_le_bytes(b))
}

/// An unsigned 32-bit number, low byte first.
pub(super) fn u32_le(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|&b| u32::from_le_bytes(b))
}

/// An unsigned 16-bit number, high byte first.
pub(super) fn u16_be(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|&b| u16::from_be_bytes(b))
}

/// An unsigned 32-bit number, high byte first.
pub(super) fn u32_be(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|&b| u32::from_be_bytes(b))
}
