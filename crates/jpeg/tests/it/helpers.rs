//! Synthetic images, and helpers that call two other JPEG implementations: `zune-jpeg` as a decoder and
//! `jpeg-encoder` as an encoder.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use pixaven_jpeg::{Colour, Decoder, Outcome, Scale};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;

/// Creates a colour image with large shapes, fine texture and edges. Two images of the same size have equal
/// pixels.
pub(crate) fn photo(width: u32, height: u32) -> Vec<u8> {
    let mut state = 9_u32;
    let mut pixels = Vec::new();
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (x, y, noise) = (x as f32, y as f32, (state >> 28) as f32);
        let wave = 60.0 * (x / 17.0).sin() + 40.0 * (y / 11.0).cos();
        let edge = if ((x - 40.0).powi(2) + (y - 30.0).powi(2)).sqrt() < 25.0 { 50.0 } else { 0.0 };
        let red = 110.0 + wave + noise;
        let green = 100.0 + 0.5 * wave + edge + noise;
        let blue = 140.0 - 0.7 * wave - 0.5 * edge + noise;
        pixels.extend([red, green, blue].map(|v| v.clamp(0.0, 255.0) as u8));
    }
    pixels
}

/// Encodes an image with `jpeg-encoder` at quality 90. The function `change` sets more options.
pub(crate) fn peer_encoded(
    pixels: &[u8],
    (width, height): (u32, u32),
    factor: SamplingFactor,
    change: impl FnOnce(&mut Encoder<&mut Vec<u8>>),
) -> Vec<u8> {
    let color = match pixels.len() / (width * height) as usize {
        1 => ColorType::Luma,
        3 => ColorType::Rgb,
        _ => ColorType::Cmyk,
    };
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 90);
    encoder.set_sampling_factor(factor);
    change(&mut encoder);
    encoder.encode(pixels, width as u16, height as u16, color).unwrap();
    bytes
}

/// Decodes a file with the decoder under test. Returns the size, the pixels and the outcome.
pub(crate) fn decoded(file: &[u8], scale: Scale) -> ((u32, u32), Vec<u8>, Outcome) {
    let decoder = Decoder::new(file).unwrap();
    let (n, size) =
        (decoder.frame().components.len(), scale.of(decoder.frame().width, decoder.frame().height));
    let mut pixels = vec![0x55; size.0 as usize * size.1 as usize * n];
    let colour = if n == 3 { Colour::YCbCr } else { Colour::Stored };
    let outcome = decoder.decode(scale, colour, 100, &mut pixels).unwrap();
    (size, pixels, outcome)
}

/// Decodes a file with `zune-jpeg`. For a gray image, `zune-jpeg` returns three equal components; this
/// function keeps one of them.
pub(crate) fn peer_decoded(file: &[u8]) -> Vec<u8> {
    let pixels = JpegDecoder::new(ZCursor::new(file)).decode().unwrap();
    let gray = Decoder::new(file).unwrap().frame().components.len() == 1;
    if gray { pixels.into_iter().step_by(3).collect() } else { pixels }
}

/// Returns the peak signal-to-noise ratio between two images, in dB.
pub(crate) fn psnr_db(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len(), "both images must have the same size");
    let square = |(a, b): (&u8, &u8)| f64::from(a.abs_diff(*b)).powi(2);
    let mean = a.iter().zip(b).map(square).sum::<f64>() / a.len() as f64;
    10.0 * (65_025.0 / mean.max(1e-9)).log10()
}
