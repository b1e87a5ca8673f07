//! JPEG XL (ISO/IEC 18181). The crate `jxl` decodes; the authors of the format wrote this crate, and two
//! browsers use it. The crate `jixel` encodes.

mod encode;

use jxl::api::{
    AlphaMode, Event, ExtraChannel, JxlBasicInfo, JxlColorEncoding, JxlColorProfile, JxlColorType,
    JxlDataFormat, JxlDecoder, JxlDecoderOptions, JxlOutputBuffer, JxlPixelFormat, JxlPrimaries,
    JxlTransferFunction, ProfileLevel,
};

pub(super) use self::encode::encode;
use super::codec::{Decode, Frame, Header};
use super::memory::{DecoderMemory, area, pixel_bytes};
use crate::color::{Layout, Raster, cicp_profile};
use crate::format::Format;
use crate::format::signature::JXL_CONTAINER;
use crate::info::{Colorspace, ImageInfo};
use crate::isobmff::{Boxes, Fields};
use crate::limits::{Limit, check};
use crate::metadata::Metadata;
use crate::orientation::Orientation;
use crate::truncation::{MissingPart, Truncation};
use crate::{Error, Limits, Scratch};

/// The longest side of a JPEG XL picture that the format allows, in pixels.
const MAX_SIDE_PX: usize = 1 << 30;

#[expect(clippy::needless_pass_by_value, reason = "`map_err` passes the error by value")]
fn corrupt(reason: impl ToString) -> Error {
    Error::Corrupt { format: "JXL", reason: reason.to_string() }
}

/// Converts an error of the crate `jxl`. A valid file can exceed the profile level that [`options`] sets.
fn failed(error: jxl::error::Error) -> Error {
    match error {
        jxl::error::Error::LevelLimitExceeded { .. } => {
            Error::Unsupported { format: "JXL", reason: error.to_string() }
        }
        error => corrupt(error),
    }
}

/// The reason that the error message for a truncated file states.
const CUT_OFF: &str = "the file is cut off";

/// A JPEG XL file whose headers were read.
pub(super) struct Decoder<'a> {
    decoder: Box<JxlDecoder>,
    /// The bytes of the file that the decoder has not consumed yet.
    rest: &'a [u8],
    header: Header,
    /// The kind of pixels that the decoder delivers.
    channels: JxlColorType,
    n_left: u32,
    /// Whether the file is an animation and ends before the end of the last frame.
    lacks_frames: bool,
}

impl<'a> Decoder<'a> {
    /// Reads the headers of the file and of its frames. Decodes no frame.
    pub(super) fn open(input: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        let metadata = metadata(input, limits)?;
        let (n_frames, is_cut_off) = count_frames(input, limits)?;
        let mut rest = input;
        let mut decoder = Box::new(JxlDecoder::new(options(limits)));
        to_basic_info(&mut decoder, &mut rest)?;
        let info = decoder.basic_info().ok_or_else(|| corrupt("it has no header"))?.clone();
        let embedded = decoder.embedded_color_profile().cloned();
        let has = |kind| info.extra_channels.iter().any(|channel| channel.ec_type == kind);
        let is_gray = embedded.as_ref().is_some_and(|profile| profile.channels() == 1);
        let is_cmyk = has(ExtraChannel::Black) && embedded.as_ref().is_some_and(JxlColorProfile::is_cmyk);
        let alpha = has(ExtraChannel::Alpha) && !is_cmyk;
        let channels = match (is_cmyk, is_gray, alpha) {
            (true, ..) => JxlColorType::Cmyk,
            (_, true, false) => JxlColorType::Grayscale,
            (_, true, true) => JxlColorType::GrayscaleAlpha,
            (_, false, false) => JxlColorType::Rgb,
            (_, false, true) => JxlColorType::Rgba,
        };
        let format = JxlPixelFormat {
            color_type: channels,
            color_data_format: Some(JxlDataFormat::U8 { bit_depth: 8 }),
            extra_channel_format: vec![None; info.extra_channels.len()],
        };
        decoder.set_pixel_format(format).map_err(failed)?;
        let profile = decoder.output_color_profile().and_then(profile).filter(|_| !(is_gray && alpha));
        check(
            Limit::MetadataBytes,
            limits.metadata_bytes,
            profile.as_ref().map_or(0, |profile| profile.len() as u64),
        )?;
        let header = Header {
            info: describe(&info, channels, n_frames)?,
            // JPEG XL numbers the orientations in the same way as EXIF.
            orientation: Orientation::from_value(info.orientation as u64),
            profile,
            metadata,
            plays: info.animation.as_ref().and_then(|animation| {
                (animation.num_loops != 0).then(|| animation.num_loops.try_into().unwrap_or(u16::MAX))
            }),
            warnings: Vec::new(),
            truncation: None,
        };
        let lacks_frames = is_cut_off && info.animation.is_some();
        Ok(Self { decoder, rest, header, channels, n_left: n_frames, lacks_frames })
    }
}

