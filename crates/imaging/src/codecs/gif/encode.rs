//! Writing GIF, by the `gif` crate. A frame after the first is the rectangle that changed, with what did not change left
//! open, so that still parts of the picture neither cost bytes nor flicker with the dithering. Its colours are those of
//! the file's table where they are all in it.

use ::gif::{DisposalMethod, Repeat};

use super::quantise::to_indexed;
use super::table::Table;
use crate::codecs::canvas::Area;
use crate::codecs::difference::{changed_area, rows_of};
use crate::codecs::palette::{self, Indexed};
use crate::codecs::{Encode, Encoded, Sequence, with_channels};
use crate::facts::{Colorspace, Description};
use crate::plan::{Format, Output};
use crate::{Channels, Error, Image, Scratch};

#[expect(clippy::needless_pass_by_value, reason = "the form that `map_err` takes")]
fn failed(reason: impl ToString) -> Error {
    Error::Encode { format: "GIF", reason: reason.to_string() }
}

/// The `output.effort` from which a frame is written in two ways, of which the smaller one is kept: what did not change
/// can cost fewer bytes than the gaps in it.
const EFFORT_OF_TWO_WAYS: u8 = 7;

/// A file being written.
pub(in crate::codecs) struct Encoder {
    sequence: Sequence,
    in_two_ways: bool,
    /// Begun with the first frame, whose colours are the file's.
    file: Option<File>,
    /// The frame that was pushed last. It is written when the next one is known, since that decides what becomes of it.
    pending: Option<Pending>,
    /// What is on the canvas before the pending frame; `None`: nothing.
    shown: Option<Image>,
}

struct File {
    writer: ::gif::Encoder<Vec<u8>>,
    table: Table,
    description: Description,
}

struct Pending {
    /// With alpha of 0 or 255 only.
    image: Image,
    delay_ms: u32,
}

impl Encoder {
    /// A file for these frames.
    pub(in crate::codecs) fn new(output: &Output, sequence: Sequence) -> Self {
        let in_two_ways = output.effort.is_some_and(|effort| effort >= EFFORT_OF_TWO_WAYS);
        Self { sequence, in_two_ways, file: None, pending: None, shown: None }
    }

    /// Writes the pending frame. `clear`: the canvas has to be empty for the next one.
    fn write_pending(&mut self, clear: bool, scratch: &mut Scratch) -> Result<(), Error> {
        let Some(Pending { image, delay_ms }) = self.pending.take() else { return Ok(()) };
        let whole = Area { left: 0, top: 0, width: image.width() as usize, height: image.height() as usize };
        // A frame that is cleared is cleared within its own rectangle: it must be the whole canvas.
        let under = if clear { None } else { self.shown.as_ref() };
        let area = under.map_or(whole, |under| changed_area(under, &image));
        let part = cut(&image, under, area, scratch);
        let (indexed, is_exact) = to_indexed(&part, scratch)?;
        scratch.give(part.into_data());
        let mut ways = vec![indexed];
        if self.in_two_ways && is_exact && under.is_some() {
            let part = cut(&image, None, area, scratch);
            ways.extend(palette::exact(&part, 256, scratch));
            scratch.give(part.into_data());
        }
        let dispose = if clear { DisposalMethod::Background } else { DisposalMethod::Keep };
        let result = self.write(&image, area, ways, (dispose, delay_ms), scratch);
        if let Some(old) = self.shown.take() {
            scratch.give(old.into_data());
        }
        if clear {
            scratch.give(image.into_data());
        } else {
            self.shown = Some(image);
        }
        result
    }

    /// Writes whichever of the ways to draw a frame takes the fewest bytes.
    fn write(
        &mut self,
        canvas: &Image,
        area: Area,
        ways: Vec<Indexed>,
        (dispose, delay_ms): (DisposalMethod, u32),
        scratch: &mut Scratch,
    ) -> Result<(), Error> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(File::start(canvas, &ways[0], self.sequence)?),
        };
        file.description.frames += 1;
        file.description.alpha |= dispose == DisposalMethod::Background;
        let frames = ways.into_iter().map(|indexed| {
            let frame = file.table.frame(&indexed, area);
            scratch.give(indexed.indices);
            frame
        });
        let smallest =
            frames.min_by_key(|frame| frame.buffer.len() + frame.palette.as_ref().map_or(0, Vec::len));
        let mut frame = smallest.expect("there is one way at least");
        frame.delay = u16::try_from((delay_ms + 5) / 10).unwrap_or(u16::MAX);
        frame.dispose = dispose;
        file.writer.write_lzw_pre_encoded_frame(&frame).map_err(failed)
    }
}

