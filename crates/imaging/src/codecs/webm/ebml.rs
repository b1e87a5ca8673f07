//! The elements that Matroska is made of (RFC 8794): an identifier, a length, a content.

/// Appends an element of these bytes.
pub(super) fn bytes(out: &mut Vec<u8>, id: u32, content: &[u8]) {
    out.extend(id_bytes(id));
    out.extend(length(content.len()));
    out.extend_from_slice(content);
}

/// Appends an unsigned number in as few bytes as it needs.
pub(super) fn uint(out: &mut Vec<u8>, id: u32, value: u64) {
    let n_bytes = (8 - value.leading_zeros() as usize / 8).max(1);
    bytes(out, id, &value.to_be_bytes()[8 - n_bytes..]);
}

/// Appends an unsigned number in eight bytes, so that its element is as long whatever it says.
pub(super) fn wide_uint(out: &mut Vec<u8>, id: u32, value: u64) {
    bytes(out, id, &value.to_be_bytes());
}

/// Appends a floating-point number.
pub(super) fn float(out: &mut Vec<u8>, id: u32, value: f64) {
    bytes(out, id, &value.to_be_bytes());
}

/// Appends a text.
pub(super) fn text(out: &mut Vec<u8>, id: u32, value: &str) {
    bytes(out, id, value.as_bytes());
}

/// Appends an element of elements.
pub(super) fn master(out: &mut Vec<u8>, id: u32, content: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    content(&mut inner);
    bytes(out, id, &inner);
}

/// An identifier, whose own first bits say how long it is.
fn id_bytes(id: u32) -> impl Iterator<Item = u8> {
    id.to_be_bytes().into_iter().skip(id.leading_zeros() as usize / 8)
}

/// A length in eight bytes, of which the first says so.
fn length(n_bytes: usize) -> [u8; 8] {
    (n_bytes as u64 | 1 << 56).to_be_bytes()
}