/// Returns the settings of the crate `jxl`. The decoder does not apply the orientation, delivers straight
/// alpha, and refuses more samples than [`Limits`] allows.
fn options(limits: &Limits) -> JxlDecoderOptions {
    let mut options = JxlDecoderOptions::default();
    options.adjust_orientation = false;
    options.alpha_mode = AlphaMode::Unpremultiplied;
    // This limit on samples allows three colour samples and four extra channels per pixel.
    options.sample_limit = Some(usize::try_from(limits.pixels.saturating_mul(7)).unwrap_or(usize::MAX));
    options.max_profile_level = ProfileLevel::Main10;
    options
}

/// Runs the decoder until it has read the basic info, which states the size and the channels of the picture.
fn to_basic_info(decoder: &mut JxlDecoder, rest: &mut &[u8]) -> Result<(), Error> {
    match decoder.process(rest, None, None).map_err(failed)? {
        Event::BasicInfo => Ok(()),
        _ => Err(corrupt(CUT_OFF)),
    }
}

/// Counts the visible frames by their headers. In a truncated file, only the frames with a complete header
/// are counted. The second returned value states whether the file ends before the end of the last frame.
fn count_frames(input: &[u8], limits: &Limits) -> Result<(u32, bool), Error> {
    let mut options = options(limits);
    options.scan_frames_only = true;
    let mut decoder = JxlDecoder::new(options);
    let mut rest = input;
    loop {
        let event = decoder.process(&mut rest, None, None).map_err(failed)?;
        let n_frames = decoder.scanned_frames().len();
        check(Limit::Frames, limits.frames.into(), n_frames as u64)?;
        match event {
            Event::BasicInfo => {
                // The size is checked as soon as it is known, so that a picture that is too large is refused
                // before the headers of its frames are read.
                let (width, height) = decoder.basic_info().map(|info| info.size).unwrap_or_default();
                limits.check_input(side(width)?, side(height)?, 1)?;
            }
            Event::NeedMoreInput { .. } | Event::Complete if n_frames == 0 => {
                return Err(corrupt(CUT_OFF));
            }
            Event::NeedMoreInput { .. } => return Ok((n_frames as u32, true)),
            Event::Complete => return Ok((n_frames as u32, false)),
            _ => {}
        }
    }
}

/// Checks that the width or the height of a picture, in pixels, is within the limit of the format, and
/// converts the value to `u32`.
fn side(px: usize) -> Result<u32, Error> {
    match u32::try_from(px) {
        Ok(px @ 1..) if px as usize <= MAX_SIDE_PX => Ok(px),
        _ => Err(corrupt("a side is zero or too long")),
    }
}

fn describe(info: &JxlBasicInfo, channels: JxlColorType, n_frames: u32) -> Result<ImageInfo, Error> {
    let (colorspace, n_channels) = match channels {
        JxlColorType::Grayscale => (Colorspace::Gray, 1),
        JxlColorType::GrayscaleAlpha => (Colorspace::Gray, 2),
        JxlColorType::Cmyk => (Colorspace::Cmyk, 4),
        _ => (Colorspace::Rgb, if channels.has_alpha() { 4 } else { 3 }),
    };
    let bits = info.bit_depth.bits_per_sample() * n_channels;
    Ok(ImageInfo {
        format: Format::Jxl,
        width: side(info.size.0)?,
        height: side(info.size.1)?,
        colorspace,
        interlaced: false,
        sampling: None,
        depth: bits.try_into().unwrap_or(u8::MAX),
        quality: None,
        frames: n_frames,
        alpha: channels.has_alpha(),
    })
}

/// Returns the ICC profile of the decoded pixels, or `None` if the pixels are sRGB.
fn profile(profile: &JxlColorProfile) -> Option<Vec<u8>> {
    if let JxlColorProfile::Simple(encoding) = profile {
        if *encoding == JxlColorEncoding::srgb(false) || *encoding == JxlColorEncoding::srgb(true) {
            return None;
        }
        if let JxlColorEncoding::RgbColorSpace { primaries, transfer_function, .. } = encoding {
            let transfer = match transfer_function {
                JxlTransferFunction::PQ => Some(16),
                JxlTransferFunction::HLG => Some(18),
                _ => None,
            };
            let primaries = match primaries {
                JxlPrimaries::BT2100 => 9,
                JxlPrimaries::P3 => 12,
                _ => 1,
            };
            if let Some(transfer) = transfer {
                return cicp_profile(primaries, transfer, false);
            }
        }
    }
    profile.try_as_icc().map(std::borrow::Cow::into_owned)
}

