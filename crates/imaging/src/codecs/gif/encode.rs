//! Writes GIF with the `gif` crate. A frame after the first contains only the rectangle that changed, and
//! unchanged pixels inside the rectangle are transparent. Unchanged parts therefore cost few bytes, and their
//! dithering does not flicker. A frame uses the global colour table if the table contains all colours of the
//! frame.

use ::gif::{DisposalMethod, Repeat};

use super::reduce::{ColorReducer, settle};
use super::table::Table;
use crate::codecs::animation_delta::{changed_area, rows_of};
use crate::codecs::canvas::Area;
use crate::codecs::codec::{Encode, Encoded, Sequence};
use crate::codecs::palette::{self, Indexed};
use crate::codecs::pixel_format::with_channels;
use crate::format::Format;
use crate::info::{Colorspace, ImageInfo};
use crate::plan::Output;
use crate::{Channels, Error, Image, Scratch};

#[expect(clippy::needless_pass_by_value, reason = "`map_err` passes the error by value")]
fn failed(reason: impl ToString) -> Error {
    Error::Encode { format: "GIF", reason: reason.to_string() }
}

/// From this `output.effort` on, a frame is encoded twice, and the smaller encoding is kept. In the first
/// encoding, unchanged pixels are transparent; in the second encoding, they keep their colours. The second
/// encoding can be smaller, because transparent gaps can cost more bytes than unchanged pixels.
const EFFORT_FOR_TWO_ENCODINGS: u8 = 7;

/// The encoder of a GIF file.
pub(in crate::codecs) struct Encoder {
    sequence: Sequence,
    reducer: ColorReducer,
    /// Whether a frame is encoded a second time, with the colours of unchanged pixels instead of
    /// transparency.
    tries_opaque: bool,
    /// The file. It is created when the first frame is written, because the colours of the first frame become
    /// the global colour table.
    file: Option<File>,
    /// The frame that was pushed last. It is written when the next frame arrives, because its disposal method
    /// depends on the next frame.
    pending: Option<Pending>,
    /// The content of the canvas before the frame that was pushed last is drawn. `None` means that the canvas
    /// is transparent.
    canvas: Option<Image>,
}

/// The GIF file that is written, with its global colour table.
struct File {
    writer: ::gif::Encoder<Vec<u8>>,
    table: Table,
    info: ImageInfo,
}

/// A frame that was pushed but not written yet.
struct Pending {
    /// The pixels as RGBA. Every alpha value is 0 or 255.
    image: Image,
    delay_ms: u32,
}

impl Encoder {
    /// Creates an encoder that has not received a frame yet.
    pub(in crate::codecs) fn new(output: &Output, sequence: Sequence) -> Self {
        let tries_opaque = output.effort.is_some_and(|effort| effort >= EFFORT_FOR_TWO_ENCODINGS);
        let reducer = ColorReducer::new(sequence.n_frames > 1);
        Self { sequence, reducer, tries_opaque, file: None, pending: None, canvas: None }
    }

    /// Writes the frame that was pushed last. If `clear` is true, the whole canvas becomes transparent before
    /// the next frame is drawn.
    fn write_pending(&mut self, clear: bool, scratch: &mut Scratch) -> Result<(), Error> {
        let Some(Pending { mut image, delay_ms }) = self.pending.take() else { return Ok(()) };
        // To clear the whole canvas, the frame must cover the whole canvas, because the disposal method
        // clears only the rectangle of the frame.
        let before = if clear { None } else { self.canvas.as_ref() };
        let (mut area, mut part) = changed_part(&image, before, scratch);
        let mut exact = palette::exact(&part, 256, scratch);
        if let (None, Some(before)) = (&exact, before) {
            settle(&mut image, before);
            scratch.give(part.into_data());
            (area, part) = changed_part(&image, Some(before), scratch);
            exact = palette::exact(&part, 256, scratch);
        }
        let is_exact = exact.is_some();
        let indexed = match exact {
            Some(indexed) => indexed,
            None => self.reducer.reduce(&part, scratch),
        };
        scratch.give(part.into_data());
        let mut candidates = vec![indexed];
        if self.tries_opaque && is_exact && before.is_some() {
            let part = copy_changed(&image, None, area, scratch);
            candidates.extend(palette::exact(&part, 256, scratch));
            scratch.give(part.into_data());
        }
        let dispose = if clear { DisposalMethod::Background } else { DisposalMethod::Keep };
        let result = self.write(&image, area, candidates, (dispose, delay_ms), scratch);
        if let Some(old) = self.canvas.take() {
            scratch.give(old.into_data());
        }
        if clear {
            scratch.give(image.into_data());
        } else {
            self.canvas = Some(image);
        }
        result
    }

