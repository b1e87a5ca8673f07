//! Iterates over the chunks of a WebP file (RFC 9649, section 2.3) and over the frames of an animation, and
//! finds out how much of an animation is missing if the file is cut off. Nothing is decoded.

use crate::bytes::u32_le;
use crate::truncation::{MissingPart, Truncation};

/// Iterates over chunks and yields the type and the data of each. If the file ends within a chunk, yields the
/// data up to the end of the file.
#[derive(Debug, Clone)]
pub(super) struct Chunks<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Chunks<'a> {
    type Item = ([u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (kind, rest) = self.0.split_first_chunk()?;
        let (size, rest) = rest.split_first_chunk()?;
        let size = u32::from_le_bytes(*size) as usize;
        let data = &rest[..size.min(rest.len())];
        // A chunk of odd length is followed by a padding byte, because chunks begin at even offsets.
        self.0 = rest.get(size.saturating_add(size & 1)..).unwrap_or_default();
        Some((*kind, data))
    }
}

impl Chunks<'_> {
    /// Returns the number of bytes by which the next chunk extends beyond the end of the file.
    fn n_missing(&self) -> usize {
        let n_stated = u32_le(self.0, 4).map_or(0, |size| size as usize);
        n_stated.saturating_sub(self.0.len().saturating_sub(8))
    }
}

/// Iterates over the data of the `ANMF` chunks, which contain the frames of an animation. A frame that the
/// end of the file cuts off is omitted, except the first frame.
#[derive(Debug, Clone)]
pub(super) struct Frames<'a> {
    chunks: Chunks<'a>,
    has_begun: bool,
}

impl<'a> Frames<'a> {
    pub(super) fn new(chunks: Chunks<'a>) -> Self {
        Self { chunks, has_begun: false }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let is_cut_off = self.chunks.n_missing() > 0;
            let (kind, data) = self.chunks.next()?;
            if kind == *b"ANMF" && !(is_cut_off && self.has_begun) {
                self.has_begun = true;
                return Some(data);
            }
        }
    }
}

/// Returns how much of an animation is missing because the file is cut off, measured in bytes. If the file
/// ends within metadata, no frame is missing, because metadata follow the frames. Returns `None` if no frame
/// is missing, and also if the first frame is cut off, because such a file cannot be decoded.
pub(super) fn missing_frames(input: &[u8], mut chunks: Chunks<'_>) -> Option<Truncation> {
    /// The smallest size of a frame: 8 bytes for the header of the `ANMF` chunk and 16 bytes for the frame
    /// header.
    const LEAST_FRAME_BYTES: u64 = 24;
    let (mut last, mut n_cut, mut n_complete) = (None, 0, 0);
    while !chunks.0.is_empty() {
        n_cut = chunks.n_missing() as u64;
        let Some((kind, _)) = chunks.next() else { break };
        n_complete += u32::from(kind == *b"ANMF" && n_cut == 0);
        last = Some(kind);
    }
    let n_bytes = input.len() as u64;
    let n_announced = u32_le(input, 4).map_or(0, |size| u64::from(size) + 8).max(n_bytes + n_cut);
    let n_missing = n_announced.saturating_sub(n_bytes);
    let lacks_frames = n_complete > 0 && (n_cut > 0 || n_missing >= LEAST_FRAME_BYTES);
    (lacks_frames && !matches!(last.as_ref(), Some(b"EXIF" | b"XMP ")))
        .then(|| Truncation::new(MissingPart::Frames, n_missing, n_announced))
        .flatten()
}
