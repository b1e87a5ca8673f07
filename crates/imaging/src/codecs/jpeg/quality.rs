//! Estimates the quality of a JPEG from its quantisation tables.
//!
//! The tables of the file for luma and chroma are compared with the tables that the IJG library writes at
//! each quality from 1 to 100. The estimate is the quality with the smallest sum of absolute differences,
//! each relative to the value in the file. The differences are relative because a difference of 1 is large in
//! a table of ones and small in a table of hundreds.
//!
//! The estimate is exact for every encoder that uses the tables of ITU-T T.81 annex K with the IJG scaling,
//! as most encoders do, and for the files of pixaven. For an encoder with different tables, the estimate is the
//! quality whose tables are the most similar.

use super::header::JpegHeader;

/// The luma table of ITU-T T.81 annex K.1, in zigzag order.
const LUMA: [u8; 64] = [
    16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22, 22, 24, 49, 35, 37, 29, 40,
    58, 51, 61, 60, 57, 51, 56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87, 95, 98, 103,
    104, 103, 62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99,
];

/// The chroma table of ITU-T T.81 annex K.2, in zigzag order.
const CHROMA: [u8; 64] = [
    17, 18, 18, 24, 21, 24, 47, 26, 26, 47, 99, 66, 56, 66, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
];

/// Estimates the quality, 1–100. Returns `None` when the file has no quantisation table for its first
/// component.
pub(super) fn estimate(jpeg: &JpegHeader) -> Option<u8> {
    let table = |component: usize| {
        let number = usize::from(jpeg.frame.components.get(component)?.table);
        *jpeg.tables.get(number)?
    };
    let luma = table(0)?;
    let chroma = if jpeg.frame.components.len() == 3 { table(1) } else { None };
    (1..=100u8).rev().min_by_key(|&quality| {
        let ijg = [LUMA, CHROMA].map(|table| table.map(|base| scaled(base, quality)));
        let own = pixaven_jpeg::quantisation_tables(quality).map(|table| table.map(u32::from));
        let differences = [ijg, own].map(|[of_luma, of_chroma]| {
            difference(&luma, &of_luma) + chroma.as_ref().map_or(0, |table| difference(table, &of_chroma))
        });
        differences.into_iter().min()
    })
}

/// Returns the sum of the relative differences between the values of two quantisation tables, in units of
/// 1/4096.
fn difference(table: &[u16; 64], standard: &[u32; 64]) -> u32 {
    table
        .iter()
        .zip(standard)
        .map(|(&value, &standard)| (u32::from(value).abs_diff(standard) << 12) / u32::from(value).max(1))
        .sum()
}

/// Scales one value of a quantisation table to a quality by the formula of the IJG library.
fn scaled(base: u8, quality: u8) -> u32 {
    let quality = u32::from(quality);
    let percent = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
    ((u32::from(base) * percent + 50) / 100).clamp(1, 255)
}
