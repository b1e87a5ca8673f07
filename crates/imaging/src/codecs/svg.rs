//! SVG (1.1 and the static part of 2), rendered by `resvg`, which is written in Rust. This build does not
//! write SVG.
//!
//! **A document is untrusted.** A document can refer to files, to URLs and to its own elements, and rendering
//! a document of a few hundred bytes can need more memory than any machine has. Therefore the decoder does
//! the following, in this order:
//!
//! * [`source`] limits the length of the decompressed text.
//! * A document type with declarations is refused, so that no entities exist.
//! * [`audit`] counts how many elements the document has with all references expanded, before `usvg` expands
//!   them.
//! * [`pictures`] decodes embedded images with the decoders of this crate, and ignores external images.
//! * [`cost`] adds up the pixels of all layers before the first layer is drawn.
//!
//! **Size.** Width and height come from the attributes, with 96 pixels per inch. If one of the two is
//! missing, it follows from the other one by the aspect ratio of the `viewBox`. If both are missing, the
//! document has the size of the `viewBox`, or, without a `viewBox`, the size of the drawing. Width and height
//! are rounded, and at least 1. If the plan makes the picture smaller, the document is rendered at the
//! smaller size.
//!
//! **Text is not drawn**, and a warning says so: drawing text needs font files, and an image worker opens no
//! files.

mod audit;
mod cost;
mod pictures;
mod source;
mod styles;

use std::panic::{AssertUnwindSafe, catch_unwind};

use resvg::tiny_skia::{IntSize, Pixmap, Transform};
use resvg::usvg::{ImageHrefResolver, Options, Tree};
use roxmltree::{Document, ParsingOptions};

use self::pictures::Pictures;
use super::codec::{Header, OpenDecoder};
use super::still_decoder::DecodeStill;
use crate::color::{Layout, Raster};
use crate::format::Format;
use crate::format::xml_prolog;
use crate::geometry::Size;
use crate::info::{Colorspace, ImageInfo};
use crate::limits::Limit;
use crate::metadata::Metadata;
use crate::orientation::Orientation;
use crate::{Error, Limits, Scratch};

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
    /// The parsed document as a tree. `None` after the tree was drawn.
    tree: Option<Tree>,
    /// The size in pixels at which the document is drawn.
    needed: Size,
}

impl Decoder {
    /// Parses the whole document, but draws nothing. `open_picture` opens the raster images that the document
    /// contains.
    pub(super) fn open(input: &[u8], limits: &Limits, open_picture: OpenDecoder) -> Result<Self, Error> {
        let text = source::text(input)?;
        if xml_prolog::read(text.as_bytes()).declares {
            return Err(unsupported("a document type with declarations of its own"));
        }
        let options = ParsingOptions { allow_dtd: true, nodes_limit: limits.parts, ..Default::default() };
        let document =
            Document::parse_with_options(&text, options).map_err(|error| refused(error, limits))?;
        let n_texts = audit::check_document(&document, limits)?;
        let pictures = Pictures::new(limits, open_picture);
        let tree = guarded(|| Tree::from_xmltree(&document, &self::options(&pictures)))?;
        let tree = tree.map_err(|error| match error {
            resvg::usvg::Error::ParsingFailed(error) => refused(error, limits),
            other => corrupt(other),
        })?;
        let side = |length: f32| length.round().max(1.0) as u32;
        let size = Size::new(side(tree.size().width()), side(tree.size().height()));
        let mut warnings = pictures.warnings();
        if n_texts > 0 {
            warnings.push(format!("{n_texts} texts were left out: this server has no fonts for SVG"));
        }
        Ok(Self { header: header(size, warnings), limits: *limits, tree: Some(tree), needed: size })
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

/// Converts an error of the XML parser. If the document has more nodes than allowed, the result is
/// [`Error::Limit`]. Every other parser error means that the document is malformed.
fn refused(error: roxmltree::Error, limits: &Limits) -> Error {
    match error {
        roxmltree::Error::NodesLimitReached => {
            let max = u64::from(limits.parts);
            Error::Limit { limit: Limit::Parts, max, got: max + 1 }
        }
        other => corrupt(other),
    }
}

/// Parser options that forbid external resources: the parser opens no files and no URLs.
fn options<'a>(pictures: &'a Pictures<'_>) -> Options<'a> {
    Options {
        image_href_resolver: ImageHrefResolver {
            resolve_data: Box::new(|_, data, _| pictures.embedded(&data)),
            resolve_string: Box::new(|_, _| pictures.foreign()),
        },
        ..Options::default()
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

    fn reduce_to(&mut self, needed: Size) {
        let ImageInfo { width, height, .. } = self.header.info;
        self.needed = Size::new(needed.width.clamp(1, width), needed.height.clamp(1, height));
    }

    fn decode(&mut self, scratch: &mut Scratch) -> Result<Raster, Error> {
        let tree = self.tree.take().expect("a still picture is decoded once");
        let Size { width, height } = self.needed;
        let (x, y) = (width as f32 / tree.size().width(), height as f32 / tree.size().height());
        cost::check_tree(&tree, (x, y), self.needed, &self.limits)?;
        let data = scratch.take_zeroed(width as usize * height as usize * 4);
        let canvas = IntSize::from_wh(width, height).and_then(|size| Pixmap::from_vec(data, size));
        let mut canvas = canvas.ok_or_else(|| corrupt("its size makes no picture"))?;
        guarded(|| resvg::render(&tree, Transform::from_scale(x, y), &mut canvas.as_mut()))?;
        let mut data = canvas.take();
        unpremultiply_all(&mut data);
        Ok(Raster { width, height, layout: Layout::Rgba, data })
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
