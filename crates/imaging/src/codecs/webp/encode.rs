//! Writes still and animated WebP with libwebp. Converts `output.quality` and `output.effort` to the settings
//! of libwebp.

use super::container::{Coded, Content};
use super::libwebp::{self, AnimationEncoder, Pixels, Settings};
use super::{container, describe, embed};
use crate::codecs::codec::{Encode, Encoded, Sequence};
use crate::codecs::hidden_color;
use crate::codecs::pixel_format::with_channels;
use crate::codecs::quality_scale::{DEFAULT_QUALITY, encoder_setting};
use crate::format::Format;
use crate::metadata::Metadata;
use crate::plan::Output;
use crate::{Channels, Error, Image, Scratch};

/// The longest side of a WebP picture that the format allows, in pixels.
const MAX_SIDE_PX: u32 = 16_383;

/// The method of libwebp, 0 (fast) to 6 (small), that is used if `output.effort` is not set. The value is the
/// default of libwebp.
const DEFAULT_METHOD: u8 = 4;

/// The `output.effort` of lossless files that is used if it is not set. Its settings are the defaults of libwebp.
const DEFAULT_LOSSLESS_EFFORT: u8 = 6;

/// The methods, 0 to 6, and the efforts, 0 to 100, of libwebp for lossless files, for `output.effort` 0 to 9. The
/// values are those of the presets of libwebp (`WebPConfigLosslessPreset`).
const LOSSLESS_SETTINGS: [(u8, u8); 10] =
    [(0, 0), (1, 20), (2, 25), (3, 30), (3, 50), (4, 50), (4, 75), (4, 90), (5, 90), (6, 100)];

/// The lowest method of libwebp with which the sharp conversion of chroma is used. The conversion takes a third of
/// the time of the default method, so only the slowest method uses the conversion.
const MIN_SHARP_METHOD: u8 = 6;

/// The largest picture, in pixels, with the sharp conversion of chroma. The conversion needs about 14 bytes of
/// memory per pixel.
const MAX_SHARP_PIXELS: u64 = 16 << 20;

fn failed(reason: String) -> Error {
    Error::Encode { format: "WebP", reason }
}

/// The methods of libwebp for `output.effort` 0 to 9. The slowest method begins at effort 7.
const METHODS: [u8; 10] = [0, 1, 1, 2, 3, 4, 5, 6, 6, 6];

/// Converts `output.effort`, 0 to 9, to a setting of libwebp. For a lossy file, the setting is the method, 0
/// to 6; for a lossless file, it is the effort, 0 to 100.
fn settings(output: &Output, image: &Image) -> Settings {
    if output.lossless {
        let effort = output.effort.unwrap_or(DEFAULT_LOSSLESS_EFFORT).min(9);
        let (method, quality) = LOSSLESS_SETTINGS[usize::from(effort)];
        return Settings { lossless: true, quality: quality.into(), method, sharp_yuv: false };
    }
    let method = output.effort.map_or(DEFAULT_METHOD, |effort| METHODS[usize::from(effort.min(9))]);
    let quality = encoder_setting(Format::Webp, quality(output));
    let n_pixels = u64::from(image.width()) * u64::from(image.height());
    let sharp_yuv = method >= MIN_SHARP_METHOD && n_pixels <= MAX_SHARP_PIXELS;
    Settings { lossless: false, quality, method, sharp_yuv }
}

fn quality(output: &Output) -> u8 {
    output.quality.unwrap_or(DEFAULT_QUALITY)
}

/// Checks that the sides of a picture are within the limit of WebP.
fn check_size(image: &Image, format: Format) -> Result<(), Error> {
    let (width, height) = (image.width(), image.height());
    if width.max(height) <= MAX_SIDE_PX {
        return Ok(());
    }
    let name = format.name();
    Err(Error::Plan(format!(
        "output.format: a {name} has at most {MAX_SIDE_PX} pixels on a side, the result has {width}x{height}"
    )))
}

/// Borrows the pixels of an RGB or RGBA image for libwebp. The image must not be gray.
fn pixels(image: &Image) -> Pixels<'_> {
    Pixels {
        width: image.width(),
        height: image.height(),
        data: image.data(),
        alpha: image.channels().has_alpha(),
    }
}

