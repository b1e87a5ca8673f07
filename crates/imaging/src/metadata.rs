//! What a file says about its picture besides the pixels: EXIF and XMP, as far as an output takes it over.

use crate::plan::KeptMetadata;

/// The metadata of a file, as the blocks that its format wraps. Colour profiles are not here: the pixels are converted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// A TIFF structure (EXIF 2.32, 4.5), without the `Exif\0\0` that JPEG puts in front.
    pub(crate) exif: Option<Vec<u8>>,
    /// An XMP packet (ISO 16684-1), UTF-8.
    pub(crate) xmp: Option<Vec<u8>>,
}

impl Metadata {
    /// What an output takes over.
    pub(crate) fn kept(&self, kept: KeptMetadata) -> Self {
        match kept {
            KeptMetadata::None => Self::default(),
            KeptMetadata::Copyright | KeptMetadata::All => self.clone(),
        }
    }
}
