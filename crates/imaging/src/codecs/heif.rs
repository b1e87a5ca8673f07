//! HEIF (ISO/IEC 23008-12), the container of HEIC and AVIF. `container.rs` reads the boxes, `properties.rs`
//! interprets the properties of items, `decode.rs` and `compose.rs` assemble pictures, `av1.rs` and `hevc.rs`
//! decode the planes of a coded picture, and `write.rs` writes files. Whether a picture is coded as HEVC
//! (HEIC) or AV1 (AVIF) is determined by the type of its item, not by the brand of the file. `tracks.rs` and
//! `sequence.rs` read animations, which are stored as tracks, as in a video.
//!
//! Only the properties `irot` and `imir` rotate and mirror a picture. The EXIF orientation is ignored,
//! because it is only informative (ISO/IEC 23000-22, 7.3.10): a picture without these properties is shown as
//! stored.

#[expect(
    unsafe_code,
    reason = "the AV1 decoder has a C interface; all calls are in this module, each with a safety comment"
)]
mod av1;
mod compose;
mod container;
mod decode;
mod hevc;
pub(super) mod planes;
mod properties;
mod rows;
mod sequence;
mod tracks;
pub(super) mod write;

use self::container::{Budget, Container};
use self::planes::Chroma;
use self::properties::Coding;
use super::codec::{Decode, Header};
use super::memory::DecoderMemory;
use super::still_decoder::{DecodeStill, StillDecoder};
use crate::color::{Raster, cicp_profile};
use crate::format::Format;
use crate::info::{Colorspace, ImageInfo};
use crate::isobmff::{brands, child};
use crate::limits::{Limit, check};
use crate::metadata::Metadata;
use crate::rows::Rows;
use crate::{Error, Limits, Scratch};

/// Opens a HEIF file: its sequence of pictures if the file is an animation, else its primary picture.
pub(super) fn open<'a>(
    format: Format,
    input: &'a [u8],
    limits: &Limits,
) -> Result<Box<dyn Decode + 'a>, Error> {
    let container = Container::parse(input, format.name(), limits);
    let mut has_sequence = false;
    if let Some(moov) = child(input, b"moov")
        && let Some(tracks) = tracks::read(moov, &mut Budget::new(limits))?
    {
        if is_animation(input) || container.is_err() {
            let metadata = match &container {
                Ok(container) => metadata(container, 0, limits)?,
                Err(_) => Metadata::default(),
            };
            return Ok(Box::new(sequence::Decoder::open(format, input, tracks, metadata, limits)?));
        }
        has_sequence = true;
    }
    let mut decoder = Decoder::open(format, container?, limits)?;
    if has_sequence {
        let warning = "the file has a sequence of pictures: only its still picture was read";
        decoder.header.warnings.push(warning.to_owned());
    }
    Ok(Box::new(StillDecoder::new(decoder)))
}

/// Whether the sequence of pictures in a file is the main content, and not only an addition to a still
/// picture. The first brand of the file decides, as in browsers.
fn is_animation(input: &[u8]) -> bool {
    let sequence_brands = [b"avis", b"hevc", b"hevx", b"hevm", b"hevs", b"msf1"];
    brands(input).next().is_some_and(|brand| sequence_brands.contains(&brand))
}

/// Returns the metadata of the primary picture. `other_bytes` of other metadata count towards the limit.
fn metadata(container: &Container<'_>, other_bytes: usize, limits: &Limits) -> Result<Metadata, Error> {
    let (exif, xmp) = container.metadata(container.primary);
    let n_bytes = [&exif, &xmp].into_iter().flatten().map(Vec::len).sum::<usize>() + other_bytes;
    check(Limit::MetadataBytes, limits.metadata_bytes, n_bytes as u64)?;
    Ok(Metadata { exif, xmp, ..Metadata::default() })
}

