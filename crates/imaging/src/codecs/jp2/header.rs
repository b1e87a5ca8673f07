//! Reads the boxes of a JP2 file (ISO/IEC 15444-1, annex I) and the first marker segment of its codestream
//! (A.5.1), as far as the limits and the file information need them. The crates that decode the
//! pixels read the other boxes and segments.

use super::codestream::{self, End};
use super::corrupt;
use crate::Error;
use crate::format::Format;
use crate::format::signature::JP2_CODESTREAM;
use crate::isobmff::{self, Boxes, Fields};
use crate::limits::{Limit, Limits, check};

/// The largest number of components that this decoder accepts: four colours and alpha.
const MAX_COMPONENTS: usize = 5;

/// The bit of the required capabilities (Rsiz) that announces code-blocks of ISO/IEC 15444-15.
const HIGH_THROUGHPUT: u32 = 1 << 14;

/// The UUID of a box with XMP (ISO 16684-3).
pub(super) const XMP: [u8; 16] = *b"\xbe\x7a\xcf\xcb\x97\xa9\x42\xe8\x9c\x71\x99\x94\x91\xe3\xaf\xac";

/// The UUID of a box with EXIF. No standard defines this UUID, but it is in common use.
pub(super) const EXIF: [u8; 16] = *b"JpgTiffExif->JP2";

/// The properties of a JPEG 2000 file that its headers state.
#[derive(Debug, Default)]
pub(super) struct Jp2Header {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Number of bits per pixel in the file. For a picture with a palette, it is the number of bits of an
    /// index.
    pub(super) bits_per_pixel: u8,
    pub(super) palette: bool,
    /// Whether the code-blocks are those of High-Throughput JPEG 2000.
    pub(super) high_throughput: bool,
    /// Whether the colour components are luma and chroma.
    pub(super) ycc: bool,
    pub(super) premultiplied: bool,
    /// Chroma subsampling.
    pub(super) sampling: Option<&'static str>,
    /// Whether the codestream is complete.
    pub(super) end: End,
    pub(super) exif: Option<Vec<u8>>,
    pub(super) xmp: Option<Vec<u8>>,
}

/// Reads the headers of a JP2 file or of a bare codestream.
pub(super) fn read(input: &[u8], limits: &Limits) -> Result<Jp2Header, Error> {
    let mut header = Jp2Header::default();
    if input.starts_with(JP2_CODESTREAM) {
        header.take_codestream(input, None, limits)?;
        return Ok(header);
    }
    let mut n_bytes = 0;
    let mut codestream = None;
    for (n_boxes, (kind, content)) in (1..).zip(Boxes::new(input)) {
        check(Limit::Parts, limits.parts.into(), n_boxes)?;
        match &kind {
            b"jp2h" => header.take_header(content, limits)?,
            // If the file has several codestreams, the last one is used, because the decoders decode the
            // last one.
            b"jp2c" => codestream = Some(content),
            b"uuid" => {
                n_bytes += content.len() as u64;
                check(Limit::MetadataBytes, limits.metadata_bytes, n_bytes)?;
                header.take_metadata(content);
            }
            _ => {}
        }
    }
    let codestream = codestream.ok_or_else(|| corrupt("there is no codestream"))?;
    // If the file ends within a box, the stated length of the box shows how many bytes are missing.
    let is_last = codestream.as_ptr_range().end == input.as_ptr_range().end;
    let n_announced = isobmff::announced_bytes(input).filter(|_| is_last);
    let n_missing = n_announced.and_then(|n_bytes| n_bytes.checked_sub(input.len() as u64));
    header.take_codestream(codestream, n_missing.filter(|&n| n > 0), limits)?;
    Ok(header)
}

