//! A photograph that the encoders encode, and the comparison of a file with it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use fast_ssim2::{PixelDescriptor, PixelSlice, Ssimulacra2Reference};
use pixaven_imaging::plan::{Format, Output, Plan, TargetFormat};
use pixaven_imaging::{Channels, Image, Limits, Scratch, process};

/// A photograph with all that is needed to score a file against it.
pub(super) struct Photo {
    pub(super) name: String,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Rows of red, green and blue without padding.
    pub(super) rgb: Vec<u8>,
    reference: Ssimulacra2Reference,
}

impl Photo {
    /// Reads a photograph in any format that pixaven reads.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let file = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let (width, height, rgb) = decode(&file).with_context(|| format!("cannot decode {name}"))?;
        let reference = Ssimulacra2Reference::new(&slice(&rgb, width, height)?)?;
        Ok(Self { name, width, height, rgb, reference })
    }

    /// Returns the photograph as the picture that our encoders take.
    pub(super) fn image(&self) -> Image {
        Image::new(self.width, self.height, Channels::Rgb, self.rgb.clone())
    }

    /// Decodes a file and returns its SSIMULACRA2 score: 100 for a copy, 90 if no difference is visible, 50
    /// for a low quality. All files are decoded by pixaven, so that no encoder has a decoder of its own.
    pub(super) fn score(&self, file: &[u8]) -> anyhow::Result<f64> {
        let (width, height, rgb) = decode(file)?;
        ensure!((width, height) == (self.width, self.height), "the file is {width}×{height}");
        Ok(self.reference.compare(&slice(&rgb, width, height)?)?)
    }
}

/// Lists the files of a directory in the order of their names.
pub(super) fn paths(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| format!("no photographs at {}", dir.display()))?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.retain(|path| path.is_file());
    paths.sort();
    Ok(paths)
}

fn slice(rgb: &[u8], width: u32, height: u32) -> anyhow::Result<PixelSlice<'_>> {
    PixelSlice::new(rgb, width, height, width as usize * 3, PixelDescriptor::RGB8_SRGB)
        .map_err(|error| anyhow::anyhow!("{error}"))
}

/// Decodes a file to width, height and rows of red, green and blue. `process` returns files only, so the
/// pixels are taken from an uncompressed BMP.
fn decode(file: &[u8]) -> anyhow::Result<(u32, u32, Vec<u8>)> {
    let output = Output { format: TargetFormat::Format(Format::Bmp), ..Output::default() };
    let plan = Plan { output, ..Plan::default() };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lossless_copy_of_a_photograph_scores_100_and_a_jpeg_of_low_quality_scores_less() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("landscape.png");
        let image = Image::new(101, 67, Channels::Rgb, pixaven_sample::landscape(101, 67, 5));
        let png = pixaven_imaging::encode(image, Format::Png, &Output::default()).unwrap();
        fs::write(&path, &png).unwrap();
        let photo = Photo::read(&path).unwrap();
        assert_eq!((photo.width, photo.height), (101, 67));
        assert_eq!(photo.rgb, pixaven_sample::landscape(101, 67, 5));
        assert!(photo.score(&png).unwrap() > 99.9);
        let output = Output { quality: Some(10), ..Output::default() };
        let jpeg = pixaven_imaging::encode(photo.image(), Format::Jpeg, &output).unwrap();
        assert!(photo.score(&jpeg).unwrap() < 70.0);
    }
}
