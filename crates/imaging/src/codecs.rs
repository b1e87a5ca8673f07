//! The formats this build reads and writes: what a decoder and an encoder are, and which one belongs to which format.
//! The bytes of each format are the business of its own file.
//!
//! A decoder is a source of composed frames, an encoder a sink: one frame is in memory at a time, however long the
//! animation.

mod auto;
mod avif;
mod bmp;
mod bytes;
mod canvas;
mod difference;
mod embed;
pub(crate) mod fit;
mod gif;
mod heic;
mod heif;
mod ico;
mod isobmff;
mod jp2;
mod jpeg;
mod jxl;
mod lab;
mod mp4;
mod palette;
mod png;
mod psd;
pub(crate) mod svg;
mod tiff;
mod video;
mod webm;
mod webp;
mod wrapped;
mod ycbcr;

pub(crate) use self::canvas::over;
pub(crate) use self::ico::is_icon;

use self::embed::WithMetadata;
pub(crate) use self::embed::takes_metadata;
use crate::color::Raster;
use crate::facts::Description;
use crate::geometry::Size;
use crate::metadata::Metadata;
use crate::orientation::Orientation;
use crate::plan::{Format, Output};
use crate::rows::Rows;
use crate::{Channels, Error, Image, Limits, Scratch};

/// What is known before the first pixel.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    /// The facts, without those that follow from the bytes.
    pub(crate) description: Description,
    /// How the frames have to be turned.
    pub(crate) orientation: Orientation,
    /// The embedded ICC profile.
    pub(crate) profile: Option<Vec<u8>>,
    /// EXIF and XMP.
    pub(crate) metadata: Metadata,
    /// How often an animation plays; `None`: for ever.
    pub(crate) plays: Option<u16>,
    /// What was found wrong and got over, as sentences for the caller of the API.
    pub(crate) warnings: Vec<String>,
}

/// One picture of an animation, or the only one.
#[derive(Debug)]
pub(crate) struct Frame {
    /// The whole canvas as it is to be seen.
    pub(crate) raster: Raster,
    /// How long it is shown.
    pub(crate) delay_ms: u32,
}

/// A source of frames. Making one reads headers only; what a frame needs is allocated when it is asked for.
pub(crate) trait Decode {
    /// What is known before the first pixel.
    fn header(&self) -> &Header;

    /// Said once, before the first frame: a size, as stored, that is enough. A decoder that saves work by it delivers
    /// its frames smaller than the header says, but never smaller than this.
    fn reduce_to(&mut self, _needed: Size) {}

    /// The only picture, row by row, where the decoder has it so and nothing was read before; then no frame is asked for.
    fn rows(&mut self) -> Result<Option<Box<dyn Rows + '_>>, Error> {
        Ok(None)
    }

    /// The next frame, all of the size in the header unless [`Decode::reduce_to`] made them smaller; `None` after the
    /// last.
    fn next_frame(&mut self, scratch: &mut Scratch) -> Result<Option<Frame>, Error>;
}

/// A finished file.
#[derive(Debug)]
pub(crate) struct Encoded {
    /// The facts, without those that follow from the bytes.
    pub(crate) description: Description,
    /// The file.
    pub(crate) bytes: Vec<u8>,
}

/// A sink of frames.
pub(crate) trait Encode {
    /// Adds a frame; all have the same size.
    fn push(&mut self, image: Image, delay_ms: u32, scratch: &mut Scratch) -> Result<(), Error>;

    /// Ends the file. At least one frame was pushed.
    fn finish(self: Box<Self>, scratch: &mut Scratch) -> Result<Encoded, Error>;
}

