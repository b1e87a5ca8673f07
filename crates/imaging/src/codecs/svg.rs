//! SVG (1.1 and the static part of 2), rendered by `resvg`, which is written in Rust. This build does not
//! write SVG.
//!
//! **A document is untrusted.** A document can refer to files, to URLs and to its own elements, and rendering
//! a document of a few hundred bytes can need more memory than any machine has. Therefore the decoder does
//! the following, in this order:
//!
//! * [`source`] limits the length of the decompressed text.
//! * [`entities`] limits the number, the depth and the total length of entities. External entities are never
//!   read.
//! * [`audit`] counts how many elements the document has with all references expanded, and how much work its
//!   text is, before `usvg` expands the references and lays out the text.
//! * [`document`] parses documents inside of the document, which share all limits with it.
//! * [`pictures`] decodes embedded images with the decoders of this crate, and ignores external images.
//! * [`cost`] adds up the pixels of all layers before the first layer is drawn.
//!
//! **Size.** Width and height come from the attributes, with 96 pixels per inch. If one of the two is
//! missing, it follows from the other one by the aspect ratio of the `viewBox`. If both are missing, the
//! document has the size of the `viewBox`, or, without a `viewBox`, the size of the drawing. Width and height
//! are rounded, and at least 1. Only the part that the plan keeps is drawn, directly at its size in the output.
//!
//! **Text** is drawn with fonts of the [`FontSource`] and with one embedded font family, see [`text`].

mod audit;
mod cost;
mod document;
mod entities;
mod pictures;
mod source;
mod styles;
mod text;

use std::panic::{AssertUnwindSafe, catch_unwind};

use resvg::tiny_skia::{IntSize, Pixmap, Transform};
use resvg::usvg::Tree;

use self::document::{Documents, Place};
use super::codec::{Draw, Header, OpenDecoder};
use super::memory::DecoderMemory;
use super::still_decoder::DecodeStill;
use crate::color::{Layout, Raster};
use crate::fonts::FontSource;
use crate::format::Format;
use crate::geometry::{Size, Window};
use crate::info::{Colorspace, ImageInfo};
use crate::metadata::Metadata;
use crate::orientation::Orientation;
use crate::{Channels, Error, Image, Limits, Scratch};

#[expect(clippy::needless_pass_by_value, reason = "`map_err` passes the error by value")]
fn corrupt(reason: impl ToString) -> Error {
    Error::Corrupt { format: "SVG", reason: reason.to_string() }
}

fn unsupported(reason: &str) -> Error {
    Error::Unsupported { format: "SVG", reason: reason.to_owned() }
}

/// An SVG document that was parsed.
pub(super) struct Decoder {
    header: Header,
    limits: Limits,
    tree: Tree,
}

impl Decoder {
    /// Parses the whole document, but draws nothing. `fonts` offers fonts for text, and `open_picture` opens
    /// the raster images that the document contains.
    pub(super) fn open(
        input: &[u8],
        limits: &Limits,
        fonts: Option<&dyn FontSource>,
        open_picture: OpenDecoder,
    ) -> Result<Self, Error> {
        let documents = Documents::new(limits, fonts, open_picture);
        let tree = documents.parse(input, Place::default())?;
        let side = |length: f32| length.round().max(1.0) as u32;
        let size = Size::new(side(tree.size().width()), side(tree.size().height()));
        Ok(Self { header: header(size, documents.warnings()), limits: *limits, tree })
    }
}

fn header(size: Size, warnings: Vec<String>) -> Header {
    let info = ImageInfo::plain(Format::Svg, size, Colorspace::Rgb, 32, true);
    Header {
        info,
        orientation: Orientation::Upright,
        profile: None,
        metadata: Metadata::default(),
        plays: Some(1),
        warnings,
        truncation: None,
    }
}

/// Runs code of `usvg` or `resvg` and converts a panic to an error. Both libraries can panic on extreme
/// numbers in a document.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, Error> {
    // The panic is caught because a decoder of this crate must not panic on any input. The panic can leave
    // values in an unknown state, but these values are dropped and never used again.
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| corrupt("it has numbers that cannot be drawn"))
}

impl DecodeStill for Decoder {
    fn header(&self) -> &Header {
        &self.header
    }

    fn drawing(&mut self) -> Option<&mut dyn Draw> {
        Some(self)
    }

    fn memory(&self) -> DecoderMemory {
        // A drawing is drawn at the size of the output, whose memory counts as that of the picture.
        DecoderMemory::still(0, 0)
    }

    fn decode(&mut self, scratch: &mut Scratch) -> Result<Raster, Error> {
        let size = Size::new(self.header.info.width, self.header.info.height);
        let image = self.draw(Window::whole(size), size, scratch)?;
        let (width, height) = (image.width(), image.height());
        Ok(Raster { width, height, layout: Layout::Rgba, data: image.into_data() })
    }
}

impl Draw for Decoder {
    fn draw(&mut self, part: Window, to: Size, scratch: &mut Scratch) -> Result<Image, Error> {
        let Size { width, height } = to;
        let ImageInfo { width: full_width, height: full_height, .. } = self.header.info;
        // The factors from pixels of the full size to pixels of the result.
        let (x, y) = (f64::from(width) / part.width, f64::from(height) / part.height);
        let scale_x = (x * f64::from(full_width)) as f32 / self.tree.size().width();
        let scale_y = (y * f64::from(full_height)) as f32 / self.tree.size().height();
        cost::check_tree(&self.tree, (scale_x, scale_y), to, &self.limits)?;
        let data = scratch.take_zeroed(width as usize * height as usize * 4);
        let canvas = IntSize::from_wh(width, height).and_then(|size| Pixmap::from_vec(data, size));
        let mut canvas = canvas.ok_or_else(|| corrupt("its size makes no picture"))?;
        let (left, top) = ((-part.left * x) as f32, (-part.top * y) as f32);
        let transform = Transform::from_row(scale_x, 0.0, 0.0, scale_y, left, top);
        guarded(|| resvg::render(&self.tree, transform, &mut canvas.as_mut()))?;
        let mut data = canvas.take();
        unpremultiply_all(&mut data);
        Ok(Image::new(width, height, Channels::Rgba, data))
    }
}

/// Converts all pixels from premultiplied to straight alpha. On translucent pixels, this loop is four times
/// as fast as calling [`crate::alpha::unpremultiply`] for each pixel.
fn unpremultiply_all(data: &mut [u8]) {
    for pixel in data.as_chunks_mut::<4>().0 {
        let alpha = u32::from(pixel[3]);
        if alpha != 255 && alpha != 0 {
            for v in &mut pixel[..3] {
                *v = ((u32::from(*v) * 255 + alpha / 2) / alpha).min(255) as u8;
            }
        }
    }
}
