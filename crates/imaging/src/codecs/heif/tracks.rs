//! Reads the `moov` box of a HEIF file (ISO/IEC 14496-12 and 23008-12, 7): the track of a sequence of
//! pictures, the track with their alpha planes, and for each picture the location of its data and its
//! duration. Decodes nothing.

use super::container::Budget;
use super::properties::Color;
use crate::Error;
use crate::isobmff::{Boxes, Fields, child};

/// Length of the fixed fields of a sample description. The boxes that describe the coding follow.
const SAMPLE_ENTRY_BYTES: usize = 78;

/// One coded picture of a track.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    offset: u64,
    n_bytes: u32,
    /// How long the picture is shown, in milliseconds.
    pub(super) delay_ms: u32,
    /// Whether the picture can be decoded without the pictures before it.
    pub(super) is_sync: bool,
}

impl Sample {
    /// Returns the data of the picture, or `None` if the file ends before them.
    pub(super) fn data<'a>(&self, file: &'a [u8]) -> Option<&'a [u8]> {
        let rest = file.get(usize::try_from(self.offset).ok()?..)?;
        rest.get(..self.n_bytes as usize).filter(|data| !data.is_empty())
    }
}

/// A track of coded pictures.
#[derive(Debug)]
pub(super) struct Track<'a> {
    id: u32,
    /// The type of the coded pictures, e.g. `av01`.
    pub(super) kind: [u8; 4],
    pub(super) width: u32,
    pub(super) height: u32,
    /// The content of the box `av1C` or `hvcC`.
    pub(super) configuration: &'a [u8],
    pub(super) color: Color<'a>,
    pub(super) samples: Vec<Sample>,
    /// How many times the track plays. `None` means that it repeats endlessly or does not state a number.
    pub(super) plays: Option<u16>,
    /// The track whose alpha planes this track contains.
    alpha_of: Option<u32>,
    /// The track whose colours are premultiplied with the alpha planes of this track.
    premultiplies: Option<u32>,
}

/// The tracks of a sequence of pictures.
#[derive(Debug)]
pub(super) struct Tracks<'a> {
    pub(super) color: Track<'a>,
    pub(super) alpha: Option<Track<'a>>,
    pub(super) premultiplied: bool,
}

/// Reads the content of a `moov` box. Returns `None` if no track has pictures that this build can describe.
///
/// # Errors
/// [`Error::Limit`] if the tracks have too many parts.
pub(super) fn read<'a>(moov: &'a [u8], budget: &mut Budget) -> Result<Option<Tracks<'a>>, Error> {
    let mut tracks = Vec::new();
    for (kind, content) in Boxes::new(moov) {
        budget.spend(1)?;
        if kind == *b"trak" {
            tracks.extend(track(content, budget)?);
        }
    }
    let Some(main) = tracks.iter().position(|track| track.alpha_of.is_none()) else { return Ok(None) };
    let color = tracks.swap_remove(main);
    let alpha = tracks.into_iter().find(|track| track.alpha_of == Some(color.id));
    let premultiplied = alpha.as_ref().is_some_and(|alpha| color.premultiplies == Some(alpha.id));
    Ok(Some(Tracks { color, alpha, premultiplied }))
}

/// Reads a track. Returns `None` for a track without pictures and for a malformed one.
fn track<'a>(trak: &'a [u8], budget: &mut Budget) -> Result<Option<Track<'a>>, Error> {
    let Some(media) = child(trak, b"mdia") else { return Ok(None) };
    let Some(handler) = child(media, b"hdlr").and_then(|content| content.get(8..12)) else { return Ok(None) };
    let table = child(media, b"minf").and_then(|info| child(info, b"stbl"));
    let Some(table) = table.filter(|_| matches!(handler, b"pict" | b"vide" | b"auxv")) else {
        return Ok(None);
    };
    let samples = samples(table, timescale(media).unwrap_or(0), budget)?;
    Ok(samples.filter(|samples| !samples.is_empty()).and_then(|samples| described(trak, table, samples)))
}