/// Reads the finished file and returns its information. The information cannot be computed in advance,
/// because libwebp omits an opaque alpha channel and merges equal frames.
fn finish(bytes: Vec<u8>, output: &Output) -> Result<Encoded, Error> {
    let container = container::parse(&bytes).map_err(|reason| failed(reason.to_owned()))?;
    let mut info = describe(&container);
    info.quality = (!output.lossless).then(|| quality(output));
    Ok(Encoded { info, bytes })
}

/// Encodes a picture and returns the complete WebP file.
pub(in crate::codecs) fn encode(
    image: &Image,
    output: &Output,
    _metadata: &Metadata,
    scratch: &mut Scratch,
) -> Result<Encoded, Error> {
    check_size(image, Format::Webp)?;
    if image.channels() == Channels::Gray {
        let rgb = with_channels(image.clone(), Channels::Rgb, scratch);
        let bytes = libwebp::encode(pixels(&rgb), settings(output, image)).map_err(failed)?;
        scratch.give(rgb.into_data());
        return finish(bytes, output);
    }
    finish(libwebp::encode(pixels(image), settings(output, image)).map_err(failed)?, output)
}

/// Encodes a picture without alpha as a bare VP8 key frame (RFC 6386), which is the content of a lossy WebP
/// file. `format` is the format that error messages name.
pub(in crate::codecs) fn key_frame(image: &Image, quality: u8, format: Format) -> Result<Vec<u8>, Error> {
    let failed = |reason| Error::Encode { format: format.name(), reason };
    check_size(image, format)?;
    let settings =
        Settings { lossless: false, quality: quality.into(), method: DEFAULT_METHOD, sharp_yuv: false };
    let bytes = libwebp::encode(pixels(image), settings).map_err(failed)?;
    match container::parse(&bytes).map(|container| container.content) {
        Ok(Content::Still(Coded::Lossy { data, alpha: None })) => Ok(data.to_vec()),
        _ => Err(failed("libwebp wrote no VP8".to_owned())),
    }
}

/// The encoder of an animated WebP file.
pub(in crate::codecs) struct Animation {
    output: Output,
    sequence: Sequence,
    /// The encoder of libwebp, and the channels to which every frame is converted. `None` before the first
    /// frame.
    encoder: Option<(AnimationEncoder, Channels)>,
    /// The time in milliseconds at which the next frame begins.
    time_ms: u32,
}

impl Animation {
    /// Creates an encoder that has not received a frame yet.
    pub(in crate::codecs) fn new(output: &Output, sequence: Sequence) -> Self {
        Self { output: *output, sequence, encoder: None, time_ms: 0 }
    }

    /// Creates the encoder for frames of the size of `image`.
    fn start(&self, image: &Image) -> Result<(AnimationEncoder, Channels), Error> {
        check_size(image, Format::Webp)?;
        let alpha = self.sequence.alpha || image.channels().has_alpha();
        let plays = self.sequence.plays.unwrap_or(0);
        let settings = settings(&self.output, image);
        let encoder = AnimationEncoder::new(image.width(), image.height(), plays, settings);
        Ok((encoder.map_err(failed)?, if alpha { Channels::Rgba } else { Channels::Rgb }))
    }
}

impl Encode for Animation {
    fn push(&mut self, image: Image, delay_ms: u32, scratch: &mut Scratch) -> Result<(), Error> {
        let (encoder, channels) = match &mut self.encoder {
            Some(started) => started,
            None => {
                let started = self.start(&image)?;
                self.encoder.insert(started)
            }
        };
        let mut image = with_channels(image, *channels, scratch);
        if !self.output.lossless {
            hidden_color::extend(&mut image, scratch);
        }
        encoder.add(pixels(&image), self.time_ms).map_err(failed)?;
        self.time_ms = self.time_ms.saturating_add(delay_ms);
        scratch.give(image.into_data());
        Ok(())
    }

    fn finish(self: Box<Self>, _scratch: &mut Scratch) -> Result<Encoded, Error> {
        let (encoder, _) = self.encoder.expect("a frame was pushed before the end");
        let mut encoded = finish(encoder.finish(self.time_ms).map_err(failed)?, &self.output)?;
        if encoded.info.alpha {
            embed::flag_alpha(&mut encoded.bytes);
        }
        Ok(encoded)
    }
}
