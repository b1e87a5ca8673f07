//! WebP (RFC 9649). Read by `image-webp`, which is Rust all through; written by libwebp, which sees only our own pixels.

mod encode;
#[expect(unsafe_code, reason = "libwebp is C; every call is in this module, each with why it holds")]
mod libwebp;

use std::io::Cursor;

use image_webp::{DecodingError, LoopCount, WebPDecoder};

pub(super) use self::encode::encode;
use super::{Decode, Frame, Header};
use crate::color::{Layout, Raster};
use crate::facts::{Colorspace, Description};
use crate::orientation::Orientation;
use crate::plan::Format;
use crate::{Error, Scratch};

/// What the library may read into memory at once besides the picture: the metadata.
const MAX_METADATA_BYTES: usize = 16 << 20;

fn corrupt(error: &DecodingError) -> Error {
    Error::Corrupt { format: "WebP", reason: error.to_string() }
}

/// A WebP file whose chunks were listed.
pub(super) struct Decoder<'a> {
    webp: WebPDecoder<Cursor<&'a [u8]>>,
    header: Header,
    n_read: u32,
}

impl<'a> Decoder<'a> {
    /// Lists the chunks and reads the metadata.
    pub(super) fn open(input: &'a [u8]) -> Result<Self, Error> {
        let mut webp = WebPDecoder::new(Cursor::new(input)).map_err(|error| corrupt(&error))?;
        webp.set_memory_limit(MAX_METADATA_BYTES);
        let (width, height) = webp.dimensions();
        let (lossy, alpha) = (webp.is_lossy(), webp.has_alpha());
        let description = Description {
            format: Format::Webp,
            width,
            height,
            colorspace: if lossy { Colorspace::YCbCr } else { Colorspace::Rgb },
            interlaced: false,
            // The only one that the lossy format has.
            sampling: lossy.then(|| "4:2:0".to_owned()),
            depth: if alpha { 32 } else { 24 },
            quality: None,
            frames: if webp.is_animated() { webp.num_frames() } else { 1 },
            alpha,
        };
        let exif = webp.exif_metadata().ok().flatten();
        let mut warnings = Vec::new();
        let profile = webp.icc_profile().unwrap_or_else(|error| {
            warnings.push(format!("the colour profile was ignored: {error}"));
            None
        });
        let header = Header {
            description,
            orientation: exif.as_deref().map(Orientation::from_exif).unwrap_or_default(),
            profile,
            plays: match webp.loop_count() {
                LoopCount::Forever => None,
                LoopCount::Times(times) => Some(times.get()),
            },
            warnings,
        };
        Ok(Self { webp, header, n_read: 0 })
    }
}

impl Decode for Decoder<'_> {
    fn header(&self) -> &Header {
        &self.header
    }

    fn next_frame(&mut self, scratch: &mut Scratch) -> Result<Option<Frame>, Error> {
        let Description { width, height, frames, alpha, .. } = self.header.description;
        if self.n_read == frames {
            return Ok(None);
        }
        let layout = if alpha { Layout::Rgba } else { Layout::Rgb };
        let mut data = scratch.take_zeroed(width as usize * height as usize * layout.count());
        let read = if self.webp.is_animated() {
            self.webp.read_frame(&mut data)
        } else {
            self.webp.read_image(&mut data).map(|()| 0)
        };
        match read {
            Ok(delay_ms) => {
                self.n_read += 1;
                Ok(Some(Frame { raster: Raster { width, height, layout, data }, delay_ms }))
            }
            Err(error) => {
                scratch.give(data);
                Err(corrupt(&error))
            }
        }
    }
}
