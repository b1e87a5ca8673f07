//! The encoder. It converts RGB pixels to YCbCr samples, and the samples to blocks of quantised coefficients.
//! A trellis chooses the coefficients of luma with regard to the bits that they cost; for chroma it was measured
//! to make files larger at equal quality.
//! All coefficients stay in memory, because the optimal Huffman tables of a scan depend on all symbols of the
//! scan.

mod blocks;
mod colour;
mod fdct;
mod huffman;
mod quantisation;
mod scan_search;
mod scans;
mod tokens;
mod trellis;
mod writer;

use self::blocks::{ComponentBlocks, Picture, Quantiser};
use self::scans::Scan;
use self::tokens::Tokens;
use self::trellis::Trellis;
use self::writer::Writer;
use crate::Error;
use crate::tables::natural_index;

/// How much time the encoder spends on a small file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Effort {
    /// Coefficients are only rounded.
    Fast,
    /// Each luma coefficient is worth the bits that it costs (trellis quantisation).
    #[default]
    Normal,
    /// As `Normal`. In addition, the scans of a progressive file are those that need the fewest bytes.
    Best,
}

/// Options of the encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The quality, 1–100. A file looks as good as a file of the same quality that other JPEG libraries write
    /// with the quantisation tables of T.81 annex K.
    pub quality: u8,
    /// Whether chroma keeps its full resolution (4:4:4). If not, the resolution of chroma is halved along
    /// both axes (4:2:0).
    pub full_chroma: bool,
    /// Whether a progressive file is written. If not, the file is baseline and has a single scan.
    pub progressive: bool,
    /// How much time the encoder spends on a small file. The quality looks the same at every effort.
    pub effort: Effort,
}

/// Returns the quantisation tables for luma and chroma that [`encode`] writes at a quality with the default
/// effort, in the order of the file (zigzag).
pub fn quantisation_tables(quality: u8) -> [[u8; 64]; 2] {
    let tables = quantisation::tables(quantisation::scale(quality, quality >= 100));
    tables.map(|table| std::array::from_fn(|k| table[natural_index(k)]))
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

    // At quality 100, no coefficient may lose more than rounding takes.
    let only_rounded = options.effort == Effort::Fast || options.quality >= 100;
    let scale = quantisation::scale(options.quality, only_rounded);
    let tables = quantisation::tables(scale);
    let trellis = (!only_rounded).then(|| Trellis::of_luma(scale as f32));
    let quantisers = [Quantiser::new(&tables[0], trellis), Quantiser::new(&tables[1], None)];
    let picture = Picture { pixels, width, height, n_channels, full_chroma: options.full_chroma };
    let components = picture.components(&quantisers);
    let scans = match (options.progressive, options.effort) {
        (false, _) => scans::baseline(n_channels),
        (true, Effort::Fast | Effort::Normal) => scans::progressive(n_channels),
        (true, Effort::Best) => scan_search::smallest(&components),
    };
    Ok(file(&components, (width_px, height_px), &tables, options.progressive, &scans))
}

/// Writes a file with these scans.
fn file(
    components: &[ComponentBlocks],
    (width_px, height_px): (u16, u16),
    tables: &[[u8; 64]; 2],
    progressive: bool,
    scans: &[Scan],
) -> Vec<u8> {
    let n_blocks: usize = components.iter().map(|component| component.blocks.len()).sum();
    let mut writer = Writer::new(n_blocks * 8);
    writer.start();
    writer.quantisation(&tables[..components.len().min(2)]);
    writer.frame(progressive, width_px, height_px, components);
    let mut tokens = Tokens::default();
    for scan in scans {
        tokens.clear();
        scan.tokens(components, &mut tokens);
        // The Huffman tables that the scan needs precede it.
        let tables = tokens.tables();
        writer.huffman(&tables);
        writer.scan(scan);
        writer.tokens(&tokens, &tables);
    }
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::scans::scan;
    use super::*;
    use crate::{Colour, Decoder, Scale};

    const SIDE: usize = 50;

    /// Returns the components and the quantisation tables of an image with texture and edges.
    fn sample() -> (Vec<ComponentBlocks>, [[u8; 64]; 2]) {
        let mut state = 5_u32;
        let pixels: Vec<u8> = (0..SIDE * SIDE * 3)
            .map(|i| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (i / 150 * 4 + i % 37 * 3) as u8 / 2 + (state >> 26) as u8
            })
            .collect();
        let tables = quantisation::tables(0.5);
        let quantisers = tables.map(|table| Quantiser::new(&table, None));
        let picture =
            Picture { pixels: &pixels, width: SIDE, height: SIDE, n_channels: 3, full_chroma: false };
        (picture.components(&quantisers), tables)
    }

    /// The scans of the IJG library, with refinements of DC and two refinements of luma.
    fn ijg_scans() -> Vec<Scan> {
        vec![
            scan(&[0, 1, 2], (0, 0), (0, 1)),
            scan(&[0], (1, 5), (0, 2)),
            scan(&[2], (1, 63), (0, 1)),
            scan(&[1], (1, 63), (0, 1)),
            scan(&[0], (6, 63), (0, 2)),
            scan(&[0], (1, 63), (2, 1)),
            scan(&[0, 1, 2], (0, 0), (1, 0)),
            scan(&[2], (1, 63), (1, 0)),
            scan(&[1], (1, 63), (1, 0)),
            scan(&[0], (1, 63), (1, 0)),
        ]
    }

    fn written(scans: &[Scan], progressive: bool) -> Vec<u8> {
        let (components, tables) = sample();
        file(&components, (SIDE as u16, SIDE as u16), &tables, progressive, scans)
    }

    #[test]
    fn files_with_one_scan_with_the_default_scans_and_with_refinements_of_dc_decode_to_the_same_pixels() {
        for scale in Scale::ALL {
            let decode = |file: &[u8]| {
                let decoder = Decoder::new(file).expect("the encoder writes valid files");
                let (width, height) = scale.of(SIDE as u32, SIDE as u32);
                let mut pixels = vec![0; width as usize * height as usize * 3];
                let outcome = decoder.decode(scale, Colour::YCbCr, 100, &mut pixels);
                assert!(!outcome.expect("the encoder writes valid files").damaged);
                pixels
            };
            let baseline = decode(&written(&scans::baseline(3), false));
            assert!(decode(&written(&scans::progressive(3), true)) == baseline, "default scans, {scale:?}");
            assert!(decode(&written(&ijg_scans(), true)) == baseline, "refinements, {scale:?}");
        }
    }

    #[test]
    fn searched_scans_give_a_file_that_is_no_larger_than_with_the_default_or_the_ijg_scans() {
        let searched = written(&scan_search::smallest(&sample().0), true);
        for others in [scans::progressive(3), ijg_scans()] {
            assert!(searched.len() <= written(&others, true).len());
        }
    }
}
