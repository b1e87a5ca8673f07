//! Encodes one image as AV1 with rav1e. The rav1e encoder is generic over the sample type, so each crate that
//! calls rav1e compiles the encoder again. Therefore only this crate calls rav1e. As the code of this crate
//! rarely changes, the encoder is rarely compiled.

use rav1e::prelude::{
    ChromaSampling, ColorDescription, ColorPrimaries, Config, Context, EncoderConfig, EncoderStatus,
    MatrixCoefficients, PixelRange, SpeedSettings, TransferCharacteristics,
};

/// The planes of an image in full range, with one byte per sample and rows without padding. The chroma planes
/// have either the size of the luma plane, or half its columns and rows, rounded up.
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a> {
    /// The number of columns of the luma plane, 1 to 65,535.
    pub width: usize,
    /// The number of rows of the luma plane, 1 to 65,535.
    pub height: usize,
    /// The luma plane: `width * height` samples.
    pub luma: &'a [u8],
    /// The two chroma planes (BT.601). `None` for a gray image.
    pub chroma: Option<[&'a [u8]; 2]>,
    /// Whether the chroma planes have half the columns and rows of the luma plane.
    pub halved: bool,
}

/// An encoded image.
#[derive(Debug, Clone)]
pub struct Coded {
    /// The data of one temporal unit.
    pub data: Vec<u8>,
    /// The content of an `av1C` box.
    pub configuration: Vec<u8>,
}

/// Encodes an image on the calling thread.
///
/// `quantizer` is from 1 (best quality) to 255. A quantizer of 0 is raised to 1, because 0 would mean
/// lossless coding, which rav1e does not support. `speed` is from 0 (smallest file) to 10 (fastest).
///
/// # Errors
/// The error message of rav1e.
///
/// # Panics
/// If the length of a plane does not match the size of the image, which is a bug of the caller.
pub fn encode(picture: Picture<'_>, quantizer: u8, speed: u8) -> Result<Coded, String> {
    let Picture { width, height, luma, chroma, halved } = picture;
    let half = |side: usize| if halved { side.div_ceil(2) } else { side };
    assert_eq!(luma.len(), width * height, "the length of the plane does not match the size");
    for plane in chroma.iter().flatten() {
        assert_eq!(
            plane.len(),
            half(width) * half(height),
            "the length of the plane does not match the size"
        );
    }
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
        quantizer: usize::from(quantizer.max(1)),
        speed_settings: SpeedSettings::from_preset(speed),
        ..EncoderConfig::default()
    };
    let config = Config::new().with_encoder_config(config).with_threads(1);
    let mut context: Context<u8> = config.new_context().map_err(|error| error.to_string())?;
    let configuration = context.container_sequence_header();
    let mut frame = context.new_frame();
    frame.planes[0].copy_from_raw_u8(luma, width, 1);
    for (plane, samples) in frame.planes[1..].iter_mut().zip(chroma.iter().flatten()) {
        plane.copy_from_raw_u8(samples, half(width), 1);
    }
    context.send_frame(frame).map_err(|error| error.to_string())?;
    context.flush();
    let mut data = Vec::new();
    loop {
        match context.receive_packet() {
            Ok(packet) => data.extend(packet.data),
            Err(EncoderStatus::Encoded) => {}
            Err(EncoderStatus::LimitReached) => return Ok(Coded { data, configuration }),
            Err(error) => return Err(error.to_string()),
        }
    }
}