/// Opens a file of a known format. Fails when the header makes no sense or one of the limits that are no matter of
/// width, height and frames is exceeded; those three are for the caller to check.
pub(crate) fn open<'a>(
    format: Format,
    input: &'a [u8],
    limits: &Limits,
) -> Result<Box<dyn Decode + 'a>, Error> {
    Ok(match format {
        Format::Jpeg => Box::new(jpeg::Decoder::open(input, limits)?),
        Format::Png | Format::Apng => Box::new(png::Decoder::open(input, limits)?),
        Format::Gif => Box::new(gif::Decoder::open(input, limits)?),
        Format::Webp => Box::new(webp::Decoder::open(input, limits)?),
        Format::Bmp => bmp::open(input, limits)?,
        Format::Ico => ico::open(input, limits)?,
        Format::Tiff => Box::new(tiff::Decoder::open(input, limits)?),
        Format::Psd => Box::new(psd::Decoder::open(input, limits)?),
        Format::Svg => Box::new(svg::Decoder::open(input, limits)?),
        Format::Heic | Format::Avif => Box::new(heif::Decoder::open(format, input, limits)?),
        Format::Jxl => Box::new(jxl::Decoder::open(input, limits)?),
        Format::Jp2 => Box::new(jp2::Decoder::open(input, limits)?),
        Format::Mp4 | Format::Webm => {
            return Err(Error::Unsupported { format: format.name(), reason: "the format itself".to_owned() });
        }
    })
}

/// What an encoder has to know about the frames that will come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sequence {
    /// How many, at most.
    pub(crate) n_frames: u32,
    /// How often they are played; `None`: for ever.
    pub(crate) plays: Option<u16>,
    /// Whether a later frame can have alpha where the first has none.
    pub(crate) alpha: bool,
}

impl Sequence {
    /// A single picture.
    pub(crate) const STILL: Self = Self { n_frames: 1, plays: Some(1), alpha: false };
}

/// Begins a file.
pub(crate) fn begin(
    format: Format,
    output: &Output,
    sequence: Sequence,
    metadata: Metadata,
) -> Result<Box<dyn Encode>, Error> {
    Ok(match format {
        Format::Jpeg => Box::new(Still::new(jpeg::encode, output, metadata)),
        Format::Png => Box::new(Still::new(png::encode, output, metadata)),
        Format::Apng => Box::new(WithMetadata { sink: png::Animation::new(output, sequence), metadata }),
        Format::Gif => Box::new(gif::Encoder::new(output, sequence)),
        Format::Webp if sequence.n_frames > 1 => {
            Box::new(WithMetadata { sink: webp::Animation::new(output, sequence), metadata })
        }
        Format::Webp => Box::new(Still::new(webp::encode, output, metadata)),
        Format::Bmp => Box::new(Still::new(bmp::encode, output, metadata)),
        Format::Ico => Box::new(Still::new(ico::encode, output, metadata)),
        Format::Tiff => Box::new(Still::new(tiff::encode, output, metadata)),
        Format::Mp4 => Box::new(mp4::Encoder::new(output)),
        Format::Webm => Box::new(webm::Encoder::new(output)),
        Format::Heic => Box::new(Still::new(heic::encode, output, metadata)),
        Format::Avif => Box::new(Still::new(avif::encode, output, metadata)),
        Format::Jxl => Box::new(Still::new(jxl::encode, output, metadata)),
        Format::Jp2 => Box::new(Still::new(jp2::encode, output, metadata)),
        Format::Psd | Format::Svg => {
            return Err(Error::Encode {
                format: format.name(),
                reason: "this build does not write it".to_owned(),
            });
        }
    })
}

/// Begins a file in the format that turns out the smallest.
pub(crate) fn begin_smallest(
    output: &Output,
    sequence: Sequence,
    metadata: Metadata,
) -> Result<Box<dyn Encode>, Error> {
    Ok(if sequence.n_frames > 1 {
        Box::new(auto::Animation::new(output, sequence, &metadata)?)
    } else {
        Box::new(auto::Still::new(output, metadata))
    })
}

/// Makes a whole file of one picture.
type EncodeStill = fn(&Image, &Output, &Metadata, &mut Scratch) -> Result<Encoded, Error>;

/// A sink for formats that hold one picture.
struct Still {
    encode: EncodeStill,
    output: Output,
    metadata: Metadata,
    encoded: Option<Encoded>,
}

impl Still {
    fn new(encode: EncodeStill, output: &Output, metadata: Metadata) -> Self {
        Self { encode, output: *output, metadata, encoded: None }
    }
}

