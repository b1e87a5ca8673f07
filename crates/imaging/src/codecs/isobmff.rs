//! Boxes of the ISO base media file format (ISO/IEC 14496-12, 4.2), of which HEIF, JPEG 2000 and JPEG XL files are made:
//! walking over them and reading their fields. What a box means is the business of the format that has it.

/// A walk over boxes: type and content. Content that is cut off comes as far as it goes.
#[derive(Debug, Clone)]
pub(super) struct Boxes<'a>(&'a [u8]);

impl<'a> Boxes<'a> {
    /// The boxes that lie one after the other in `data`.
    pub(super) fn new(data: &'a [u8]) -> Self {
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

/// The fields of a box, read one after the other; `None` when it is too short.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// The fields of a box with this content.
    pub(super) fn new(content: &'a [u8]) -> Self {
        Self(content)
    }

    /// Version and flags, with which a "full box" begins.
    pub(super) fn version_and_flags(&mut self) -> Option<(u8, u32)> {
        let word = self.u32()?;
        Some(((word >> 24) as u8, word & 0x00ff_ffff))
    }

    /// The next `n` bytes.
    pub(super) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    /// An unsigned number of `n` bytes, 0 to 8.
    pub(super) fn uint(&mut self, n: u8) -> Option<u64> {
        let bytes = self.take(n.into())?;
        (n <= 8).then(|| bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    /// A text that ends with a zero byte, or with the box.
    pub(super) fn text(&mut self) -> &'a [u8] {
        let end = memchr::memchr(0, self.0).unwrap_or(self.0.len());
        let text = &self.0[..end];
        self.0 = self.0.get(end + 1..).unwrap_or_default();
        text
    }

    /// What is left.
    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// Writes a box around what `content` writes.
pub(super) fn write_box(out: &mut Vec<u8>, kind: &[u8; 4], content: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(kind);
    content(out);
    let size = u32::try_from(out.len() - start).expect("our files are far below 4 GiB");
    out[start..start + 4].copy_from_slice(&size.to_be_bytes());
}

/// The brands of a `ftyp` box, the major one first.
pub(super) fn brands(input: &[u8]) -> impl Iterator<Item = &[u8; 4]> {
    let content = match Boxes::new(input).next() {
        Some(([b'f', b't', b'y', b'p'], content)) => content,
        _ => &[],
    };
    let chunks = content.as_chunks().0;
    // Between the major and the others stands a version number.
    chunks.iter().enumerate().filter(|&(i, _)| i != 1).map(|(_, brand)| brand)
}
