//! Encodes with rav1e, which is written in Rust. Only its encoder for eight bits is compiled, because it is slow to
//! compile and the encoder for ten bits would be compiled in addition.

use rav1e::prelude::{
    ChromaSampling, ColorDescription, ColorPrimaries, Config, Context, EncoderConfig, EncoderStatus,
    MatrixCoefficients, PixelRange, SpeedSettings, TransferCharacteristics,
};

use crate::{Coded, Picture, Sample};

/// See [`crate::TEN_BIT_PIXELS`].
pub(crate) const TEN_BIT_PIXELS: u64 = 0;

/// See [`crate::FULL_CHROMA_PIXELS`].
pub(crate) const FULL_CHROMA_PIXELS: u64 = 0;

/// See [`crate::ATTEMPT_PIXELS`].
pub(crate) const ATTEMPT_PIXELS: u64 = 12_000_000;

/// The default effort, and the largest number of pixels of an image with this effort. Larger images get effort 0.
pub(crate) const DEFAULT_EFFORTS: [(u8, u64); 2] = [(4, 1_500_000), (2, 4_000_000)];

/// The speed setting of rav1e, from 0 (slowest) to 10, for each effort from 0 to 9. Speeds below 4 are not used,
/// because they take more than ten seconds per megapixel.
pub(crate) const SPEEDS: [u8; 10] = [10, 9, 9, 8, 8, 7, 7, 6, 5, 4];

/// See [`crate::bytes_per_pixel`].
pub(crate) const fn bytes_per_pixel(_has_ten_bits: bool, is_halved: bool) -> u64 {
    if is_halved { 18 } else { 30 }
}

/// Encodes an image with eight bits per sample. See [`crate::encode`].
pub(crate) fn encode<S: Sample>(picture: &Picture<'_, S>, quantizer: u8, speed: u8) -> Result<Coded, String> {
    let eight_bits = |plane: &[S]| plane.iter().map(|&sample| sample.with_eight_bits()).collect::<Vec<u8>>();
    let Picture { width, height, chroma, halved, .. } = *picture;
    let config = EncoderConfig {
        width,
        height,
        bit_depth: 8,
        chroma_sampling: match chroma {
            None => ChromaSampling::Cs400,
            Some(_) if halved => ChromaSampling::Cs420,
            Some(_) => ChromaSampling::Cs444,
        },
        pixel_range: PixelRange::Full,
        color_description: Some(ColorDescription {
            color_primaries: ColorPrimaries::BT709,
            transfer_characteristics: TransferCharacteristics::SRGB,
            matrix_coefficients: MatrixCoefficients::BT601,
        }),
        still_picture: true,
        quantizer: usize::from(quantizer),
        speed_settings: SpeedSettings::from_preset(speed),
        ..EncoderConfig::default()
    };
    let config = Config::new().with_encoder_config(config).with_threads(1);
    let mut context: Context<u8> = config.new_context().map_err(|error| error.to_string())?;
    let configuration = context.container_sequence_header();
    let mut frame = context.new_frame();
    frame.planes[0].copy_from_raw_u8(&eight_bits(picture.luma), width, 1);
    for (plane, samples) in frame.planes[1..].iter_mut().zip(chroma.iter().flatten()) {
        plane.copy_from_raw_u8(&eight_bits(samples), picture.chroma_size().0, 1);
    }
    context.send_frame(frame).map_err(|error| error.to_string())?;
    context.flush();
    let mut data = Vec::new();
    loop {
        match context.receive_packet() {
            Ok(packet) => data.extend(packet.data),
            Err(EncoderStatus::Encoded) => {}
            Err(EncoderStatus::LimitReached) => return Ok(Coded { data, configuration, bit_depth: 8 }),
            Err(error) => return Err(error.to_string()),
        }
    }
}