/// The primary picture of a HEIF file whose boxes were read.
struct Decoder<'a> {
    container: Container<'a>,
    header: Header,
    max_pixels: u64,
}

impl<'a> Decoder<'a> {
    /// Reads the properties of the primary picture. Decodes no pixels.
    fn open(format: Format, container: Container<'a>, limits: &Limits) -> Result<Self, Error> {
        let id = container.primary;
        let color = properties::color(&container, id);
        let profile = color.profile.map(<[u8]>::to_vec);
        let metadata = metadata(&container, profile.as_ref().map_or(0, Vec::len), limits)?;
        let info = describe(format, &container)?;
        let is_gray = info.colorspace == Colorspace::Gray;
        let header = Header {
            info,
            orientation: properties::orientation(&container, id),
            profile: profile.or_else(|| cicp_profile(color.cicp.primaries, color.cicp.transfer, is_gray)),
            metadata,
            plays: None,
            warnings: Vec::new(),
            truncation: None,
        };
        Ok(Self { container, header, max_pixels: limits.pixels })
    }
}

/// Describes the primary picture of a file.
fn describe(format: Format, container: &Container<'_>) -> Result<ImageInfo, Error> {
    let id = container.primary;
    let corrupt = |reason: &str| Error::Corrupt { format: format.name(), reason: reason.to_owned() };
    let (width, height) = properties::shown_size(container, id)
        .ok_or_else(|| corrupt("it does not say how large the picture is"))?;
    let Coding { depth, chroma } = properties::coding(container, id).ok_or_else(|| {
        let kind = container.kind(id).unwrap_or_default();
        let reason = format!("pictures of the kind `{}`", String::from_utf8_lossy(&kind));
        Error::Unsupported { format: format.name(), reason }
    })?;
    let alpha = properties::alpha(container, id).is_some();
    let matrix = properties::color(container, id).cicp.matrix;
    let colorspace = match chroma {
        Chroma::None => Colorspace::Gray,
        _ if matrix == 0 => Colorspace::Rgb,
        _ => Colorspace::YCbCr,
    };
    let n_channels = if chroma == Chroma::None { 1 } else { 3 } + u8::from(alpha);
    Ok(ImageInfo {
        format,
        width,
        height,
        colorspace,
        interlaced: false,
        sampling: chroma.name().filter(|_| colorspace == Colorspace::YCbCr).map(str::to_owned),
        depth: depth * n_channels,
        quality: None,
        frames: 1,
        alpha,
    })
}

/// Reads the boxes of a file that this crate wrote and returns the information about the file.
pub(super) fn describe_own(format: Format, file: &[u8], quality: u8) -> Result<ImageInfo, Error> {
    let encode_error = |error: Error| Error::Encode { format: format.name(), reason: error.to_string() };
    let limits = Limits { parts: u32::MAX, ..Limits::default() };
    let container = Container::parse(file, format.name(), &limits).map_err(encode_error)?;
    Ok(ImageInfo { quality: Some(quality), ..describe(format, &container).map_err(encode_error)? })
}

impl DecodeStill for Decoder<'_> {
    fn header(&self) -> &Header {
        &self.header
    }

    fn memory(&self) -> DecoderMemory {
        rows::memory(&self.container, &self.header.info)
    }

    fn rows(&mut self) -> Result<Option<Box<dyn Rows + '_>>, Error> {
        rows::open(&self.container, self.header.info.format.name(), self.max_pixels)
    }

    fn decode(&mut self, scratch: &mut Scratch) -> Result<Raster, Error> {
        let ImageInfo { format, width, height, .. } = self.header.info;
        let image = decode::primary(&self.container, format.name(), self.max_pixels, scratch)?;
        if (image.width(), image.height()) != (width, height) {
            return Err(Error::Corrupt {
                format: format.name(),
                reason: "the picture has another size than the file says".to_owned(),
            });
        }
        let layout = image.channels().into();
        Ok(Raster { width, height, layout, data: image.into_data() })
    }
}