impl Encode for Still {
    fn push(&mut self, image: Image, _delay_ms: u32, scratch: &mut Scratch) -> Result<(), Error> {
        let mut encode = |output: &Output| {
            let mut encoded = (self.encode)(&image, output, &self.metadata, scratch)?;
            embed::embed(&mut encoded, &self.metadata);
            Ok(encoded)
        };
        self.encoded = Some(match self.output.max_bytes {
            None => encode(&self.output)?,
            Some(max_bytes) => fit::highest(&self.output, max_bytes, |output| {
                let made = encode(output)?;
                Ok(fit::Attempt {
                    n_bytes: made.bytes.len() as u64,
                    lossy: made.description.quality.is_some(),
                    format: made.description.format.name(),
                    made,
                })
            })?,
        });
        scratch.give(image.into_data());
        Ok(())
    }

    fn finish(self: Box<Self>, _scratch: &mut Scratch) -> Result<Encoded, Error> {
        Ok(self.encoded.expect("a frame was pushed before the end"))
    }
}

/// The same picture with these channels: gray becomes colour, no alpha becomes opaque, alpha goes onto white.
fn with_channels(image: Image, channels: Channels, scratch: &mut Scratch) -> Image {
    let (width, height) = (image.width(), image.height());
    let converted = match (image.channels(), channels) {
        (from, to) if from == to => return image,
        (Channels::Gray, to) => {
            let n_channels = to.count();
            let mut data = scratch.take(image.data().len() * n_channels);
            for (pixel, &v) in data.chunks_exact_mut(n_channels).zip(image.data()) {
                pixel[..3].fill(v);
                pixel[3..].fill(255);
            }
            Image::new(width, height, to, data)
        }
        (Channels::Rgb, _) => {
            let mut data = scratch.take(image.data().len() / 3 * 4);
            let pixels = image.data().as_chunks::<3>().0;
            let wide = data.as_chunks_mut::<4>().0;
            wide.iter_mut().zip(pixels).for_each(|(to, &[r, g, b])| *to = [r, g, b, 255]);
            Image::new(width, height, Channels::Rgba, data)
        }
        (Channels::Rgba, _) => on_white(&image, scratch),
    };
    scratch.give(image.into_data());
    converted
}

/// Takes the factor alpha out of the colours.
fn straight([r, g, b, a]: [u8; 4]) -> [u8; 4] {
    let divided = |v: u8| match u32::from(a) {
        0 => 0,
        alpha => ((u32::from(v) * 255 + alpha / 2) / alpha).min(255) as u8,
    };
    [divided(r), divided(g), divided(b), a]
}

/// Puts a picture with alpha on white, for formats without alpha.
fn on_white(image: &Image, scratch: &mut Scratch) -> Image {
    debug_assert_eq!(image.channels(), Channels::Rgba);
    let mut data = scratch.take(image.data().len() / 4 * 3);
    let pixels = image.data().as_chunks::<4>().0;
    for (&[r, g, b, a], flat) in pixels.iter().zip(data.as_chunks_mut::<3>().0) {
        let (alpha, white) = (u32::from(a), 255 * (255 - u32::from(a)));
        *flat = [r, g, b].map(|v| ((u32::from(v) * alpha + white + 127) / 255) as u8);
    }
    Image::new(image.width(), image.height(), Channels::Rgb, data)
}

/// Recognises a readable format that is made of boxes, or can be: JPEG XL and JPEG 2000, and HEIF by its brands.
///
/// The general brands of HEIF say nothing about how the pictures are coded; what else a file claims to be decides, and
/// without any such claim it is taken as HEIC. What is decoded goes by the items in the file, whatever this says.
pub(crate) fn sniff_boxes(input: &[u8]) -> Option<Format> {
    if input.starts_with(jxl::CONTAINER) || input.starts_with(jxl::CODESTREAM) {
        return Some(Format::Jxl);
    }
    if input.starts_with(jp2::CONTAINER) || input.starts_with(jp2::CODESTREAM) {
        return Some(Format::Jp2);
    }
    let mut general = false;
    for brand in isobmff::brands(input) {
        match brand {
            b"avif" | b"avis" => return Some(Format::Avif),
            b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"hevm" | b"hevs" => {
                return Some(Format::Heic);
            }
            b"mif1" | b"mif2" | b"msf1" => general = true,
            _ => {}
        }
    }
    general.then_some(Format::Heic)
}
