//! Reads the chunks of a WebP file (RFC 9649, section 2): canvas, metadata and the coded pictures. Decodes no
//! pixels.

use super::chunks::{Chunks, Frames, missing_frames};
use crate::Error;
use crate::codecs::canvas::Area;
use crate::limits::FileBudget;
use crate::truncation::Truncation;

/// The properties of a WebP file.
#[derive(Debug)]
pub(super) struct Container<'a> {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Whether a pixel can be transparent or translucent.
    pub(super) alpha: bool,
    /// Whether at least one picture is coded with loss (VP8).
    pub(super) lossy: bool,
    pub(super) n_frames: u32,
    /// How much of an animation is missing because the file is cut off.
    pub(super) truncation: Option<Truncation>,
    /// How many times the animation plays. `None` means that it repeats endlessly.
    pub(super) plays: Option<u16>,
    pub(super) profile: Option<&'a [u8]>,
    pub(super) exif: Option<&'a [u8]>,
    pub(super) xmp: Option<&'a [u8]>,
    pub(super) content: Content<'a>,
}

/// The coded pictures of a file.
#[derive(Debug, Clone)]
pub(super) enum Content<'a> {
    /// The file has one picture, which has the size of the canvas.
    Still(Coded<'a>),
    /// The file is an animation.
    Animation(Frames<'a>),
}

/// A coded picture: a still picture or a frame of an animation.
#[derive(Debug, Clone, Copy)]
pub(super) enum Coded<'a> {
    /// VP8, the lossy coding. The alpha plane is coded separately.
    Lossy { data: &'a [u8], alpha: Option<&'a [u8]> },
    /// VP8L, the lossless coding.
    Lossless { data: &'a [u8] },
}

/// A frame of an animation.
#[derive(Debug)]
pub(super) struct FrameChunk<'a> {
    pub(super) area: Area,
    pub(super) delay_ms: u32,
    /// Whether the frame is composited over the canvas. If not, the pixels of the frame replace the pixels of
    /// the canvas.
    pub(super) blends: bool,
    /// Whether the area of the frame becomes transparent before the next frame is drawn.
    pub(super) clears: bool,
    pub(super) coded: Coded<'a>,
}

impl<'a> Coded<'a> {
    /// Finds the first coded picture among the chunks.
    fn find(chunks: Chunks<'a>) -> Option<Self> {
        let mut alpha = None;
        for (kind, data) in chunks {
            match &kind {
                b"ALPH" => alpha = alpha.or(Some(data)),
                b"VP8 " => return Some(Self::Lossy { data, alpha }),
                b"VP8L" => return Some(Self::Lossless { data }),
                _ => {}
            }
        }
        None
    }

    /// Returns the width and height that the header of the coded picture states.
    pub(super) fn size(&self) -> Option<(u32, u32)> {
        match self {
            Self::Lossy { data, .. } => {
                let &[_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1] = data.first_chunk()? else { return None };
                let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
                Some((side(w0, w1), side(h0, h1)))
            }
            Self::Lossless { data } => {
                let &[0x2f, b0, b1, b2, b3] = data.first_chunk()? else { return None };
                let bits = u32::from_le_bytes([b0, b1, b2, b3]);
                Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
            }
        }
    }

    /// Whether the picture has an alpha channel.
    fn has_alpha(&self) -> bool {
        match self {
            Self::Lossy { alpha, .. } => alpha.is_some(),
            Self::Lossless { data } => data.get(4).is_some_and(|byte| byte & 0x10 != 0),
        }
    }

    /// Whether the picture is coded with loss (VP8).
    fn is_lossy(&self) -> bool {
        matches!(self, Self::Lossy { .. })
    }
}

/// Checks the number of chunks, including the chunks inside frames, and the size of the metadata against the
/// limits.
pub(super) fn count(input: &[u8], budget: &mut FileBudget<'_>) -> Result<(), Error> {
    for (kind, data) in Chunks(input.get(12..).unwrap_or_default()) {
        budget.part()?;
        match &kind {
            b"ICCP" | b"EXIF" | b"XMP " => budget.metadata(data.len())?,
            b"ANMF" => Chunks(data.get(16..).unwrap_or_default()).try_for_each(|_| budget.part())?,
            _ => {}
        }
    }
    Ok(())
}

/// Reads a whole file. The error is a message for the user of the API.
pub(super) fn parse(input: &[u8]) -> Result<Container<'_>, &'static str> {
    let chunks = Chunks(input.get(12..).unwrap_or_default());
    match chunks.clone().next() {
        Some(([b'V', b'P', b'8', b'X'], header)) => {
            let mut container = parse_extended(header, &chunks)?;
            if let Content::Animation(_) = container.content {
                container.truncation = missing_frames(input, chunks);
            }
            Ok(container)
        }
        Some(_) => parse_still(chunks, None),
        None => Err("no chunk"),
    }
}

