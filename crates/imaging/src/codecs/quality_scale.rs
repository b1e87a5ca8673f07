//! The scale of `output.quality`: at the same quality, a picture looks equally good in every format.
//!
//! The scale is that of our JPEG encoder. Every other encoder has a scale of its own; the columns in this file
//! convert a quality to the setting of an encoder. `pixaven-bench quality` measures the columns: see
//! `bench/README.md`. A column must be measured again when its encoder changes.

use super::interpolation::interpolated;
use crate::format::Format;

/// The quality that is used if `output.quality` is not set. At this quality, artefacts are invisible at a
/// normal viewing distance; at lower qualities, the file hardly becomes smaller. Large publishers use similar
/// qualities.
pub(crate) const DEFAULT_QUALITY: u8 = 82;

/// Qualities for which the columns have a setting.
const QUALITIES: [u8; 14] = [1, 20, 30, 40, 50, 60, 70, 80, 85, 88, 90, 93, 96, 100];

/// The settings of an encoder at [`QUALITIES`], on a scale from 1 to 100 that the encoder's module defines.
type Column = [f64; QUALITIES.len()];

/// Settings of libwebp. From quality 93 on, no setting looks as good as the JPEG, because WebP has half the chroma
/// resolution.
const WEBP: Column = [1.0, 15.0, 30.0, 42.0, 50.5, 62.5, 74.5, 81.0, 85.0, 88.0, 93.0, 96.5, 99.5, 100.0];

/// Settings of `avif.rs`, for rav1e with 4:2:0 below quality 90, and for libaom with 4:4:4. The two encoders need the
/// same settings, but for a few units.
const AVIF: Column = [1.0, 30.7, 37.8, 42.2, 46.1, 50.1, 54.1, 60.0, 65.9, 74.3, 79.8, 84.6, 89.3, 100.0];

/// Settings of `jixel`.
const JXL: Column = [1.0, 38.0, 66.5, 73.5, 77.5, 81.0, 83.5, 86.5, 88.5, 89.5, 91.5, 93.5, 95.0, 100.0];

/// Settings of `heic.rs`.
const HEIC: Column = [1.0, 48.5, 57.0, 64.0, 69.0, 73.5, 77.0, 81.5, 83.5, 85.5, 88.0, 91.5, 95.0, 100.0];

/// Settings of `jp2/encode.rs`.
const JP2: Column = [1.0, 25.5, 32.5, 37.5, 41.0, 45.5, 51.5, 58.0, 62.0, 66.5, 76.0, 86.0, 96.0, 100.0];

/// Converts a quality, 1 to 100, to the setting of the encoder of a format, 1 to 100, at which a picture
/// looks as good as a JPEG of that quality. Interpolates linearly between the measured settings. A format
/// without a scale of its own has the setting `quality`.
pub fn encoder_setting(format: Format, quality: u8) -> f32 {
    let column = match format {
        Format::Webp => WEBP,
        Format::Avif => AVIF,
        Format::Jxl => JXL,
        Format::Heic => HEIC,
        Format::Jp2 => JP2,
        _ => return f32::from(quality),
    };
    let rows: [_; QUALITIES.len()] = std::array::from_fn(|i| (QUALITIES[i], column[i]));
    interpolated(&rows, quality) as f32
}

/// The formats with this scale, in which `output.target` can be reached.
pub(crate) const FORMATS: [Format; 6] =
    [Format::Avif, Format::Heic, Format::Jp2, Format::Jpeg, Format::Jxl, Format::Webp];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_every_encoder_rise_with_the_quality_from_1_to_100() {
        for format in FORMATS {
            let all: Vec<f32> = (1..=100).map(|quality| encoder_setting(format, quality)).collect();
            assert!(all.is_sorted(), "{format:?}: {all:?}");
            assert_eq!((all[0], all[99]), (1.0, 100.0), "{format:?}");
        }
    }

    #[test]
    fn settings_between_two_measured_qualities_are_interpolated() {
        assert_eq!(encoder_setting(Format::Webp, 80), WEBP[7] as f32);
        assert_eq!(encoder_setting(Format::Webp, 75), f64::midpoint(WEBP[6], WEBP[7]) as f32);
        assert_eq!(encoder_setting(Format::Jpeg, 75), 75.0);
    }
}
