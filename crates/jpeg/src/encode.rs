//! The encoder. It converts RGB pixels to YCbCr samples, and the samples to blocks of quantised coefficients.
//! All coefficients stay in memory, because the optimal Huffman tables of a scan depend on all symbols of the
//! scan.

mod blocks;
mod colour;
mod fdct;
mod huffman;
mod quantisation;
mod scans;
mod tokens;
mod writer;

use self::blocks::ComponentBlocks;
use self::scans::{Scan, ScanScript};
use self::tokens::Tokens;
use self::writer::Writer;
use crate::Error;

/// Options of the encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The quality, 1–100. It scales the quantisation tables of T.81 annex K in the same way as other JPEG
    /// libraries.
    pub quality: u8,
    /// Whether chroma keeps its full resolution (4:4:4). If not, the resolution of chroma is halved along
    /// both axes (4:2:0).
    pub full_chroma: bool,
    /// Whether a progressive file is written. If not, the file is baseline and has a single scan.
    pub progressive: bool,
}

/// Encodes a whole file with a JFIF header. `pixels` are rows without padding. A pixel has either one byte
/// (gray) or three bytes (red, green and blue in sRGB).
///
/// # Errors
/// Returns [`Error::Unsupported`] if a side is zero or longer than 65535 pixels.
///
/// # Panics
/// Panics if `pixels` has neither one nor three bytes per pixel.
pub fn encode(pixels: &[u8], width: u32, height: u32, options: Options) -> Result<Vec<u8>, Error> {
    let side = |side: u32| u16::try_from(side).ok().filter(|&side| side > 0);
    let (Some(width_px), Some(height_px)) = (side(width), side(height)) else {
        return Err(Error::Unsupported("a side is zero or longer than 65535 pixels"));
    };
    let (width, height) = (width as usize, height as usize);
    let n_channels = pixels.len() / (width * height);
    assert!(matches!(n_channels, 1 | 3), "pixels have one or three channels, not {n_channels}");
    assert_eq!(pixels.len(), width * height * n_channels, "the length of the buffer does not match the size");

    let tables = quantisation::tables(options.quality);
    let components = if n_channels == 1 {
        vec![blocks::gray(pixels, width, height, &tables[0])]
    } else {
        blocks::luma_chroma(pixels, width, height, options.full_chroma, &tables)
    };
    let mut writer = Writer::new(pixels.len() / 8);
    writer.start();
    writer.quantisation(&tables[..components.len().min(2)]);
    writer.frame(options.progressive, width_px, height_px, &components);
    let script = if options.progressive {
        ScanScript::progressive(n_channels)
    } else {
        ScanScript::baseline(n_channels)
    };
    let mut tokens = Tokens::default();
    for scan in script.scans() {
        write_scan(&components, scan, &mut tokens, &mut writer);
    }
    Ok(writer.finish())
}

/// Writes a scan, preceded by the Huffman tables that the scan needs.
fn write_scan(components: &[ComponentBlocks], scan: &Scan, tokens: &mut Tokens, writer: &mut Writer) {
    tokens.clear();
    scan.tokens(components, tokens);
    let tables = tokens.tables();
    writer.huffman(&tables);
    writer.scan(scan);
    writer.tokens(tokens, &tables);
}
