//! What a file says about its picture besides the pixels: EXIF, XMP and the texts of a PNG, as far as an output takes
//! them over. Reading them out of a file and writing them into one is the business of its format in `codecs`.
//!
//! No colour profile is ever taken over: the pixels are converted to sRGB, and a file without a profile is in sRGB by
//! the rules of the web (CSS Color 4, section 3.1; HTML).

mod exif;
pub(crate) mod iptc;
mod xmp;

use self::exif::Exif;
use crate::geometry::Size;
use crate::plan::KeptMetadata;

/// The metadata of a file, as the blocks that its format wraps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// A TIFF structure (EXIF 2.32, 4.5), without the `Exif\0\0` that JPEG puts in front.
    pub(crate) exif: Option<Vec<u8>>,
    /// An XMP packet (ISO 16684-1), UTF-8.
    pub(crate) xmp: Option<Vec<u8>>,
    /// Who made it, where the format has a text of its own for that (PNG's `Author`, IPTC's by-line).
    pub(crate) author: Option<String>,
    /// The terms of use, likewise (PNG's `Copyright`).
    pub(crate) copyright: Option<String>,
}

/// What was done to the picture, as far as its metadata speak of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Changed {
    /// The new size.
    pub(crate) size: Size,
    /// Whether the picture was turned upright, so that the orientation is over.
    pub(crate) upright: bool,
}

impl Metadata {
    /// What an output takes over, as at most one block of EXIF and one of XMP. Whatever the input was, both are at most
    /// as long as the one segment of a JPEG that has to hold each; `warnings` is told what had to be left out for that.
    pub(crate) fn kept(&self, kept: KeptMetadata, changed: Changed, warnings: &mut Vec<String>) -> Self {
        if kept == KeptMetadata::None {
            return Self::default();
        }
        let read = self.exif.as_deref().and_then(Exif::read).unwrap_or_default();
        let mut exif = match kept {
            KeptMetadata::All => read.of_the_changed(changed),
            KeptMetadata::Copyright | KeptMetadata::None => read.rights(),
        };
        exif.add_text(exif::ARTIST, self.author.as_deref());
        exif.add_text(exif::COPYRIGHT, self.copyright.as_deref());
        let (exif, n_left_out) = exif.write();
        if n_left_out > 0 {
            warnings.push(format!("EXIF has lost {n_left_out} of its values: together they are too long"));
        }
        let xmp = self.xmp.as_deref().and_then(|packet| match kept {
            KeptMetadata::All => xmp::of_the_changed(packet, changed),
            KeptMetadata::Copyright | KeptMetadata::None => xmp::rights(packet),
        });
        let too_long = xmp.as_ref().is_some_and(|packet| packet.len() > xmp::MAX_BYTES);
        if too_long {
            warnings.push("XMP was left out: it is too long".to_owned());
        }
        Self { exif, xmp: xmp.filter(|_| !too_long), author: None, copyright: None }
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.exif.is_none() && self.xmp.is_none()
    }
}
