//! Scans the chunks of a PNG file for the properties of its animation (APNG, now part of ISO/IEC 15948).

use crate::truncation::{MissingPart, Truncation};

/// The properties of a file with at least one animation frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan {
    pub(super) n_frames: u32,
    /// How many times the animation plays. `None` means that it repeats endlessly.
    pub(super) plays: Option<u16>,
    /// Whether the default image is the first frame of the animation. A default image that is not a frame is
    /// shown only by readers without APNG support.
    pub(super) starts_with_default: bool,
    /// Whether pixels of the canvas can be transparent although all colours of the file are opaque. This is
    /// so if the first frame is smaller than the canvas, or if a frame is cleared.
    pub(super) uncovers: bool,
    /// The number of frames that the file states. The value is never smaller than `n_frames`.
    pub(super) n_announced: u32,
    /// Whether the file ends before the end of the last chunk.
    pub(super) is_cut_off: bool,
}

impl Scan {
    /// How much of the animation is missing if the file is cut off and only `n_complete` frames are complete.
    /// `None` if no frame is complete, because such a file cannot be decoded at all.
    pub(super) fn truncation(self, n_complete: u32) -> Option<Truncation> {
        let lacks_frames = self.is_cut_off && n_complete > 0;
        let n_missing = if lacks_frames { self.n_announced.saturating_sub(n_complete) } else { 0 };
        Truncation::new(MissingPart::Frames, n_missing.into(), self.n_announced.into())
    }
}

/// Returns the offset at which the last chunk ends. If the file has no complete `IEND` chunk, the offset lies
/// beyond the end of the file. Returns `None` if the bytes are not a sequence of chunks.
pub(in crate::codecs) fn announced_bytes(input: &[u8]) -> Option<u64> {
    const LEAST_CHUNK_BYTES: u64 = 12;
    let mut at = 8u64;
    loop {
        let chunk = usize::try_from(at).ok().and_then(|at| input.get(at..));
        let Some(&[l0, l1, l2, l3, ref kind @ ..]) = chunk.and_then(|chunk| chunk.first_chunk::<8>()) else {
            return Some(at + LEAST_CHUNK_BYTES);
        };
        if !kind.iter().all(u8::is_ascii_alphabetic) {
            return None;
        }
        at += u64::from(u32::from_be_bytes([l0, l1, l2, l3])) + LEAST_CHUNK_BYTES;
        if kind == b"IEND" || at > input.len() as u64 {
            return Some(at);
        }
    }
}

/// Returns the length of the chunk at the start of `bytes`, with its header and its checksum. If the chunk is
/// cut off, returns the number of bytes that are present.
pub(super) fn chunk_end(bytes: &[u8]) -> usize {
    let length = bytes.first_chunk().map_or(0, |length| u32::from_be_bytes(*length) as usize);
    length.saturating_add(12).min(bytes.len())
}

/// Iterates over the chunks of a file: type and data. Stops at the first chunk that is malformed or
/// truncated.
pub(super) fn chunks(input: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = input.get(8..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk()?;
        let (kind, after) = after.split_first_chunk()?;
        let length = u32::from_be_bytes(*length) as usize;
        let data = after.get(..length)?;
        rest = after.get(length + 4..).unwrap_or_default();
        Some((*kind, data))
    })
}

/// Whether a chunk before the picture data announces an animation.
pub(super) fn announces_animation(input: &[u8]) -> bool {
    chunks(input).take_while(|(kind, _)| kind != b"IDAT").any(|(kind, _)| kind == *b"acTL")
}

/// Scans all chunks of a file. Returns `None` when the file has no animation.
pub(super) fn scan(input: &[u8], width: u32, height: u32) -> Option<Scan> {
    let mut announced = None;
    let mut scan = Scan {
        n_frames: 0,
        plays: None,
        starts_with_default: false,
        uncovers: false,
        n_announced: 0,
        is_cut_off: true,
    };
    let mut before_data = true;
    for (kind, data) in chunks(input) {
        match &kind {
            b"acTL" if before_data && announced.is_none() => {
                let &[f0, f1, f2, f3, p0, p1, p2, p3] = data.first_chunk::<8>()?;
                announced = Some(u32::from_be_bytes([f0, f1, f2, f3]));
                let plays = u32::from_be_bytes([p0, p1, p2, p3]);
                scan.plays = (plays != 0).then(|| u16::try_from(plays).unwrap_or(u16::MAX));
            }
            b"IDAT" => before_data = false,
            b"IEND" => scan.is_cut_off = false,
            b"fcTL" => {
                let data = data.first_chunk::<26>()?;
                let number =
                    |at: usize| u32::from_be_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]]);
                if scan.n_frames == 0 {
                    scan.starts_with_default = before_data;
                    scan.uncovers |= number(4) < width || number(8) < height;
                }
                scan.uncovers |= data[24] == 1;
                scan.n_frames += 1;
            }
            _ => {}
        }
    }
    scan.n_announced = announced?;
    scan.n_frames = scan.n_frames.min(scan.n_announced);
    (scan.n_frames > 0).then_some(scan)
}
