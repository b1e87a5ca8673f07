//! Reductions by other programs: sharp, and the command line of oximg.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use crate::pixels;
use crate::sharp::Sharp;

/// A JavaScript program that encodes a picture as JPEG and reduces it with sharp.
const SHARP_SCRIPT: &str = include_str!("sharp.js");

/// A JPEG file of a square photograph, with its reductions by sharp.
pub(super) struct Encoded {
    pub(super) path: PathBuf,
    pub(super) bytes: Vec<u8>,
    /// The pixels of the reductions, as rows of red, green and blue.
    pub(super) by_sharp: Vec<Vec<u8>>,
}

/// Encodes a square photograph of the side `side` with sharp as JPEG with 4:2:0 and the quality 92, and
/// reduces the file to each of `sides`. Files are written to `dir`.
pub(super) fn encode(
    sharp: &Sharp,
    rgb: &[u8],
    side: u32,
    sides: &[u32],
    dir: &Path,
) -> anyhow::Result<Encoded> {
    let (raw, path, output) = (dir.join("raw"), dir.join("photo.jpg"), dir.join("sharp"));
    fs::write(&raw, rgb)?;
    let mut command = sharp.command(SHARP_SCRIPT);
    command.arg(&raw).arg(side.to_string()).arg(&path).arg(&output);
    command.args(sides.iter().map(u32::to_string));
    let ended = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("cannot run node")?;
    ensure!(ended.status.success(), "sharp failed: {}", ended.status);
    let by_sharp = sides.iter().map(|side| Ok(fs::read(output.with_extension(side.to_string()))?));
    let by_sharp = by_sharp.collect::<anyhow::Result<Vec<_>>>()?;
    Ok(Encoded { bytes: fs::read(&path)?, path, by_sharp })
}

/// Reduces a square picture with `oximg resize`, and returns rows of red, green and blue.
pub(super) fn with_oximg(program: &Path, input: &Path, side: u32, dir: &Path) -> anyhow::Result<Vec<u8>> {
    let output = dir.join("oximg.png");
    let side_text = side.to_string();
    let mut command = Command::new(program);
    command.arg("resize").arg(input).args([&side_text, &side_text]).arg(&output);
    let ended = command.stdin(Stdio::null()).output();
    let ended = ended.with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(ended.status.success(), "oximg: {}", String::from_utf8_lossy(&ended.stderr));
    let (width, height, rgb) = pixels::decode(&fs::read(&output)?)?;
    ensure!((width, height) == (side, side), "oximg made {width}×{height} instead of {side}×{side}");
    Ok(rgb)
}
