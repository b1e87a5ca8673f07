//! The two crates that decode JPEG 2000, behind one type. `hayro-jpeg2000` decodes the block coder of ISO/IEC
//! 15444-1. `dicom-toolkit-jpeg2000`, a fork of an older version of the same code, also decodes the
//! high-throughput block coder of ISO/IEC 15444-15 (HTJ2K), and is used only for that. Both are written in safe
//! Rust.

use dicom_toolkit_jpeg2000 as high_throughput;
use hayro_jpeg2000 as part_1;

use super::corrupt;
use crate::Error;
use crate::format::Format;
use crate::geometry::Size;

/// A picture whose headers were read by the crate that can decode it.
pub(super) enum Picture<'a> {
    Part1(part_1::Image<'a>),
    HighThroughput(high_throughput::Image<'a>),
}

/// Decoded pixels. The channels of a pixel are next to each other.
pub(super) struct Decoded {
    pub(super) n_channels: usize,
    pub(super) data: Vec<u8>,
}

impl<'a> Picture<'a> {
    /// Reads the headers of a file. If `needed` is given, the lowest resolution level is decoded later that is
    /// at least as large. The decoders tolerate defects.
    pub(super) fn open(
        input: &'a [u8],
        is_high_throughput: bool,
        needed: Option<Size>,
    ) -> Result<Self, Error> {
        let target_resolution = needed.map(|size| (size.width, size.height));
        if is_high_throughput {
            let settings = high_throughput::DecodeSettings {
                resolve_palette_indices: true,
                strict: false,
                target_resolution,
            };
            let image = high_throughput::Image::new(input, &settings).map_err(high_throughput_failed)?;
            return Ok(Self::HighThroughput(image));
        }
        let settings =
            part_1::DecodeSettings { resolve_palette_indices: true, strict: false, target_resolution };
        part_1::Image::new(input, &settings).map(Self::Part1).map_err(part_1_failed)
    }

    pub(super) fn width(&self) -> u32 {
        match self {
            Self::Part1(image) => image.width(),
            Self::HighThroughput(image) => image.width(),
        }
    }

    pub(super) fn height(&self) -> u32 {
        match self {
            Self::Part1(image) => image.height(),
            Self::HighThroughput(image) => image.height(),
        }
    }

    pub(super) fn has_alpha(&self) -> bool {
        match self {
            Self::Part1(image) => image.has_alpha(),
            Self::HighThroughput(image) => image.has_alpha(),
        }
    }

    /// Number of colour channels, without alpha.
    pub(super) fn n_colors(&self) -> usize {
        match self {
            Self::Part1(image) => image.color_space().num_channels(),
            Self::HighThroughput(image) => image.color_space().num_channels(),
        }
        .into()
    }

    /// The ICC profile of the picture.
    pub(super) fn profile(&self) -> Option<&[u8]> {
        match self {
            Self::Part1(image) => match image.color_space() {
                part_1::ColorSpace::Icc { profile, .. } => Some(profile),
                _ => None,
            },
            Self::HighThroughput(image) => match image.color_space() {
                high_throughput::ColorSpace::Icc { profile, .. } => Some(profile),
                _ => None,
            },
        }
    }

    /// Decodes the pixels into memory that `zeroed` makes.
    pub(super) fn decode(&self, zeroed: impl FnOnce(usize) -> Vec<u8>) -> Result<Decoded, Error> {
        let n_pixels = self.width() as usize * self.height() as usize;
        match self {
            Self::Part1(image) => {
                let mut context = part_1::DecoderContext::default();
                let decoded = image.decode(&mut context).map_err(part_1_failed)?;
                if decoded.components().iter().any(|component| component.samples().len() != n_pixels) {
                    return Err(different_sizes());
                }
                let n_channels = decoded.components().len();
                let mut data = zeroed(n_pixels * n_channels);
                decoded.store_u8_into(&mut data);
                Ok(Decoded { n_channels, data })
            }
            Self::HighThroughput(image) => {
                let n_channels = self.n_colors() + usize::from(self.has_alpha());
                let mut data = zeroed(n_pixels * n_channels);
                let mut context = high_throughput::DecoderContext::default();
                image.decode_into(&mut data, &mut context).map_err(high_throughput_failed)?;
                Ok(Decoded { n_channels, data })
            }
        }
    }
}

fn different_sizes() -> Error {
    corrupt("its channels have different sizes")
}

fn unsupported(reason: &impl ToString) -> Error {
    Error::Unsupported { format: Format::Jp2.name(), reason: reason.to_string() }
}

fn part_1_failed(error: part_1::DecodeError) -> Error {
    use part_1::{DecodeError, FormatError, MarkerError};
    match error {
        DecodeError::Format(FormatError::Unsupported) | DecodeError::Marker(MarkerError::Unsupported) => {
            unsupported(&error)
        }
        error => corrupt(error),
    }
}

fn high_throughput_failed(error: high_throughput::DecodeError) -> Error {
    use high_throughput::error::{DecodeError, DecodingError, FormatError, MarkerError};
    match error {
        DecodeError::Format(FormatError::Unsupported)
        | DecodeError::Marker(MarkerError::Unsupported)
        | DecodeError::Decoding(DecodingError::UnsupportedFeature(_)) => unsupported(&error),
        error => corrupt(error),
    }
}
