//! Reads photographs as pixels, for the tools that compare pictures by SSIMULACRA2.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use fast_ssim2::{PixelDescriptor, PixelSlice};
use pixaven_imaging::plan::{Format, Output, Plan, TargetFormat};
use pixaven_imaging::{Limits, Scratch, process};

/// Lists the files of a directory in the order of their names.
pub(crate) fn paths(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| format!("no photographs at {}", dir.display()))?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.retain(|path| path.is_file());
    paths.sort();
    Ok(paths)
}

/// Describes rows of red, green and blue without padding, as the score needs them.
pub(crate) fn slice(rgb: &[u8], width: u32, height: u32) -> anyhow::Result<PixelSlice<'_>> {
    PixelSlice::new(rgb, width, height, width as usize * 3, PixelDescriptor::RGB8_SRGB)
        .map_err(|error| anyhow::anyhow!("{error}"))
}

/// Decodes a file to width, height and rows of red, green and blue.
pub(crate) fn decode(file: &[u8]) -> anyhow::Result<(u32, u32, Vec<u8>)> {
    processed(file, &Plan::default())
}

/// Applies a plan to a file, and returns width, height and rows of red, green and blue. `process` returns
/// files only, so the pixels are taken from an uncompressed BMP.
pub(crate) fn processed(file: &[u8], plan: &Plan) -> anyhow::Result<(u32, u32, Vec<u8>)> {
    let output = Output { format: TargetFormat::Format(Format::Bmp), ..Output::default() };
    let plan = Plan { output, ..plan.clone() };
    let bmp = process(file, &plan, &Limits::default(), &mut Scratch::default())?.bytes;
    let number = |at: usize| Some(u32::from_le_bytes(bmp.get(at..at + 4)?.try_into().ok()?));
    let header = (number(10), number(18), number(22), number(28));
    let (Some(start), Some(width), Some(height), Some(depth)) = header else {
        anyhow::bail!("the BMP is cut off");
    };
    ensure!(depth & 0xffff == 24, "the picture is gray or has alpha");
    // A BMP stores the lowest row first, pads rows to four bytes, and stores blue, green, red.
    let n_used = width as usize * 3;
    let rows = bmp[start as usize..].chunks(n_used.next_multiple_of(4)).take(height as usize);
    let mut rgb = Vec::with_capacity(n_used * height as usize);
    for row in rows.rev() {
        rgb.extend(row[..n_used].as_chunks::<3>().0.iter().flat_map(|&[b, g, r]| [r, g, b]));
    }
    Ok((width, height, rgb))
}