impl Encode for Encoder {
    fn push(&mut self, image: Image, delay_ms: u32, scratch: &mut Scratch) -> Result<(), Error> {
        let mut image = with_channels(image, Channels::Rgba, scratch);
        sharpen_alpha(&mut image);
        let uncovers = self.pending.as_ref().is_some_and(|pending| uncovers(&pending.image, &image));
        self.write_pending(uncovers, scratch)?;
        self.pending = Some(Pending { image, delay_ms });
        Ok(())
    }

    fn finish(mut self: Box<Self>, scratch: &mut Scratch) -> Result<Encoded, Error> {
        self.write_pending(false, scratch)?;
        if let Some(shown) = self.shown.take() {
            scratch.give(shown.into_data());
        }
        let File { writer, description, .. } = self.file.expect("a frame was pushed before the end");
        Ok(Encoded { description, bytes: writer.into_inner().map_err(failed)? })
    }
}

impl File {
    /// Writes the header; the colours are those of the first frame.
    fn start(canvas: &Image, first: &Indexed, sequence: Sequence) -> Result<Self, Error> {
        let side = |px: u32| {
            u16::try_from(px).map_err(|_| {
                Error::Plan(format!(
                    "output.format: a GIF has at most 65535 pixels on a side, the result has {px}"
                ))
            })
        };
        let (width, height) = (side(canvas.width())?, side(canvas.height())?);
        let table = Table::new(&first.colors, sequence.n_frames > 1);
        let bytes = Vec::with_capacity(canvas.data().len() / 8);
        let mut writer = ::gif::Encoder::new(bytes, width, height, &table.bytes()).map_err(failed)?;
        if sequence.n_frames > 1 {
            match sequence.plays {
                None => writer.set_repeat(Repeat::Infinite).map_err(failed)?,
                Some(0 | 1) => {}
                Some(plays) => writer.set_repeat(Repeat::Finite(plays - 1)).map_err(failed)?,
            }
        }
        let description = Description {
            format: Format::Gif,
            width: canvas.width(),
            height: canvas.height(),
            colorspace: Colorspace::Palette,
            interlaced: false,
            sampling: None,
            depth: table.depth(),
            quality: None,
            frames: 0,
            alpha: first.colors.iter().any(|color| color[3] == 0),
        };
        Ok(Self { writer, table, description })
    }
}

/// Every pixel fully opaque or fully transparent: from half opaque on it is opaque.
fn sharpen_alpha(image: &mut Image) {
    for pixel in image.data_mut().as_chunks_mut::<4>().0 {
        if pixel[3] >= 128 {
            pixel[3] = 255;
        } else {
            *pixel = [0; 4];
        }
    }
}

/// Whether a pixel that is opaque before is transparent after: no frame can draw that.
fn uncovers(before: &Image, after: &Image) -> bool {
    let after = after.data().as_chunks::<4>().0;
    before.data().as_chunks::<4>().0.iter().zip(after).any(|(old, new)| old[3] > new[3])
}

/// The pixels of `area`, those that are `under` them already left open.
fn cut(image: &Image, under: Option<&Image>, area: Area, scratch: &mut Scratch) -> Image {
    let stride = area.width * 4;
    let mut data = scratch.take(stride * area.height);
    for (to, row) in data.chunks_exact_mut(stride).zip(rows_of(image, area)) {
        to.copy_from_slice(row);
    }
    if let Some(under) = under {
        for (to, old) in data.chunks_exact_mut(stride).zip(rows_of(under, area)) {
            for (pixel, old) in to.as_chunks_mut::<4>().0.iter_mut().zip(old.as_chunks::<4>().0) {
                if pixel == old {
                    *pixel = [0; 4];
                }
            }
        }
    }
    Image::new(area.width as u32, area.height as u32, Channels::Rgba, data)
}