/// Reads the picture of a file without animation. `canvas` is the size in the extended header, if the file
/// has one.
fn parse_still<'a>(chunks: Chunks<'a>, canvas: Option<(u32, u32)>) -> Result<Container<'a>, &'static str> {
    let coded = Coded::find(chunks).ok_or("no picture")?;
    let (width, height) = coded.size().ok_or("the picture's header is broken")?;
    if width == 0 || height == 0 {
        return Err("a side is zero");
    }
    if canvas.is_some_and(|canvas| canvas != (width, height)) {
        return Err("the picture has another size than the canvas");
    }
    Ok(Container {
        width,
        height,
        alpha: coded.has_alpha(),
        lossy: coded.is_lossy(),
        n_frames: 1,
        truncation: None,
        plays: Some(1),
        profile: None,
        exif: None,
        xmp: None,
        content: Content::Still(coded),
    })
}

/// Reads a file with an extended header.
fn parse_extended<'a>(header: &[u8], chunks: &Chunks<'a>) -> Result<Container<'a>, &'static str> {
    let &[flags, _, _, _, w0, w1, w2, h0, h1, h2] = header.first_chunk().ok_or("the header is cut off")?;
    let (width, height) = (three_bytes([w0, w1, w2]) + 1, three_bytes([h0, h1, h2]) + 1);
    let find = |wanted: &[u8; 4]| chunks.clone().find(|(kind, _)| kind == wanted).map(|(_, data)| data);
    let mut container = if flags & 0x02 == 0 {
        parse_still(chunks.clone(), Some((width, height)))?
    } else {
        parse_animation(chunks.clone(), flags & 0x10 != 0, width, height)?
    };
    container.profile = find(b"ICCP");
    container.exif = find(b"EXIF");
    container.xmp = find(b"XMP ");
    Ok(container)
}

/// Reads an animation.
fn parse_animation<'a>(
    chunks: Chunks<'a>,
    flagged_alpha: bool,
    width: u32,
    height: u32,
) -> Result<Container<'a>, &'static str> {
    let control = chunks.clone().find(|(kind, _)| kind == b"ANIM").ok_or("no animation header")?.1;
    let &[_, _, _, _, p0, p1] = control.first_chunk().ok_or("the animation header is cut off")?;
    let plays = u16::from_le_bytes([p0, p1]);
    let frames = Frames::new(chunks);
    let mut container = Container {
        width,
        height,
        alpha: flagged_alpha,
        lossy: false,
        n_frames: 0,
        truncation: None,
        plays: (plays != 0).then_some(plays),
        profile: None,
        exif: None,
        xmp: None,
        content: Content::Animation(frames.clone()),
    };
    for data in frames {
        let frame = parse_frame(data)?;
        if container.n_frames == 0 {
            let Area { width: frame_width, height: frame_height, .. } = frame.area;
            container.alpha |= frame_width < width as usize || frame_height < height as usize;
        }
        // A cleared frame leaves transparent pixels behind. A frame that replaces the pixels of the canvas
        // also replaces their alpha, and the first frame is drawn onto a transparent canvas.
        let draws_alpha = container.n_frames == 0 || !frame.blends;
        container.alpha |= frame.clears || (draws_alpha && frame.coded.has_alpha());
        container.lossy |= frame.coded.is_lossy();
        container.n_frames += 1;
    }
    if container.n_frames == 0 {
        return Err("no frame");
    }
    Ok(container)
}

/// Parses the data of an `ANMF` chunk.
pub(super) fn parse_frame(data: &[u8]) -> Result<FrameChunk<'_>, &'static str> {
    let (header, rest) = data.split_first_chunk::<16>().ok_or("a frame header is cut off")?;
    let number = |at: usize| three_bytes([header[at], header[at + 1], header[at + 2]]);
    let coded = Coded::find(Chunks(rest)).ok_or("a frame without a picture")?;
    let (width, height) = (number(6) + 1, number(9) + 1);
    if coded.size() != Some((width, height)) {
        return Err("a frame has another size than its header");
    }
    Ok(FrameChunk {
        area: Area {
            left: number(0) as usize * 2,
            top: number(3) as usize * 2,
            width: width as usize,
            height: height as usize,
        },
        delay_ms: number(12),
        blends: header[15] & 2 == 0,
        clears: header[15] & 1 != 0,
        coded,
    })
}

/// Reads a little-endian integer of three bytes.
fn three_bytes([b0, b1, b2]: [u8; 3]) -> u32 {
    u32::from_le_bytes([b0, b1, b2, 0])
}
