//! The boxes of the ISO base media file format (ISO/IEC 14496-12, 4.2). HEIF, JPEG 2000 and JPEG XL files
//! consist of boxes. This module iterates over boxes and reads their fields; the codecs interpret the
//! content.

/// An iterator over consecutive boxes. Yields the type and the content of each box. The content of a
/// truncated box ends where the data end.
#[derive(Debug, Clone)]
pub(crate) struct Boxes<'a>(&'a [u8]);

impl<'a> Boxes<'a> {
    /// Iterates over the boxes in `data`.
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }
}

impl<'a> Iterator for Boxes<'a> {
    type Item = ([u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (size, rest) = self.0.split_first_chunk()?;
        let (kind, mut rest) = rest.split_first_chunk()?;
        let length = match u32::from_be_bytes(*size) {
            0 => rest.len(),
            1 => {
                let (size, wide) = rest.split_first_chunk()?;
                rest = wide;
                usize::try_from(u64::from_be_bytes(*size).checked_sub(16)?).ok()?
            }
            size => size.checked_sub(8)? as usize,
        };
        let (content, next) = rest.split_at(length.min(rest.len()));
        self.0 = next;
        Some((*kind, content))
    }
}

/// Returns the content of the first box of type `kind` in `boxes`.
pub(crate) fn child<'a>(boxes: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    Boxes::new(boxes).find(|(found, _)| found == kind).map(|(_, content)| content)
}

/// Returns the offset at which the last box of a file ends. If the file ends within the last box, the offset
/// lies beyond the end of the file. Returns `None` if the file ends within the length field of a box.
pub(crate) fn announced_bytes(input: &[u8]) -> Option<u64> {
    let mut at = 0u64;
    while let Some(rest) = usize::try_from(at).ok().and_then(|at| input.get(at..)).filter(|r| !r.is_empty()) {
        let length = match u32::from_be_bytes(*rest.first_chunk()?) {
            0 => rest.len() as u64,
            1 => u64::from_be_bytes(*rest.get(8..)?.first_chunk()?),
            length => length.into(),
        };
        if length < 8 {
            return None;
        }
        at = at.checked_add(length)?;
    }
    Some(at)
}

/// Reads the fields in the content of a box one after the other. Every method returns `None` when the content
/// is too short.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Creates a reader that begins at the first byte of `content`.
    pub(crate) fn new(content: &'a [u8]) -> Self {
        Self(content)
    }

    /// Reads the version and the flags, with which the content of a "full box" of the standard begins.
    pub(crate) fn version_and_flags(&mut self) -> Option<(u8, u32)> {
        let word = self.u32()?;
        Some(((word >> 24) as u8, word & 0x00ff_ffff))
    }

    /// Reads the next `n` bytes.
    pub(crate) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    /// Reads the next `n` bytes, 0 to 8, as an unsigned big-endian integer.
    pub(crate) fn uint(&mut self, n: u8) -> Option<u64> {
        let bytes = self.take(n.into())?;
        (n <= 8).then(|| bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    /// Reads the next byte.
    pub(crate) fn u8(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    /// Reads the next two bytes as a big-endian integer.
    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// Reads the next four bytes as a big-endian integer.
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// Reads the next four bytes if `is_wide`, otherwise the next two bytes, as a big-endian integer.
    pub(crate) fn u32_or_u16(&mut self, is_wide: bool) -> Option<u32> {
        if is_wide { self.u32() } else { self.u16().map(u32::from) }
    }

    /// Reads the next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    /// Reads text up to the next zero byte, or up to the end of the box. The zero byte is skipped, but is not
    /// part of the returned text.
    pub(crate) fn text(&mut self) -> &'a [u8] {
        let end = memchr::memchr(0, self.0).unwrap_or(self.0.len());
        let text = &self.0[..end];
        self.0 = self.0.get(end + 1..).unwrap_or_default();
        text
    }

    /// Returns all bytes that were not read yet.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// Appends a box of type `kind`. `content` appends the content of the box.
pub(crate) fn write_box(out: &mut Vec<u8>, kind: &[u8; 4], content: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(kind);
    content(out);
    let size = u32::try_from(out.len() - start).expect("a box that this crate writes is smaller than 4 GiB");
    out[start..start + 4].copy_from_slice(&size.to_be_bytes());
}

/// The brands in the `ftyp` box of a file, the major brand first. Yields nothing when the file does not begin
/// with an `ftyp` box.
pub(crate) fn brands(input: &[u8]) -> impl Iterator<Item = &[u8; 4]> {
    let content = match Boxes::new(input).next() {
        Some(([b'f', b't', b'y', b'p'], content)) => content,
        _ => &[],
    };
    let chunks = content.as_chunks().0;
    // The four bytes after the major brand are a version number, not a brand, and are skipped.
    chunks.iter().enumerate().filter(|&(i, _)| i != 1).map(|(_, brand)| brand)
}
