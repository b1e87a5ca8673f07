//! Writing GIF, by the `gif` crate. A frame after the first is the rectangle that changed, with what did not change left
//! open, so that still parts of the picture neither cost bytes nor flicker with the dithering.

use ::gif::{DisposalMethod, Repeat};

use super::quantise::to_indexed;
use crate::codecs::canvas::Area;
use crate::codecs::difference::{changed_area, rows_of};
use crate::codecs::palette::Indexed;
use crate::codecs::{Encode, Encoded, Sequence, with_channels};
use crate::facts::{Colorspace, Description};
use crate::plan::Format;
use crate::{Channels, Error, Image, Scratch};

#[expect(clippy::needless_pass_by_value, reason = "the form that `map_err` takes")]
fn failed(reason: impl ToString) -> Error {
    Error::Encode { format: "GIF", reason: reason.to_string() }
}

/// A file being written.
pub(in crate::codecs) struct Encoder {
    sequence: Sequence,
    writer: Option<::gif::Encoder<Vec<u8>>>,
    /// The frame that was pushed last. It is written when the next one is known, since that decides what becomes of it.
    pending: Option<Pending>,
    /// What is on the canvas before the pending frame; `None`: nothing.
    shown: Option<Image>,
    description: Option<Description>,
}

struct Pending {
    /// With alpha of 0 or 255 only.
    image: Image,
    delay_ms: u32,
}

impl Encoder {
    /// A file for these frames.
    pub(in crate::codecs) fn new(sequence: Sequence) -> Self {
        Self { sequence, writer: None, pending: None, shown: None, description: None }
    }

    /// Writes the pending frame. `clear`: the canvas has to be empty for the next one.
    fn write_pending(&mut self, clear: bool, scratch: &mut Scratch) -> Result<(), Error> {
        let Some(Pending { image, delay_ms }) = self.pending.take() else { return Ok(()) };
        let whole = Area { left: 0, top: 0, width: image.width() as usize, height: image.height() as usize };
        // A frame that is cleared is cleared within its own rectangle: it must be the whole canvas.
        let under = if clear { None } else { self.shown.as_ref() };
        let area = under.map_or(whole, |under| changed_area(under, &image));
        let part = cut(&image, under, area, scratch);
        let indexed = to_indexed(&part, scratch)?;
        scratch.give(part.into_data());
        let dispose = if clear { DisposalMethod::Background } else { DisposalMethod::Keep };
        let result = self.write(&image, area, &indexed, dispose, delay_ms);
        scratch.give(indexed.indices);
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

    fn write(
        &mut self,
        canvas: &Image,
        area: Area,
        indexed: &Indexed,
        dispose: DisposalMethod,
        delay_ms: u32,
    ) -> Result<(), Error> {
        let colors: Vec<u8> = indexed.colors.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
        let transparent = indexed.colors.iter().position(|color| color[3] == 0).map(|index| index as u8);
        let first = self.description.is_none();
        let description = self.description.get_or_insert_with(|| describe(canvas, indexed, transparent));
        description.frames += 1;
        description.alpha |= dispose == DisposalMethod::Background;
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self.writer.insert(start(canvas, &colors, self.sequence)?),
        };
        let frame = ::gif::Frame {
            delay: u16::try_from((delay_ms + 5) / 10).unwrap_or(u16::MAX),
            dispose,
            transparent,
            left: area.left as u16,
            top: area.top as u16,
            width: area.width as u16,
            height: area.height as u16,
            // The first frame's table is that of the file.
            palette: (!first).then_some(colors),
            buffer: indexed.indices.as_slice().into(),
            ..::gif::Frame::default()
        };
        writer.write_frame(&frame).map_err(failed)
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
        let writer = self.writer.expect("a frame was pushed before the end");
        let description = self.description.expect("a frame was pushed before the end");
        Ok(Encoded { description, bytes: writer.into_inner().map_err(failed)? })
    }
}

/// Writes the header; the colours are those of the first frame.
fn start(canvas: &Image, colors: &[u8], sequence: Sequence) -> Result<::gif::Encoder<Vec<u8>>, Error> {
    let side = |px: u32| {
        u16::try_from(px).map_err(|_| {
            Error::Plan(format!(
                "output.format: a GIF has at most 65535 pixels on a side, the result has {px}"
            ))
        })
    };
    let (width, height) = (side(canvas.width())?, side(canvas.height())?);
    let bytes = Vec::with_capacity(canvas.data().len() / 8);
    let mut writer = ::gif::Encoder::new(bytes, width, height, colors).map_err(failed)?;
    if sequence.n_frames > 1 {
        match sequence.plays {
            None => writer.set_repeat(Repeat::Infinite).map_err(failed)?,
            Some(0 | 1) => {}
            Some(plays) => writer.set_repeat(Repeat::Finite(plays - 1)).map_err(failed)?,
        }
    }
    Ok(writer)
}

fn describe(canvas: &Image, first: &Indexed, transparent: Option<u8>) -> Description {
    Description {
        format: Format::Gif,
        width: canvas.width(),
        height: canvas.height(),
        colorspace: Colorspace::Palette,
        interlaced: false,
        sampling: None,
        // A table has 2, 4, … 256 entries.
        depth: first.colors.len().next_power_of_two().trailing_zeros().max(1) as u8,
        quality: None,
        frames: 0,
        alpha: transparent.is_some(),
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