/// Reads EXIF and XMP from the boxes of a file. Ignores compressed metadata.
fn metadata(input: &[u8], limits: &Limits) -> Result<Metadata, Error> {
    let mut metadata = Metadata::default();
    if !input.starts_with(JXL_CONTAINER) {
        return Ok(metadata);
    }
    let mut n_boxes = 0;
    let mut n_bytes = 0;
    for (kind, content) in Boxes::new(input) {
        n_boxes += 1;
        check(Limit::Parts, limits.parts.into(), n_boxes)?;
        if matches!(&kind, b"Exif" | b"xml " | b"brob" | b"jumb") {
            n_bytes += content.len() as u64;
            check(Limit::MetadataBytes, limits.metadata_bytes, n_bytes)?;
        }
        match &kind {
            b"Exif" if metadata.exif.is_none() => {
                let mut fields = Fields::new(content);
                let skipped = fields.u32().and_then(|n| fields.take(n as usize));
                metadata.exif = skipped.map(|_| fields.rest().to_vec());
            }
            b"xml " if metadata.xmp.is_none() => metadata.xmp = Some(content.to_vec()),
            _ => {}
        }
    }
    Ok(metadata)
}

impl Decode for Decoder<'_> {
    fn header(&self) -> &Header {
        &self.header
    }

    fn memory(&self) -> DecoderMemory {
        let ImageInfo { width, height, .. } = self.header.info;
        let n_pixels = area(width, height);
        // The decoder keeps its buffers until it is dropped.
        let kept = n_pixels * 5 / 4;
        DecoderMemory {
            kept,
            ..DecoderMemory::still(n_pixels * pixel_bytes(&self.header.info), n_pixels * 3 / 2)
        }
    }

    fn next_frame(&mut self, scratch: &mut Scratch) -> Result<Option<Frame>, Error> {
        if self.n_left == 0 {
            return Ok(None);
        }
        let n_frames = self.header.info.frames;
        let n_complete = n_frames - self.n_left;
        self.n_left -= 1;
        let frame = self.decode_frame(scratch);
        // A JPEG XL file does not state its number of frames. If a file lacks frames although all frames with
        // a header are complete, at least one more frame is missing.
        let (n_complete, n_begun) = match frame {
            Ok(_) => (n_frames, n_frames + 1),
            Err(_) => (n_complete, n_frames),
        };
        if self.lacks_frames && n_complete > 0 && (frame.is_err() || self.n_left == 0) {
            let n_missing = n_begun - n_complete;
            let truncation = Truncation::new(MissingPart::Frames, n_missing.into(), n_begun.into());
            self.header.truncation = truncation.map(Truncation::or_more);
        }
        frame
    }
}

impl Decoder<'_> {
    /// Decodes the next frame. Returns `None` if the file has no more frames.
    fn decode_frame(&mut self, scratch: &mut Scratch) -> Result<Option<Frame>, Error> {
        match self.decoder.process(&mut self.rest, None, None).map_err(failed)? {
            Event::FrameHeader => {}
            Event::Complete => return Ok(None),
            _ => return Err(corrupt(CUT_OFF)),
        }
        let delay = self.decoder.frame_header().and_then(|frame| frame.duration).unwrap_or(0.0);
        let ImageInfo { width, height, .. } = self.header.info;
        let (columns, rows) = (width as usize, height as usize);
        let n_channels = self.channels.samples_per_pixel();
        let mut data = scratch.take_zeroed(columns * rows * n_channels);
        let mut buffers = [JxlOutputBuffer::new(&mut data, rows, columns * n_channels)];
        match self.decoder.process(&mut self.rest, Some(&mut buffers), None).map_err(failed)? {
            Event::FrameComplete { .. } => {}
            _ => return Err(corrupt(CUT_OFF)),
        }
        let layout = match self.channels {
            JxlColorType::Grayscale => Layout::Gray,
            JxlColorType::GrayscaleAlpha => {
                let mut wide = scratch.take(columns * rows * 4);
                for (to, &[v, a]) in wide.as_chunks_mut().0.iter_mut().zip(data.as_chunks().0) {
                    *to = [v, v, v, a];
                }
                scratch.give(std::mem::replace(&mut data, wide));
                Layout::Rgba
            }
            JxlColorType::Cmyk => {
                // JPEG XL stores inks inverted: the sample value 0 means full ink.
                data.iter_mut().for_each(|ink| *ink = 255 - *ink);
                Layout::Cmyk
            }
            JxlColorType::Rgba => Layout::Rgba,
            _ => Layout::Rgb,
        };
        let delay_ms = delay.round().clamp(0.0, f64::from(u32::MAX)) as u32;
        Ok(Some(Frame { raster: Raster { width, height, layout, data }, delay_ms }))
    }
}
