//! HEIF (ISO/IEC 23008-12), the container of HEIC and AVIF. `container.rs` reads the boxes, `properties.rs`
//! interprets the properties of items, `decode.rs` and `compose.rs` assemble pictures, `av1.rs` and `hevc.rs`
//! decode the planes of a coded picture, and `write.rs` writes files. Whether a picture is coded as HEVC
//! (HEIC) or AV1 (AVIF) is determined by the type of its item, not by the brand of the file.
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
pub(super) mod write;

use self::container::Container;
use self::planes::Chroma;
use self::properties::Coding;
use super::codec::Header;
use super::still_decoder::DecodeStill;
use crate::color::{Layout, Raster, cicp_profile};
use crate::format::Format;
use crate::info::{Colorspace, ImageInfo};
use crate::limits::{Limit, check};
use crate::metadata::Metadata;
use crate::{Channels, Error, Limits, Scratch};

/// A HEIF file whose boxes were read.
pub(super) struct Decoder<'a> {
    container: Container<'a>,
    header: Header,
    max_pixels: u64,
}

impl<'a> Decoder<'a> {
    /// Reads the boxes and the properties of the primary picture. Decodes no pixels.
    pub(super) fn open(format: Format, input: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        let container = Container::parse(input, format.name(), limits)?;
        let id = container.primary;
        let (exif, xmp) = container.metadata(id);
        let color = properties::color(&container, id);
        let profile = color.profile.map(<[u8]>::to_vec);
        let n_bytes = [&exif, &xmp, &profile].into_iter().flatten().map(Vec::len).sum::<usize>();
        check(Limit::MetadataBytes, limits.metadata_bytes, n_bytes as u64)?;
        let info = describe(format, &container)?;
        let profile = match info.colorspace {
            Colorspace::Gray => profile,
            _ => profile.or_else(|| cicp_profile(color.cicp.primaries, color.cicp.transfer)),
        };
        let mut warnings = Vec::new();
        if container.has_sequence {
            warnings.push("the file has a sequence of pictures: only its still picture was read".to_owned());
        }
        let header = Header {
            info,
            orientation: properties::orientation(&container, id),
            profile,
            metadata: Metadata { exif, xmp, ..Metadata::default() },
            plays: None,
            warnings,
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

    fn decode(&mut self, scratch: &mut Scratch) -> Result<Raster, Error> {
        let ImageInfo { format, width, height, .. } = self.header.info;
        let image = decode::primary(&self.container, format.name(), self.max_pixels, scratch)?;
        if (image.width(), image.height()) != (width, height) {
            return Err(Error::Corrupt {
                format: format.name(),
                reason: "the picture has another size than the file says".to_owned(),
            });
        }
        let layout = match image.channels() {
            Channels::Gray => Layout::Gray,
            Channels::Rgb => Layout::Rgb,
            Channels::Rgba => Layout::Rgba,
        };
        Ok(Raster { width, height, layout, data: image.into_data() })
    }
}
