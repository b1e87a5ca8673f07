//! JPEG (ITU-T T.81). The files `decode.rs` and `encode.rs` call the crate `pixaven-jpeg`, which decodes and
//! encodes the pixels. `header.rs` reads the markers, the tables and the metadata.

mod components;
mod decode;
mod embed;
mod encode;
mod header;
mod quality;

pub(super) use self::embed::embed;
pub(super) use self::encode::encode;

use pixaven_jpeg::{Coding, Frame, Scale};

use self::components::Transform;
use self::header::JpegHeader;
use super::codec::Header;
use super::memory::{DecoderMemory, area};
use super::still_decoder::DecodeStill;
use crate::color::{Layout, Raster};
use crate::format::Format;
use crate::geometry::Size;
use crate::info::{Colorspace, ImageInfo};
use crate::metadata::Metadata;
use crate::orientation::Orientation;
use crate::truncation::{MissingPart, Truncation};
use crate::{Error, Limits, Scratch};

/// A picture with at most this number of pixels is always decoded at full size. A block at the right or lower
/// edge may extend beyond the picture. In a reduced picture, the pixels beyond the picture change the pixels of
/// this block. In a small thumbnail, such pixels are a large part of the picture.
const MAX_UNREDUCED_PX: u64 = 128 * 128;

/// A JPEG file whose header was read.
pub(super) struct Decoder<'a> {
    input: &'a [u8],
    jpeg: JpegHeader,
    header: Header,
    scale: Scale,
}

impl<'a> Decoder<'a> {
    /// Opens a JPEG file: reads all markers and counts the scans.
    pub(super) fn open(input: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        let jpeg = header::read(input, limits)?;
        crate::limits::check(crate::limits::Limit::Scans, limits.scans.into(), jpeg.n_scans.into())?;
        let frame = &jpeg.frame;
        let n_components = frame.components.len();
        let colorspace = match jpeg.transform {
            Transform::None if n_components == 1 => Colorspace::Gray,
            Transform::None if n_components == 3 => Colorspace::Rgb,
            Transform::YCbCr if n_components == 3 => Colorspace::YCbCr,
            _ => Colorspace::Cmyk,
        };
        let info = ImageInfo {
            format: Format::Jpeg,
            width: frame.width,
            height: frame.height,
            colorspace,
            interlaced: frame.coding == Coding::Progressive,
            sampling: (n_components > 1).then(|| components::sampling(&frame.components)),
            depth: frame.precision * n_components as u8,
            quality: quality::estimate(&jpeg),
            frames: 1,
            alpha: false,
        };
        let header = Header {
            info,
            orientation: jpeg.exif.as_deref().map(Orientation::from_exif).unwrap_or_default(),
            profile: jpeg.profile.clone(),
            metadata: Metadata {
                exif: jpeg.exif.clone(),
                xmp: jpeg.xmp.clone(),
                author: jpeg.rights.author.clone(),
                copyright: jpeg.rights.copyright.clone(),
            },
            plays: None,
            warnings: Vec::new(),
            truncation: None,
        };
        Ok(Self { input, jpeg, header, scale: Scale::FULL })
    }
}

impl DecodeStill for Decoder<'_> {
    fn header(&self) -> &Header {
        &self.header
    }

    fn reduce_to(&mut self, needed: Size) {
        let Frame { width, height, coding, .. } = self.jpeg.frame;
        // Only the coefficients of the discrete cosine transform allow decoding at a reduced size.
        if coding != Coding::Lossless && u64::from(width) * u64::from(height) > MAX_UNREDUCED_PX {
            self.scale = Scale::for_resampling((width, height), (needed.width, needed.height));
        }
    }

    fn reduced_size(&self) -> Option<(f64, f64)> {
        let side = |full: u32| f64::from(full) * self.scale.eighths() as f64 / 8.0;
        Some((side(self.jpeg.frame.width), side(self.jpeg.frame.height)))
    }

    fn memory(&self) -> DecoderMemory {
        let frame = &self.jpeg.frame;
        let (width, height) = self.scale.of(frame.width, frame.height);
        let n_components = frame.components.len() as u64;
        let pixels = area(width, height) * n_components;
        // Inks are converted to RGB in a second buffer.
        let converted = if n_components == 4 { area(width, height) * 3 } else { 0 };
        let decoding = pixaven_jpeg::Decoder::memory(frame, self.scale, self.jpeg.n_scans);
        DecoderMemory::still(pixels, decoding.max(converted))
    }

    fn decode(&mut self, scratch: &mut Scratch) -> Result<Raster, Error> {
        let (mut data, outcome) = decode::decode(self.input, &self.jpeg, self.scale, scratch)?;
        let frame = &self.jpeg.frame;
        let is_progressive = frame.coding == Coding::Progressive;
        let part = if is_progressive { MissingPart::Detail } else { MissingPart::Picture };
        self.header.truncation = Truncation::new(part, outcome.missing_permille.into(), 1000);
        if !self.jpeg.ends && self.header.truncation.is_none() {
            self.header.warnings.push("the JPEG has no end marker: it may be damaged".to_owned());
        } else if self.jpeg.ends && outcome.damaged {
            self.header.warnings.push("parts of the JPEG are damaged: they are gray or wrong".to_owned());
        }
        let (width, height) = self.scale.of(frame.width, frame.height);
        let layout = match frame.components.len() {
            1 => Layout::Gray,
            3 => Layout::Rgb,
            _ => {
                self.to_inks(&mut data);
                Layout::Cmyk
            }
        };
        Ok(Raster { width, height, layout, data })
    }
}

impl Decoder<'_> {
    /// Converts four stored components to amounts of cyan, magenta, yellow and black ink, where 0 means no
    /// ink. An Adobe marker in the file means that the samples are stored inverted. The field `transform` of
    /// the marker states whether the first three components are YCbCr.
    fn to_inks(&self, data: &mut [u8]) {
        if self.jpeg.transform == Transform::YCbCr {
            for pixel in data.as_chunks_mut::<4>().0 {
                let [y, cb, cr, k] = *pixel;
                let [r, g, b] = ycbcr_to_rgb(y, cb, cr);
                *pixel = [255 - r, 255 - g, 255 - b, k];
            }
        }
        if self.jpeg.adobe {
            data.iter_mut().for_each(|v| *v = 255 - *v);
        }
    }
}

/// Converts an error of the crate `pixaven-jpeg`.
#[expect(clippy::needless_pass_by_value, reason = "`map_err` passes the error by value")]
fn failed(error: pixaven_jpeg::Error) -> Error {
    match error {
        pixaven_jpeg::Error::Corrupt(reason) => Error::Corrupt { format: "JPEG", reason: reason.to_owned() },
        pixaven_jpeg::Error::Unsupported(reason) => {
            Error::Unsupported { format: "JPEG", reason: reason.to_owned() }
        }
    }
}

/// Converts YCbCr to RGB by the full-range formula of JFIF 1.02, in 16-bit fixed point.
fn ycbcr_to_rgb(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    let y = (i32::from(y) << 16) + 32_768;
    let (cb, cr) = (i32::from(cb) - 128, i32::from(cr) - 128);
    let r = (y + 91_881 * cr) >> 16;
    let g = (y - 22_554 * cb - 46_802 * cr) >> 16;
    let b = (y + 116_130 * cb) >> 16;
    [r, g, b].map(|v| v.clamp(0, 255) as u8)
}