/// Combines the samples of a track with the description of the track.
fn described<'a>(trak: &'a [u8], table: &'a [u8], samples: Vec<Sample>) -> Option<Track<'a>> {
    let (id, duration) = identity(child(trak, b"tkhd")?)?;
    let (kind, entry) = Boxes::new(child(table, b"stsd")?.get(8..)?).next()?;
    let boxes = entry.get(SAMPLE_ENTRY_BYTES..)?;
    let configuration = match &kind {
        b"av01" => child(boxes, b"av1C")?,
        b"hvc1" | b"hev1" => child(boxes, b"hvcC")?,
        _ => return None,
    };
    let side = |at: usize| Some(u32::from(u16::from_be_bytes(*entry.get(at..)?.first_chunk()?)));
    let (width, height) = (side(24)?, side(26)?);
    let mut color = Color::unspecified();
    color.take_all(Boxes::new(boxes));
    let reference = |kind| {
        let targets = child(child(trak, b"tref")?, kind)?;
        targets.first_chunk().map(|id| u32::from_be_bytes(*id))
    };
    (width > 0 && height > 0).then(|| Track {
        id,
        kind,
        width,
        height,
        configuration,
        color,
        samples,
        plays: plays(trak, duration),
        alpha_of: reference(b"auxl"),
        premultiplies: reference(b"prem"),
    })
}

/// Reads the number of time units per second from the box `mdhd`.
fn timescale(media: &[u8]) -> Option<u32> {
    let mut fields = Fields::new(child(media, b"mdhd")?);
    let (version, _) = fields.version_and_flags()?;
    fields.take(if version == 1 { 16 } else { 8 })?;
    fields.u32()
}

/// Reads the identifier and the duration of a track from the box `tkhd`. A duration of `u64::MAX` means that
/// the track never ends.
fn identity(tkhd: &[u8]) -> Option<(u32, u64)> {
    let mut fields = Fields::new(tkhd);
    let (version, _) = fields.version_and_flags()?;
    let is_long = version == 1;
    fields.take(if is_long { 16 } else { 8 })?;
    let id = fields.u32()?;
    fields.take(4)?;
    let duration = fields.uint(if is_long { 8 } else { 4 })?;
    Some((id, if !is_long && duration == u32::MAX.into() { u64::MAX } else { duration }))
}

/// Returns how many times a track plays: an edit list with the flag for repetition repeats until the duration
/// of the track is reached (ISO/IEC 23008-12, 7.2.2).
fn plays(trak: &[u8], duration: u64) -> Option<u16> {
    let mut fields = Fields::new(child(child(trak, b"edts")?, b"elst")?);
    let (version, flags) = fields.version_and_flags()?;
    let _n_entries = fields.u32()?;
    let once = fields.uint(if version == 1 { 8 } else { 4 })?;
    if flags & 1 == 0 {
        return Some(1);
    }
    if duration == u64::MAX || once == 0 {
        return None;
    }
    Some(u16::try_from(duration.div_ceil(once)).unwrap_or(u16::MAX).max(1))
}

/// Reads the tables of a track. Returns `None` if a table is missing or malformed.
fn samples(table: &[u8], timescale: u32, budget: &mut Budget) -> Result<Option<Vec<Sample>>, Error> {
    let Some((same_size, n_samples, sizes)) = sizes(table) else { return Ok(None) };
    budget.spend(n_samples)?;
    let Some(mut offsets) = Offsets::new(table) else { return Ok(None) };
    let mut delays = Delays { entries: runs(table, b"stts"), n_left: 0, units: 0, timescale };
    let sync: Option<Vec<u32>> =
        list(table, b"stss").map(|numbers| numbers.iter().map(|n| u32::from_be_bytes(*n)).collect());
    let mut samples = Vec::with_capacity(n_samples);
    for i in 0..n_samples {
        let n_bytes =
            if same_size > 0 { Some(same_size) } else { sizes.get(i).map(|n| u32::from_be_bytes(*n)) };
        let Some(n_bytes) = n_bytes else { return Ok(None) };
        let Some(offset) = offsets.next(n_bytes) else { return Ok(None) };
        let is_sync = sync.as_ref().is_none_or(|sync| sync.binary_search(&(i as u32 + 1)).is_ok());
        samples.push(Sample { offset, n_bytes, delay_ms: delays.next_ms(), is_sync });
    }
    Ok(Some(samples))
}

