//! SVG (1.1 and the static part of 2), drawn by `resvg`, which is Rust all through. Nothing is written.
//!
//! **A document is hostile until it was looked at.** It can name files, addresses and itself, and a few
//! hundred bytes can ask for more than any machine has. So, in this order: its bytes are capped, unpacked or
//! not ([`source`]); a document type that declares anything is refused, so no entity exists ([`prolog`]);
//! what it comes to once everything that it uses is in its place is counted before that is done ([`audit`]);
//! pictures come from the document itself and through our own decoders only ([`pictures`]); and the pixels of
//! all layers are added up before the first is drawn ([`cost`]).
//!
//! **Size.** Width and height by their attributes, 96 pixels to the inch; one that is missing follows the
//! other by the `viewBox`, both missing are those of the `viewBox`, and without one those of what is drawn.
//! Rounded, at least 1. A document is drawn at the size that is needed, never above its own.
//!
//! **Text is left out**, with a warning: it would need fonts, and a worker opens no file.

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
use crate::alpha::unpremultiply;
use crate::color::{Layout, Raster};
use crate::format::Format;
use crate::format::xml_prolog;
use crate::geometry::Size;
use crate::info::{Colorspace, ImageInfo};
use crate::limits::Limit;
use crate::metadata::Metadata;
use crate::orientation::Orientation;
use crate::{Error, Limits, Scratch};

#[expect(clippy::needless_pass_by_value, reason = "the form that `map_err` takes")]
fn corrupt(reason: impl ToString) -> Error {
    Error::Corrupt { format: "SVG", reason: reason.to_string() }
}

fn unsupported(reason: &str) -> Error {
    Error::Unsupported { format: "SVG", reason: reason.to_owned() }
}

/// A document that was read and is ready to be drawn.
pub(super) struct Decoder {
    header: Header,
    limits: Limits,
    /// Until it was drawn.
    tree: Option<Tree>,
    /// The size to draw at.
    needed: Size,
}

impl Decoder {
    /// Reads the whole document; draws nothing. `open_picture` opens the raster images that the document
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
    }
}

/// The limit on nodes is ours, everything else the document's fault.
fn refused(error: roxmltree::Error, limits: &Limits) -> Error {
    match error {
        roxmltree::Error::NodesLimitReached => {
            let max = u64::from(limits.parts);
            Error::Limit { limit: Limit::Parts, max, got: max + 1 }
        }
        other => corrupt(other),
    }
}

/// Nothing from outside of the document: no files, no addresses.
fn options<'a>(pictures: &'a Pictures<'_>) -> Options<'a> {
    Options {
        image_href_resolver: ImageHrefResolver {
            resolve_data: Box::new(|_, data, _| pictures.embedded(&data)),
            resolve_string: Box::new(|_, _| pictures.foreign()),
        },
        ..Options::default()
    }
}

/// Runs code of `usvg` and `resvg`, which assume here and there that numbers make sense.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, Error> {
    // A panic must not pass: nothing else of this crate panics on any input. What it leaves behind is dropped
    // unseen.
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
        straighten(&mut data);
        Ok(Raster { width, height, layout: Layout::Rgba, data })
    }
}

/// From premultiplied to straight alpha, rounded.
fn straighten(data: &mut [u8]) {
    for pixel in data.as_chunks_mut::<4>().0 {
        if !matches!(pixel[3], 0 | 255) {
            *pixel = unpremultiply(*pixel);
        }
    }
}
