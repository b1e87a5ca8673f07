//! A photograph that the encoders encode, and the comparison of a file with it.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use fast_ssim2::Ssimulacra2Reference;
use pixaven_imaging::{Channels, Image};

use crate::pixels::{decode, slice};

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

#[cfg(test)]
mod tests {
    use pixaven_imaging::plan::{Format, Output};

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