    /// Writes the smallest of several encodings of one frame. All encodings draw the same pixels in `area`.
    fn write(
        &mut self,
        image: &Image,
        area: Area,
        candidates: Vec<Indexed>,
        (dispose, delay_ms): (DisposalMethod, u32),
        scratch: &mut Scratch,
    ) -> Result<(), Error> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(File::start(image, &candidates[0], self.sequence)?),
        };
        file.info.frames += 1;
        file.info.alpha |= dispose == DisposalMethod::Background;
        let frames = candidates.into_iter().map(|indexed| {
            let frame = file.table.frame(&indexed, area);
            scratch.give(indexed.indices);
            frame
        });
        let smallest =
            frames.min_by_key(|frame| frame.buffer.len() + frame.palette.as_ref().map_or(0, Vec::len));
        let mut frame = smallest.expect("there is at least one candidate");
        frame.delay = u16::try_from((delay_ms + 5) / 10).unwrap_or(u16::MAX);
        frame.dispose = dispose;
        file.writer.write_lzw_pre_encoded_frame(&frame).map_err(failed)
    }
}

impl Encode for Encoder {
    fn push(&mut self, image: Image, delay_ms: u32, scratch: &mut Scratch) -> Result<(), Error> {
        let mut image = with_channels(image, Channels::Rgba, scratch);
        threshold_alpha(&mut image);
        let uncovers = self.pending.as_ref().is_some_and(|pending| uncovers(&pending.image, &image));
        self.write_pending(uncovers, scratch)?;
        self.pending = Some(Pending { image, delay_ms });
        Ok(())
    }

    fn finish(mut self: Box<Self>, scratch: &mut Scratch) -> Result<Encoded, Error> {
        self.write_pending(false, scratch)?;
        if let Some(canvas) = self.canvas.take() {
            scratch.give(canvas.into_data());
        }
        let File { writer, info, .. } = self.file.expect("a frame was pushed before the end");
        Ok(Encoded { info, bytes: writer.into_inner().map_err(failed)? })
    }
}

impl File {
    /// Writes the header. The colours of the first frame become the global colour table.
    fn start(image: &Image, first: &Indexed, sequence: Sequence) -> Result<Self, Error> {
        let side = |px: u32| {
            u16::try_from(px).map_err(|_| {
                Error::Plan(format!(
                    "output.format: a GIF has at most 65535 pixels on a side, the result has {px}"
                ))
            })
        };
        let (width, height) = (side(image.width())?, side(image.height())?);
        let table = Table::new(&first.colors, sequence.n_frames > 1);
        let bytes = Vec::with_capacity(image.data().len() / 8);
        let mut writer = ::gif::Encoder::new(bytes, width, height, &table.bytes()).map_err(failed)?;
        if sequence.n_frames > 1 {
            match sequence.plays {
                None => writer.set_repeat(Repeat::Infinite).map_err(failed)?,
                Some(0 | 1) => {}
                Some(plays) => writer.set_repeat(Repeat::Finite(plays - 1)).map_err(failed)?,
            }
        }
        let info = ImageInfo {
            format: Format::Gif,
            width: image.width(),
            height: image.height(),
            colorspace: Colorspace::Palette,
            interlaced: false,
            sampling: None,
            depth: table.depth(),
            quality: None,
            frames: 0,
            alpha: first.colors.iter().any(|color| color[3] == 0),
        };
        Ok(Self { writer, table, info })
    }
}

/// Makes every pixel either opaque (alpha of at least 128) or transparent, because GIF has no translucent
/// pixels.
fn threshold_alpha(image: &mut Image) {
    for pixel in image.data_mut().as_chunks_mut::<4>().0 {
        if pixel[3] >= 128 {
            pixel[3] = 255;
        } else {
            *pixel = [0; 4];
        }
    }
}

/// Whether a pixel is opaque in `before` and transparent in `after`. A GIF frame cannot draw such a change.
fn uncovers(before: &Image, after: &Image) -> bool {
    let after = after.data().as_chunks::<4>().0;
    before.data().as_chunks::<4>().0.iter().zip(after).any(|(old, new)| old[3] > new[3])
}

/// Finds the rectangle that differs from `before`, and copies its pixels with [`copy_changed`].
fn changed_part(image: &Image, before: Option<&Image>, scratch: &mut Scratch) -> (Area, Image) {
    let whole = Area { left: 0, top: 0, width: image.width() as usize, height: image.height() as usize };
    let area = before.map_or(whole, |before| changed_area(before, image));
    (area, copy_changed(image, before, area, scratch))
}

/// Copies the pixels in `area`. Makes a pixel of the copy transparent if the same pixel in `before` has the
/// same colour.
fn copy_changed(image: &Image, before: Option<&Image>, area: Area, scratch: &mut Scratch) -> Image {
    let stride = area.width * 4;
    let mut data = scratch.take(stride * area.height);
    for (to, row) in data.chunks_exact_mut(stride).zip(rows_of(image, area)) {
        to.copy_from_slice(row);
    }
    if let Some(before) = before {
        for (to, old) in data.chunks_exact_mut(stride).zip(rows_of(before, area)) {
            for (pixel, old) in to.as_chunks_mut::<4>().0.iter_mut().zip(old.as_chunks::<4>().0) {
                if pixel == old {
                    *pixel = [0; 4];
                }
            }
        }
    }
    Image::new(area.width as u32, area.height as u32, Channels::Rgba, data)
}
