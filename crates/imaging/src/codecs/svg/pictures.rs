//! Decodes the raster images that are embedded in an SVG document, with the decoders of this crate. The limit
//! on pixels applies to the sum of all embedded images. External images are not drawn.

use std::sync::{Arc, Mutex, PoisonError};

use resvg::usvg::ImageKind;

use crate::codecs::codec::OpenDecoder;
use crate::codecs::png;
use crate::color::ToSrgb;
use crate::format::Format;
use crate::info::Colorspace;
use crate::limits::{Limit, check};
use crate::metadata::Metadata;
use crate::plan::Output;
use crate::{Error, Limits, Scratch, format};

/// Decodes the images of a document and adds up their pixels.
pub(super) struct Pictures<'a> {
    limits: &'a Limits,
    open: OpenDecoder,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    n_pixels: u64,
    warnings: Vec<String>,
}

impl<'a> Pictures<'a> {
    /// Creates the state for a document of which no image was decoded yet. `open` opens the decoder of an
    /// image.
    pub(super) fn new(limits: &'a Limits, open: OpenDecoder) -> Self {
        Self { limits, open, seen: Mutex::default() }
    }

    /// Returns the warnings about images that were not drawn, without duplicates.
    pub(super) fn warnings(self) -> Vec<String> {
        self.seen.into_inner().unwrap_or_else(PoisonError::into_inner).warnings
    }

    /// Handles an image that is a reference to a file or a URL. Such an image is not drawn; a warning is
    /// added.
    pub(super) fn foreign(&self) -> Option<ImageKind> {
        self.warn("a picture that is not part of the document was left out".to_owned());
        None
    }

    /// Decodes an embedded image. The function encodes the image as PNG again and passes this PNG to `resvg`,
    /// so that no decoder of `resvg` reads bytes of the input file.
    pub(super) fn embedded(&self, data: &[u8]) -> Option<ImageKind> {
        match self.decode(data) {
            Ok(png) => Some(ImageKind::PNG(Arc::new(png))),
            Err(error) => {
                self.warn(format!("a picture in the document was left out: {error}"));
                None
            }
        }
    }

    /// Decodes an embedded image and encodes the pixels as PNG.
    fn decode(&self, data: &[u8]) -> Result<Vec<u8>, Error> {
        let format = match format::sniff(data) {
            None => return Err(Error::UnknownFormat { sniffed: format::sniff_foreign(data) }),
            Some(Format::Svg) => {
                return Err(Error::Unsupported {
                    format: "SVG",
                    reason: "a document in a document".to_owned(),
                });
            }
            Some(format) => format,
        };
        let mut decoder = (self.open)(format, data, self.limits)?;
        let info = &decoder.header().info;
        self.limits.check_input(info.width, info.height, 1)?;
        self.spend(u64::from(info.width) * u64::from(info.height))?;
        let mut scratch = Scratch::default();
        let Some(frame) = decoder.next_frame(&mut scratch)? else {
            return Err(Error::Corrupt { format: format.name(), reason: "no picture".to_owned() });
        };
        let header = decoder.header();
        self.limits.check_truncation(format.name(), header.truncation)?;
        if let Some(truncation) = header.truncation {
            self.warn(format!("a picture in the document: {truncation}"));
        }
        let is_gray = header.info.colorspace == Colorspace::Gray;
        let (to_srgb, _) = ToSrgb::new(header.profile.as_deref(), frame.raster.layout, is_gray);
        let image = header.orientation.apply(to_srgb.apply(frame.raster, &mut scratch), &mut scratch);
        Ok(png::encode(&image, &Output::default(), &Metadata::default(), &mut scratch)?.bytes)
    }

    /// Adds pixels to the total of all images and checks the limit.
    fn spend(&self, n_pixels: u64) -> Result<(), Error> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.n_pixels = seen.n_pixels.saturating_add(n_pixels);
        check(Limit::Pixels, self.limits.pixels, seen.n_pixels)
    }

    /// Adds a warning unless the list already contains this warning.
    fn warn(&self, warning: String) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.warnings.contains(&warning) {
            seen.warnings.push(warning);
        }
    }
}