/// Reads the box `stsz`: the size that all samples have, or 0; the number of samples; the sizes of the
/// samples if they differ.
fn sizes(table: &[u8]) -> Option<(u32, usize, &[[u8; 4]])> {
    let mut fields = Fields::new(child(table, b"stsz")?);
    fields.version_and_flags()?;
    let (same_size, n_samples) = (fields.u32()?, fields.u32()? as usize);
    Some((same_size, n_samples, fields.rest().as_chunks().0))
}

/// The numbers of a box that consists of version and flags, a count, and as many numbers of four bytes.
fn list<'a>(table: &'a [u8], kind: &[u8; 4]) -> Option<&'a [[u8; 4]]> {
    let mut fields = Fields::new(child(table, kind)?);
    fields.version_and_flags()?;
    let _n_entries = fields.u32()?;
    Some(fields.rest().as_chunks().0)
}

/// The pairs of numbers of a box that consists of version and flags, a count, and as many pairs.
fn runs<'a>(table: &'a [u8], kind: &[u8; 4]) -> &'a [[[u8; 4]; 2]] {
    list(table, kind).unwrap_or_default().as_chunks().0
}

/// Yields the durations of the samples from the box `stts`, whose entries are runs of equal durations.
struct Delays<'a> {
    entries: &'a [[[u8; 4]; 2]],
    n_left: u32,
    units: u32,
    timescale: u32,
}

impl Delays<'_> {
    fn next_ms(&mut self) -> u32 {
        while self.n_left == 0
            && let Some((&[n, units], rest)) = self.entries.split_first()
        {
            (self.n_left, self.units, self.entries) =
                (u32::from_be_bytes(n), u32::from_be_bytes(units), rest);
        }
        self.n_left = self.n_left.saturating_sub(1);
        let scale = u64::from(self.timescale.max(1));
        let ms = (u64::from(self.units) * 1000 + scale / 2) / scale;
        u32::try_from(ms).unwrap_or(u32::MAX)
    }
}

/// Yields the offsets of the samples. Samples are stored in chunks without gaps; the boxes `stco` or `co64`
/// contain the offset of each chunk, and the box `stsc` contains runs of chunks with equally many samples.
struct Offsets<'a> {
    chunks: &'a [u8],
    /// Length of an offset in the file: 4 or 8 bytes.
    offset_bytes: usize,
    /// The number of the next chunk, counted from 1.
    chunk: u32,
    runs: &'a [[[u8; 4]; 3]],
    n_per_chunk: u32,
    /// The number of samples that are left in the current chunk.
    n_left: u32,
    at: u64,
}

impl<'a> Offsets<'a> {
    fn new(table: &'a [u8]) -> Option<Self> {
        let (content, offset_bytes) = match child(table, b"stco") {
            Some(content) => (content, 4),
            None => (child(table, b"co64")?, 8),
        };
        let runs = list(table, b"stsc")?.as_chunks().0;
        Some(Self {
            chunks: content.get(8..)?,
            offset_bytes,
            chunk: 1,
            runs,
            n_per_chunk: 0,
            n_left: 0,
            at: 0,
        })
    }

    /// Returns the offset of the next sample, which has `n_bytes` bytes. `None` if the tables contain no
    /// further sample.
    fn next(&mut self, n_bytes: u32) -> Option<u64> {
        while self.n_left == 0 {
            let (offset, rest) = self.chunks.split_at_checked(self.offset_bytes)?;
            self.chunks = rest;
            self.at = offset.iter().fold(0, |number, &byte| number << 8 | u64::from(byte));
            if let Some((&[first, n_per_chunk, _], rest)) = self.runs.split_first()
                && u32::from_be_bytes(first) <= self.chunk
            {
                self.n_per_chunk = u32::from_be_bytes(n_per_chunk);
                self.runs = rest;
            }
            self.n_left = self.n_per_chunk;
            self.chunk += 1;
        }
        self.n_left -= 1;
        let offset = self.at;
        self.at = self.at.checked_add(n_bytes.into())?;
        Some(offset)
    }
}
