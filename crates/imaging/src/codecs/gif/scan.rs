//! Scans the blocks of a GIF file for the size of the canvas, the number of frames, transparency and the loop
//! count. No pixels are decoded, so the time is proportional to the number of blocks.

use super::corrupt;
use crate::Error;
use crate::limits::FileBudget;
use crate::truncation::{MissingPart, Truncation};

/// The properties of a GIF file that has at least one frame.
#[derive(Debug, Clone, Default)]
pub(super) struct Scan {
    /// Width of the canvas. The canvas is the logical screen of the file, enlarged if the first frame does
    /// not fit into it.
    pub(super) width: u32,
    /// Height of the canvas.
    pub(super) height: u32,
    /// The number of bits per pixel, which the size of the first frame's colour table determines.
    pub(super) depth: u8,
    /// Whether the first frame is interlaced.
    pub(super) interlaced: bool,
    pub(super) n_frames: u32,
    /// Whether a frame is removed before the next one, so that the pixels under it must be kept.
    pub(super) restores: bool,
    /// Whether at least one frame has neither a local nor a global colour table.
    pub(super) lacks_colors: bool,
    /// Whether a pixel of a composed frame can be transparent.
    pub(super) alpha: bool,
    /// How many times the animation plays. `None` means that it repeats endlessly.
    pub(super) plays: Option<u16>,
    /// The number of frames that begin before the end of the file. The number is greater than `n_frames` if
    /// the file ends within the header of a frame.
    pub(super) n_begun: u32,
    /// Whether the file ends within the data of the last frame.
    pub(super) is_cut_off: bool,
    /// Whether the file contains the trailer, which is the end marker of a GIF file.
    pub(super) has_trailer: bool,
}

impl Scan {
    /// How much of the animation is missing if only `n_complete` frames are complete. The result is a lower
    /// bound, because a GIF file does not state its number of frames.
    pub(super) fn truncation(&self, n_complete: u32) -> Option<Truncation> {
        let n_missing = self.n_begun - n_complete.min(self.n_begun);
        Truncation::new(MissingPart::Frames, n_missing.into(), self.n_begun.into()).map(Truncation::or_more)
    }
}

/// A reader that returns the bytes of the file one after the other.
struct Reader<'a> {
    input: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.input.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = self.input.get(self.at..)?.first_chunk()?;
        self.at += N;
        Some(*bytes)
    }

    /// Skips data sub-blocks, up to and including the empty sub-block that ends them.
    fn skip_blocks(&mut self) -> Option<()> {
        loop {
            match self.byte()? {
                0 => return Some(()),
                length => self.at += usize::from(length),
            }
        }
    }
}

/// Scans the blocks of a GIF file. Fails when the header is cut off, the file has no frame, or a side of the
/// canvas is zero.
pub(super) fn scan(input: &[u8], budget: &mut FileBudget<'_>) -> Result<Scan, Error> {
    let mut reader = Reader { input, at: 6 };
    let mut scan = Scan { plays: Some(1), ..Scan::default() };
    let screen: [u8; 7] = reader.take().ok_or_else(|| corrupt("the header is cut off"))?;
    scan.width = u16::from_le_bytes([screen[0], screen[1]]).into();
    scan.height = u16::from_le_bytes([screen[2], screen[3]]).into();
    let global = color_table(screen[4], &mut reader);
    // After the header, the file may be truncated. In this case, the blocks before the end of the file are
    // counted.
    while let Some(kind) = reader.byte() {
        if matches!(kind, 0x2c | 0x21) {
            budget.part()?;
        }
        let start = reader.at;
        let Some(is_trailer) = block(kind, &mut reader, &mut scan, global) else {
            scan.is_cut_off = kind == 0x2c && scan.n_begun == scan.n_frames;
            break;
        };
        if kind == 0x21 {
            budget.metadata(reader.at.min(input.len()).saturating_sub(start))?;
        }
        if is_trailer {
            scan.has_trailer = true;
            break;
        }
    }
    match scan.n_frames {
        0 if reader.at >= input.len() => Err(corrupt("no frame: the file is cut off")),
        0 => Err(corrupt("no frame")),
        _ if scan.width == 0 || scan.height == 0 => Err(corrupt("a side is zero")),
        _ => Ok(scan),
    }
}

/// Skips a colour table. Returns the number of bits of an index into the colour table, or `None` if `flags`
/// says that there is no table.
fn color_table(flags: u8, reader: &mut Reader<'_>) -> Option<u8> {
    (flags & 0x80 != 0).then(|| {
        let bits = (flags & 7) + 1;
        reader.at += 3 << bits;
        bits
    })
}

/// Reads a block of the kind `kind`, whose first byte was already read. Returns `true` if the block is the
/// trailer, which ends the file, and `None` if the file is truncated.
fn block(kind: u8, reader: &mut Reader<'_>, scan: &mut Scan, global: Option<u8>) -> Option<bool> {
    match kind {
        0x2c => image(reader, scan, global)?,
        0x21 => extension(reader, scan)?,
        0x3b => return Some(true),
        // Unknown bytes between blocks are skipped, as other decoders do.
        _ => {}
    }
    Some(false)
}

fn image(reader: &mut Reader<'_>, scan: &mut Scan, global: Option<u8>) -> Option<()> {
    scan.n_begun += 1;
    let [x0, x1, y0, y1, w0, w1, h0, h1, flags] = reader.take()?;
    let [left, top] = [u16::from_le_bytes([x0, x1]), u16::from_le_bytes([y0, y1])].map(u32::from);
    let [width, height] = [u16::from_le_bytes([w0, w1]), u16::from_le_bytes([h0, h1])].map(u32::from);
    let local = color_table(flags, reader);
    scan.n_frames += 1;
    scan.lacks_colors |= local.or(global).is_none();
    if scan.n_frames == 1 {
        scan.width = scan.width.max(left + width);
        scan.height = scan.height.max(top + height);
        scan.depth = local.or(global).unwrap_or(8);
        scan.interlaced = flags & 0x40 != 0;
        scan.alpha |= left > 0 || top > 0 || width < scan.width || height < scan.height;
    }
    // Skips the byte with the minimum code size of LZW, and then the blocks of LZW data.
    reader.byte()?;
    reader.skip_blocks()
}

fn extension(reader: &mut Reader<'_>, scan: &mut Scan) -> Option<()> {
    match reader.byte()? {
        // The code 0xf9 introduces a graphic control extension.
        0xf9 => {
            if let Some([4, flags, ..]) = reader.input.get(reader.at..) {
                // A transparent pixel makes the canvas transparent only in the first frame. In a later frame,
                // such a pixel leaves the canvas unchanged. A frame with disposal method 2 also makes its
                // area of the canvas transparent.
                let (disposal, transparent) = ((flags >> 2) & 7, flags & 1 != 0);
                scan.restores |= disposal == 3;
                scan.alpha |= disposal == 2 || (transparent && scan.n_frames == 0);
            }
        }
        // The code 0xff introduces an application extension. The extension that Netscape defined contains the
        // loop count, where 0 means that the animation repeats endlessly.
        0xff => {
            if let Some(rest) = reader.input.get(reader.at..)
                && let Some(body) = rest
                    .strip_prefix(b"\x0bNETSCAPE2.0\x03\x01")
                    .or_else(|| rest.strip_prefix(b"\x0bANIMEXTS1.0\x03\x01"))
                && let Some(repeats) = body.first_chunk()
            {
                let repeats = u16::from_le_bytes(*repeats);
                scan.plays = (repeats != 0).then(|| repeats.saturating_add(1));
            }
        }
        _ => {}
    }
    reader.skip_blocks()
}