impl Jp2Header {
    /// Reads the boxes inside the box `jp2h`, the header of a JP2 file.
    fn take_header(&mut self, content: &[u8], limits: &Limits) -> Result<(), Error> {
        for (n_boxes, (kind, content)) in (1..).zip(Boxes::new(content)) {
            check(Limit::Parts, limits.parts.into(), n_boxes)?;
            match &kind {
                b"colr" => {
                    check(Limit::MetadataBytes, limits.metadata_bytes, content.len() as u64)?;
                    // If the method in the box `colr` is 1, the box contains the code of a colour space. Code
                    // 18 means sYCC; codes 1, 3 and 4 mean older YCbCr colour spaces.
                    if let [1, _, _, number @ ..] = content {
                        self.ycc |= matches!(number, [0, 0, 0, 1 | 3 | 4 | 18]);
                    }
                }
                b"pclr" => self.palette = true,
                b"cdef" => {
                    let channels = content.get(2..).unwrap_or_default().as_chunks::<6>().0;
                    self.premultiplied |= channels.iter().any(|channel| channel[2..4] == [0, 2]);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn take_metadata(&mut self, content: &[u8]) {
        let Some((id, content)) = content.split_first_chunk() else { return };
        let slot = match *id {
            XMP => &mut self.xmp,
            EXIF => &mut self.exif,
            _ => return,
        };
        slot.get_or_insert_with(|| content.to_vec());
    }

    /// Reads the SIZ segment (image and tile size), the first segment of a codestream, and finds out whether
    /// the codestream is complete. `n_missing` is the number of bytes of the codestream that lie beyond the
    /// end of the file, or `None` if the file does not state such bytes.
    fn take_codestream(
        &mut self,
        codestream: &[u8],
        n_missing: Option<u64>,
        limits: &Limits,
    ) -> Result<(), Error> {
        let cut_off = || corrupt("the header is cut off");
        let mut fields =
            Fields::new(codestream.strip_prefix(JP2_CODESTREAM).ok_or_else(|| corrupt("no codestream"))?);
        // The first two fields have 16 bits each: the length of the segment and the required capabilities of
        // the decoder.
        let mut next = || fields.u32();
        let length_and_capabilities = next();
        let numbers: Option<Vec<u32>> = (0..8).map(|_| next()).collect();
        let Some((first, numbers)) = length_and_capabilities.zip(numbers) else { return Err(cut_off()) };
        self.high_throughput = first & HIGH_THROUGHPUT != 0;
        let [right, bottom, left, top, tile_width, tile_height, tile_left, tile_top] = numbers[..] else {
            return Err(cut_off());
        };
        let n_components = usize::from(fields.u16().ok_or_else(cut_off)?);
        if n_components == 0 || n_components > MAX_COMPONENTS {
            let reason = format!("{n_components} components");
            return Err(Error::Unsupported { format: Format::Jp2.name(), reason });
        }
        let components: Option<Vec<[u8; 3]>> = (0..n_components).map(|_| fields.array()).collect();
        let components = components.ok_or_else(cut_off)?;
        let sides = right.checked_sub(left).zip(bottom.checked_sub(top));
        let Some((width @ 1.., height @ 1..)) = sides else { return Err(corrupt("a side is zero")) };
        if tile_width == 0 || tile_height == 0 {
            return Err(corrupt("a tile has no size"));
        }
        let tiles_along =
            |end: u32, start: u32, tile: u32| u64::from(end.saturating_sub(start).div_ceil(tile));
        let n_tiles = tiles_along(right, tile_left, tile_width) * tiles_along(bottom, tile_top, tile_height);
        check(Limit::Parts, limits.parts.into(), n_tiles)?;
        self.end = codestream::end(codestream, n_tiles, n_missing);
        self.sampling = sampling(&components);
        let bits = components.iter().map(|&[depth, ..]| u32::from(depth & 0x7f) + 1).sum::<u32>();
        self.bits_per_pixel = u8::try_from(bits).unwrap_or(u8::MAX);
        // If all components are subsampled, the picture has the size of the least subsampled component.
        let step =
            |i: usize| components.iter().map(|component| u32::from(component[i])).min().unwrap_or(1).max(1);
        (self.width, self.height) = (width.div_ceil(step(1)), height.div_ceil(step(2)));
        Ok(())
    }
}

/// Returns the chroma subsampling in the usual notation, from the sampling steps of the first three
/// components. Returns `None` for ratios without a usual name.
fn sampling(components: &[[u8; 3]]) -> Option<&'static str> {
    let &[[_, x, y], second, third, ..] = components else { return None };
    let same = second[1..] == third[1..];
    let ratio = (second[1].checked_div(x)?, second[2].checked_div(y)?);
    match ratio {
        (2, 2) if same => Some("4:2:0"),
        (2, 1) if same => Some("4:2:2"),
        (1, 2) if same => Some("4:4:0"),
        _ => None,
    }
}
