//! Decodes an HEVC picture with `heifer-hevc-dec`, which is written in safe Rust.

use heifer_hevc_dec::decoder::{DecodeOptions, decode_picture};
use heifer_hevc_dec::nal::NalUnit;
use heifer_hevc_dec::params::ParameterSets;

use super::planes::{Chroma, Cicp, Planes, Samples, UNSPECIFIED};
use crate::isobmff::Fields;

/// The decoder configuration of an `hvcC` property (ISO/IEC 14496-15, 8.3.3.1).
#[derive(Debug)]
pub(super) struct Configuration<'a> {
    /// The number of bits of a luma sample.
    pub(super) depth: u8,
    pub(super) chroma: Chroma,
    /// Number of bytes of the length field before each NAL unit.
    length_size: u8,
    parameter_sets: Vec<&'a [u8]>,
}

impl<'a> Configuration<'a> {
    /// Parses the content of an `hvcC` property.
    pub(super) fn parse(content: &'a [u8]) -> Option<Self> {
        let mut fields = Fields::new(content);
        fields.take(16)?;
        let chroma = match fields.u8()? & 3 {
            0 => Chroma::None,
            1 => Chroma::Both,
            2 => Chroma::Columns,
            _ => Chroma::Full,
        };
        let depth = (fields.u8()? & 7) + 8;
        fields.take(3)?;
        let length_size = (fields.u8()? & 3) + 1;
        let mut parameter_sets = Vec::new();
        for _ in 0..fields.u8()? {
            let _kind = fields.u8()?;
            for _ in 0..fields.u16()? {
                let length = fields.u16()?;
                parameter_sets.push(fields.take(length.into())?);
            }
        }
        Some(Self { depth, chroma, length_size, parameter_sets })
    }

    /// Converts the picture to a byte stream with start codes (ITU-T H.265, annex B), because
    /// `heifer-hevc-dec` accepts no other form.
    fn stream(&self, data: &[u8]) -> Vec<u8> {
        let mut stream = Vec::with_capacity(data.len() + 1024);
        let mut push = |unit: &[u8]| {
            stream.extend_from_slice(&[0, 0, 1]);
            stream.extend_from_slice(unit);
        };
        self.parameter_sets.iter().for_each(|set| push(set));
        let mut fields = Fields::new(data);
        while let Some(length) = fields.uint(self.length_size) {
            let Some(unit) = fields.take(length as usize) else { break };
            push(unit);
        }
        stream
    }
}

/// The reason why a picture cannot be decoded, as a message for the user of the API.
pub(super) enum Failure {
    /// The data is invalid.
    Corrupt(String),
    /// The data uses a feature of HEVC that the decoder does not implement.
    Unsupported(String),
}

impl Failure {
    /// Returns the reason without saying whose fault the failure is.
    pub(super) fn into_reason(self) -> String {
        match self {
            Self::Corrupt(reason) | Self::Unsupported(reason) => reason,
        }
    }
}

/// Decodes the picture of an item. Refuses a picture of more than `max_pixels`.
pub(super) fn decode(
    configuration: &Configuration<'_>,
    data: &[u8],
    max_pixels: u64,
) -> Result<Planes, Failure> {
    let stream = configuration.stream(data);
    let options = DecodeOptions { max_pixels, ..DecodeOptions::default() };
    let frame = decode_picture(&stream, options).map_err(|error| match error {
        heifer_hevc_dec::Error::Unimplemented(feature) => Failure::Unsupported(feature.to_owned()),
        error => Failure::Corrupt(error.to_string()),
    })?;
    let chroma = match frame.chroma_format {
        0 => Chroma::None,
        1 => Chroma::Both,
        2 => Chroma::Columns,
        _ => Chroma::Full,
    };
    let [depth, chroma_depth] = frame.bit_depth;
    let (width, height) = (frame.widths[0] as usize, frame.heights[0] as usize);
    let sizes = [(width, height), chroma.size(width, height), chroma.size(width, height)];
    let mut samples = frame.planes;
    for (plane, (columns, rows)) in samples.iter().zip(sizes) {
        if plane.len() < columns * rows {
            return Err(Failure::Corrupt("its planes do not fit together".to_owned()));
        }
    }
    for plane in &mut samples[1..] {
        match depth.checked_sub(chroma_depth) {
            Some(shift) => plane.iter_mut().for_each(|sample| *sample <<= shift),
            None => plane.iter_mut().for_each(|sample| *sample >>= chroma_depth - depth),
        }
    }
    let (primaries, transfer) = colors(configuration).unwrap_or((UNSPECIFIED, UNSPECIFIED));
    let cicp = Cicp { primaries, transfer, matrix: frame.matrix_coeffs.into(), full_range: frame.full_range };
    let samples = if depth == 8 {
        // Each plane is freed before the next one is converted.
        let narrow = |plane: Vec<u16>| plane.iter().map(|&sample| sample as u8).collect();
        Samples::Bytes(samples.map(narrow))
    } else {
        Samples::Words(samples)
    };
    Ok(Planes { width, height, depth, chroma, samples, cicp })
}

/// Reads the colour primaries and the transfer function from the sequence parameter set in the decoder
/// configuration.
pub(super) fn colors(configuration: &Configuration<'_>) -> Option<(u16, u16)> {
    let mut sets = ParameterSets::default();
    for set in &configuration.parameter_sets {
        sets.add(&NalUnit::parse(set).ok()?).ok()?;
    }
    let vui = sets.sps.iter().flatten().find_map(|set| set.vui.as_ref())?;
    Some((vui.colour_primaries.into(), vui.transfer_characteristics.into()))
}
