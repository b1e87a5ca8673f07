//! Writes TIFF with 8 bits per sample, strips, horizontal differencing and Deflate compression. All TIFF
//! readers of the last twenty years support these features. The file is always lossless; `output.quality` is
//! ignored. Alpha is written as unassociated (straight) alpha.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::exif;
use super::writer::{self, Field};
use crate::codecs::codec::Encoded;
use crate::format::Format;
use crate::geometry::Size;
use crate::info::{Colorspace, ImageInfo};
use crate::metadata::Metadata;
use crate::plan::Output;
use crate::{Channels, Error, Image, Scratch};

/// Size of a strip in bytes before compression. A strip of this size is large enough to compress well, and
/// small enough for readers that decode one strip at a time.
const STRIP_BYTES: usize = 256 << 10;

/// The level of Deflate compression that is used if `output.effort` is not set. Level 6 is the usual default;
/// higher levels make photographs hardly smaller.
const DEFAULT_EFFORT: u8 = 6;

/// Encodes a picture and returns the complete TIFF file.
pub(in crate::codecs) fn encode(
    image: &Image,
    output: &Output,
    metadata: &Metadata,
    scratch: &mut Scratch,
) -> Result<Encoded, Error> {
    let n = image.channels().count();
    let stride = image.width() as usize * n;
    let rows_per_strip = (STRIP_BYTES / stride).clamp(1, image.height() as usize);
    let level = Compression::new(output.effort.unwrap_or(DEFAULT_EFFORT).min(9).into());
    let mut bytes = Vec::with_capacity(image.data().len() / 2);
    bytes.extend_from_slice(writer::HEADER);
    let (mut places, mut sizes) = (Vec::new(), Vec::new());
    let mut differences = scratch.take(rows_per_strip * stride);
    for strip in image.data().chunks(rows_per_strip * stride) {
        let differences = &mut differences[..strip.len()];
        for (row, to) in strip.chunks_exact(stride).zip(differences.chunks_exact_mut(stride)) {
            to[..n].copy_from_slice(&row[..n]);
            let pairs = row[n..].iter().zip(row);
            to[n..].iter_mut().zip(pairs).for_each(|(to, (v, before))| *to = v.wrapping_sub(*before));
        }
        let start = bytes.len();
        let mut encoder = ZlibEncoder::new(&mut bytes, level);
        let written = encoder.write_all(differences).and_then(|()| encoder.finish().map(drop));
        written.map_err(|error| Error::Encode { format: "TIFF", reason: error.to_string() })?;
        places.push(start as u32);
        sizes.push((bytes.len() - start) as u32);
    }
    scratch.give(differences);
    let exif = metadata.exif.as_deref().map(exif::ExifFields::of_block).unwrap_or_default();
    let mut fields = exif.push(&mut bytes);
    fields.extend(pixel_fields(image, rows_per_strip as u32, &places, &sizes));
    if let Some(xmp) = &metadata.xmp {
        fields.push(Field { tag: 700, kind: 1, count: xmp.len() as u32, bytes: xmp.clone() });
    }
    let at = writer::push_directory(fields, &mut bytes);
    writer::set_first(&mut bytes, at);
    Ok(Encoded { info: describe(image), bytes })
}

/// Returns the tags that describe the pixels.
fn pixel_fields(image: &Image, rows_per_strip: u32, places: &[u32], sizes: &[u32]) -> Vec<Field> {
    let n = image.channels().count();
    let photometric = if image.channels() == Channels::Gray { 1 } else { 2 };
    let mut fields = vec![
        Field::longs(256, &[image.width()]),
        Field::longs(257, &[image.height()]),
        Field::shorts(258, &vec![8; n]),
        // Compression: Deflate.
        Field::shorts(259, &[8]),
        Field::shorts(262, &[photometric]),
        Field::longs(273, places),
        Field::shorts(277, &[n as u16]),
        Field::longs(278, &[rows_per_strip]),
        Field::longs(279, sizes),
        // The tags state a resolution of 72 pixels per inch. This value has no meaning for the picture, but
        // TIFF requires the tags.
        Field::rational(282, 72, 1),
        Field::rational(283, 72, 1),
        Field::shorts(296, &[2]),
        // The value 2 of the tag Predictor means horizontal differencing.
        Field::shorts(317, &[2]),
    ];
    if image.channels().has_alpha() {
        // Unassociated alpha.
        fields.push(Field::shorts(338, &[2]));
    }
    fields
}

fn describe(image: &Image) -> ImageInfo {
    let channels = image.channels();
    let colorspace = if channels == Channels::Gray { Colorspace::Gray } else { Colorspace::Rgb };
    ImageInfo::plain(
        Format::Tiff,
        Size::of(image),
        colorspace,
        8 * channels.count() as u8,
        channels.has_alpha(),
    )
}
