//! The pictures of the tool `limits`: a generated landscape, enlarged by repeating pixels, in each format. The files are
//! small enough for an upload, except those of BMP.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use pixaven_imaging::plan::Output;
use pixaven_imaging::{Channels, Format, Image};
use tempfile::TempDir;

use crate::report::progress;

/// How often each pixel of the landscape is repeated in both directions.
const REPEATS: u32 = 8;

/// A kind of picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Input {
    pub(super) name: &'static str,
    format: Format,
    /// JPEG: one scan instead of several.
    is_baseline: bool,
    is_lossless: bool,
}

/// All kinds of pictures that this build writes.
pub(super) fn all() -> Vec<Input> {
    let input = |name, format| Input { name, format, is_baseline: false, is_lossless: false };
    let inputs = [
        Input { is_baseline: true, ..input("jpeg baseline", Format::Jpeg) },
        input("jpeg progressive", Format::Jpeg),
        input("png", Format::Png),
        input("gif", Format::Gif),
        input("webp lossy", Format::Webp),
        Input { is_lossless: true, ..input("webp lossless", Format::Webp) },
        input("avif", Format::Avif),
        input("heic", Format::Heic),
        input("jxl", Format::Jxl),
        Input { is_lossless: true, ..input("jxl lossless", Format::Jxl) },
        input("jp2", Format::Jp2),
        input("tiff", Format::Tiff),
        input("bmp", Format::Bmp),
    ];
    let is_written = |input: &Input| Format::written().any(|format| format == input.format);
    inputs.into_iter().filter(is_written).collect()
}

/// The files of the pictures, which are made when they are needed.
pub(super) struct Inputs {
    dir: PathBuf,
    side: u32,
    _temporary: Option<TempDir>,
}

impl Inputs {
    /// Keeps the files in `dir`, or in a temporary directory.
    pub(super) fn new(dir: Option<&Path>, side: u32) -> anyhow::Result<Self> {
        if let Some(dir) = dir {
            fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
            return Ok(Self { dir: dir.to_owned(), side, _temporary: None });
        }
        let temporary = TempDir::with_prefix("pixaven-limits-").context("no temporary directory")?;
        Ok(Self { dir: temporary.path().to_owned(), side, _temporary: Some(temporary) })
    }

    /// Returns the bytes of a picture.
    pub(super) fn file(&mut self, input: Input) -> anyhow::Result<Vec<u8>> {
        let path = self.dir.join(format!("{}-{}", input.name.replace(' ', "-"), self.side));
        if path.exists() {
            return fs::read(&path).with_context(|| format!("cannot read {}", path.display()));
        }
        progress(format_args!("making the picture {}", input.name));
        let image = Image::new(self.side, self.side, Channels::Rgb, landscape(self.side));
        let output = Output {
            baseline: input.is_baseline,
            lossless: input.is_lossless,
            effort: Some(0),
            ..Output::default()
        };
        let bytes = pixaven_imaging::encode(image, input.format, &output)?;
        fs::write(&path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(bytes)
    }
}

/// A square landscape, as rows of red, green and blue.
fn landscape(side: u32) -> Vec<u8> {
    let small_side = side.div_ceil(REPEATS);
    let small = pixaven_sample::landscape(small_side, small_side, 7);
    let row = |y: u32| {
        let row = &small[(y / REPEATS * small_side * 3) as usize..][..(small_side * 3) as usize];
        let pixels = row.as_chunks::<3>().0.iter().flat_map(|pixel| [*pixel; REPEATS as usize]);
        pixels.take(side as usize).flatten()
    };
    (0..side).flat_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_have_repeated_pixels_and_the_requested_side() {
        let (side, small) = (20, pixaven_sample::landscape(3, 3, 7));
        let large = landscape(side);
        assert_eq!(large.len(), 20 * 20 * 3);
        let at = |x: usize, y: usize| &large[(y * 20 + x) * 3..][..3];
        assert_eq!((at(0, 0), at(7, 7), at(8, 0)), (&small[..3], &small[..3], &small[3..6]));
        assert_eq!(at(19, 19), &small[8 * 3..]);
    }
}
