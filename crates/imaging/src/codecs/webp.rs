//! WebP (RFC 9649). The crate `image-webp`, written in Rust, decodes the pixels. The library libwebp, written
//! in C, encodes them; the only input of libwebp is pixels from this crate.

mod chunks;
mod container;
mod decode;
mod embed;
mod encode;
#[expect(unsafe_code, reason = "libwebp is C; all calls are in this module, each with a safety comment")]
mod libwebp;

use self::container::{Container, Content};
pub(super) use self::embed::embed;
pub(super) use self::encode::{Animation, encode, key_frame};
use super::canvas::{Blend, Canvas, Dispose};
use super::codec::{Decode, Frame, Header};
use super::memory::{DecoderMemory, area, on_canvas, pixel_bytes};
use crate::color::{Layout, Raster};
use crate::format::Format;
use crate::info::{Colorspace, ImageInfo};
use crate::limits::FileBudget;
use crate::metadata::Metadata;
use crate::orientation::Orientation;
use crate::{Error, Limits, Scratch};

fn corrupt(reason: &str) -> Error {
    Error::Corrupt { format: "WebP", reason: reason.to_owned() }
}

/// A WebP file whose chunks were read.
pub(super) struct Decoder<'a> {
    header: Header,
    /// The coded pictures that were not decoded yet.
    content: Option<Content<'a>>,
    canvas: Option<Canvas>,
    /// The length of the file, of which the picture is a copy while it is decoded.
    file_bytes: u64,
}

impl<'a> Decoder<'a> {
    /// Opens a file: reads all chunks, but decodes no pixels.
    pub(super) fn open(input: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        container::count(input, &mut FileBudget::new(limits))?;
        let container = container::parse(input).map_err(corrupt)?;
        let header = Header {
            info: describe(&container),
            orientation: container.exif.map(Orientation::from_exif).unwrap_or_default(),
            profile: container.profile.map(<[u8]>::to_vec),
            metadata: Metadata {
                exif: container.exif.map(<[u8]>::to_vec),
                xmp: container.xmp.map(<[u8]>::to_vec),
                ..Metadata::default()
            },
            plays: container.plays,
            warnings: Vec::new(),
            truncation: container.truncation,
        };
        let file_bytes = input.len() as u64;
        Ok(Self { header, content: Some(container.content), canvas: None, file_bytes })
    }
}

/// Returns the information about a WebP file.
fn describe(container: &Container<'_>) -> ImageInfo {
    ImageInfo {
        format: Format::Webp,
        width: container.width,
        height: container.height,
        colorspace: if container.lossy { Colorspace::YCbCr } else { Colorspace::Rgb },
        interlaced: false,
        // A lossy WebP picture always has chroma subsampling 4:2:0.
        sampling: container.lossy.then(|| "4:2:0".to_owned()),
        depth: if container.alpha { 32 } else { 24 },
        quality: None,
        frames: container.n_frames,
        alpha: container.alpha,
    }
}

impl Decode for Decoder<'_> {
    fn header(&self) -> &Header {
        &self.header
    }

    fn memory(&self) -> DecoderMemory {
        let ImageInfo { width, height, alpha, frames, colorspace, .. } = self.header.info;
        let n_pixels = area(width, height);
        let planes = match (colorspace, alpha) {
            // The planes of luma and chroma.
            (Colorspace::YCbCr, false) => n_pixels * 7 / 4,
            // The alpha plane is coded without loss, as the green channel of a picture of its own.
            (Colorspace::YCbCr, true) => n_pixels * 7,
            (_, alpha) => n_pixels * if alpha { 0 } else { 1 },
        };
        if frames > 1 {
            return on_canvas(&self.header.info, 11, false);
        }
        // The buffer of an opaque lossless picture keeps the room for its alpha channel.
        let kept = if colorspace != Colorspace::YCbCr && !alpha { n_pixels + self.file_bytes } else { 0 };
        let frame = n_pixels * pixel_bytes(&self.header.info);
        DecoderMemory { kept, ..DecoderMemory::still(frame, planes + self.file_bytes) }
    }

    fn next_frame(&mut self, scratch: &mut Scratch) -> Result<Option<Frame>, Error> {
        let ImageInfo { width, height, alpha, .. } = self.header.info;
        match self.content.take() {
            None => Ok(None),
            Some(Content::Still(coded)) => {
                let picture = decode::decode(coded, width, height, scratch)?;
                let layout = if picture.has_alpha { Layout::Rgba } else { Layout::Rgb };
                Ok(Some(Frame { raster: Raster { width, height, layout, data: picture.data }, delay_ms: 0 }))
            }
            Some(Content::Animation(mut frames)) => {
                let Some(data) = frames.next() else {
                    if let Some(canvas) = self.canvas.take() {
                        canvas.release(scratch);
                    }
                    return Ok(None);
                };
                self.content = Some(Content::Animation(frames));
                let canvas = self.canvas.get_or_insert_with(|| Canvas::new(width, height, scratch));
                let delay_ms = draw(data, width, height, canvas, scratch)?;
                Ok(Some(Frame { raster: canvas.snapshot(alpha, scratch), delay_ms }))
            }
        }
    }
}

/// Draws the frame in an `ANMF` chunk onto the canvas. Returns its delay in milliseconds.
fn draw(
    data: &[u8],
    width: u32,
    height: u32,
    canvas: &mut Canvas,
    scratch: &mut Scratch,
) -> Result<u32, Error> {
    let frame = container::parse_frame(data).map_err(corrupt)?;
    let area = frame.area;
    if area.left + area.width > width as usize || area.top + area.height > height as usize {
        return Err(corrupt("a frame lies outside the canvas"));
    }
    let picture = decode::decode(frame.coded, area.width as u32, area.height as u32, scratch)?;
    canvas.begin(area, if frame.clears { Dispose::Clear } else { Dispose::Keep }, scratch);
    let blend = if frame.blends { Blend::Over } else { Blend::Source };
    canvas.draw(area, &picture.data, picture.has_alpha, blend);
    scratch.give(picture.data);
    Ok(frame.delay_ms)
}
