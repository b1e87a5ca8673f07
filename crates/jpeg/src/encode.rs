//! Encoding: pixels become luma and chroma, blocks, quantised coefficients; those are kept, for Huffman tables are made
//! for the picture and need to have seen it first.

mod blocks;
mod colour;
mod fdct;
mod optimal;
mod quantisation;
mod scans;
mod tokens;
mod writer;

use self::blocks::Blocks;
use self::scans::{Script, Step};
use self::tokens::Tokens;
use self::writer::Writer;
use crate::Error;

/// How a picture is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// 1–100: the tables of T.81 annex K, scaled as the common libraries do.
    pub quality: u8,
    /// Whether chroma keeps its resolution (4:4:4); else it is halved along both axes (4:2:0).
    pub full_chroma: bool,
    /// In scans that become finer, or else in one (baseline).
    pub progressive: bool,
}

/// A whole file with a JFIF header. `pixels` are rows without padding: one byte per pixel is gray, three are red, green
/// and blue in sRGB.
///
/// # Errors
/// When a side is zero or longer than 65535.
///
/// # Panics
/// When `pixels` has not one or three bytes per pixel.
pub fn encode(pixels: &[u8], width: u32, height: u32, options: Options) -> Result<Vec<u8>, Error> {
    let side = |side: u32| u16::try_from(side).ok().filter(|&side| side > 0);
    let (Some(width_px), Some(height_px)) = (side(width), side(height)) else {
        return Err(Error::Unsupported("a side is zero or longer than 65535 pixels"));
    };
    let (width, height) = (width as usize, height as usize);
    let n_channels = pixels.len() / (width * height);
    assert!(matches!(n_channels, 1 | 3), "pixels have one or three channels, not {n_channels}");
    assert_eq!(pixels.len(), width * height * n_channels, "buffer and size disagree");

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
    let script =
        if options.progressive { Script::progressive(n_channels) } else { Script::baseline(n_channels) };
    let mut tokens = Tokens::default();
    for step in script.steps() {
        scan(&components, step, &mut tokens, &mut writer);
    }
    Ok(writer.finish())
}

/// A scan with the Huffman tables it needs before it.
fn scan(components: &[Blocks], step: &Step, tokens: &mut Tokens, writer: &mut Writer) {
    tokens.clear();
    step.tokens(components, tokens);
    let tables = tokens.tables();
    writer.huffman(&tables);
    writer.scan(step);
    writer.tokens(tokens, &tables);
}
