//! The metadata of a file that an output can keep: EXIF, XMP, and the author and the copyright from text
//! fields. The codecs in `codecs` read the metadata from a file and write them into a file.
//!
//! Colour profiles are never kept. An output does not need a profile, because its pixels are in sRGB, and on
//! the web a file without a profile is in sRGB (CSS Color 4, section 3.1; HTML).

mod exif;
pub(crate) mod iptc;
mod xmp;

use self::exif::Exif;
use crate::geometry::Size;
use crate::plan::KeptMetadata;

/// The metadata of a file. The fields contain only the content of the metadata, without the chunks, segments
/// or boxes in which the file format stores the content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// The EXIF block: a TIFF structure (EXIF 2.32, 4.5), without the prefix `Exif\0\0` that JPEG uses.
    pub(crate) exif: Option<Vec<u8>>,
    /// An XMP packet (ISO 16684-1) in UTF-8.
    pub(crate) xmp: Option<Vec<u8>>,
    /// The content of the text field for the author, in formats that have such a field (PNG's `Author`,
    /// IPTC's by-line).
    pub(crate) author: Option<String>,
    /// The content of the text field for the terms of use, in formats that have such a field (PNG's
    /// `Copyright`, IPTC's copyright notice).
    pub(crate) copyright: Option<String>,
}

/// The changes to an image that make it necessary to correct values in its metadata.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Changed {
    /// The size of the output.
    pub(crate) size: Size,
    /// Whether the EXIF orientation was applied to the pixels. If so, the orientation tag in the metadata
    /// must be reset.
    pub(crate) upright: bool,
}

impl Metadata {
    /// Returns the metadata that an output keeps: at most one EXIF block and one XMP packet, each short
    /// enough for one JPEG segment. EXIF values that do not fit into the segment and an XMP packet that does
    /// not fit are dropped, and a warning is added to `warnings`.
    pub(crate) fn kept(&self, kept: KeptMetadata, changed: Changed, warnings: &mut Vec<String>) -> Self {
        if kept == KeptMetadata::None {
            return Self::default();
        }
        let exif = self.exif.as_deref().and_then(Exif::read).unwrap_or_default();
        let mut exif = match kept {
            KeptMetadata::All => exif.updated_for(changed),
            KeptMetadata::Copyright | KeptMetadata::None => exif.rights_only(),
        };
        exif.add_text(exif::ARTIST, self.author.as_deref());
        exif.add_text(exif::COPYRIGHT, self.copyright.as_deref());
        let (exif, n_left_out) = exif.write();
        if n_left_out > 0 {
            warnings.push(format!("EXIF has lost {n_left_out} of its values: together they are too long"));
        }
        let xmp = self.xmp.as_deref().and_then(|packet| match kept {
            KeptMetadata::All => xmp::updated_for(packet, changed),
            KeptMetadata::Copyright | KeptMetadata::None => xmp::rights_only(packet),
        });
        let is_too_long = xmp.as_ref().is_some_and(|packet| packet.len() > xmp::MAX_BYTES);
        if is_too_long {
            warnings.push("XMP was left out: it is too long".to_owned());
        }
        Self { exif, xmp: xmp.filter(|_| !is_too_long), author: None, copyright: None }
    }

    /// Whether the metadata contain neither an EXIF block nor an XMP packet.
    pub(crate) fn is_empty(&self) -> bool {
        self.exif.is_none() && self.xmp.is_none()
    }
}
