//! Writes EBML elements (RFC 8794). A Matroska file consists of such elements; each has an identifier, a
//! length and a content.

/// Appends an element whose content is a string of bytes.
pub(super) fn bytes(out: &mut Vec<u8>, id: u32, content: &[u8]) {
    out.extend(id_bytes(id));
    out.extend(length(content.len()));
    out.extend_from_slice(content);
}

/// Appends an element with an unsigned integer, in as few bytes as possible.
pub(super) fn uint(out: &mut Vec<u8>, id: u32, value: u64) {
    let n_bytes = (8 - value.leading_zeros() as usize / 8).max(1);
    bytes(out, id, &value.to_be_bytes()[8 - n_bytes..]);
}

/// Appends an element with an unsigned integer in eight bytes, so that the length of the element does not
/// depend on the value.
pub(super) fn wide_uint(out: &mut Vec<u8>, id: u32, value: u64) {
    bytes(out, id, &value.to_be_bytes());
}

/// Appends an element with a floating-point number.
pub(super) fn float(out: &mut Vec<u8>, id: u32, value: f64) {
    bytes(out, id, &value.to_be_bytes());
}

/// Appends an element whose content is a text.
pub(super) fn text(out: &mut Vec<u8>, id: u32, value: &str) {
    bytes(out, id, value.as_bytes());
}

/// Appends an element that contains other elements. The function `content` appends the inner elements.
pub(super) fn master(out: &mut Vec<u8>, id: u32, content: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    content(&mut inner);
    bytes(out, id, &inner);
}

/// Returns the bytes of an element identifier. The number of leading zero bits of an identifier states its
/// length.
fn id_bytes(id: u32) -> impl Iterator<Item = u8> {
    id.to_be_bytes().into_iter().skip(id.leading_zeros() as usize / 8)
}

/// Encodes a length in eight bytes. The first byte is 1, which states that the length has eight bytes.
fn length(n_bytes: usize) -> [u8; 8] {
    (n_bytes as u64 | 1 << 56).to_be_bytes()
}
