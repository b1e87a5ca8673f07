//! Decodes a bitmap in an icon. The bitmap is a DIB (device-independent bitmap) whose header states twice the
//! height of the picture. A mask follows the pixels; it has one bit per pixel, where 1 means transparent.

use crate::codecs::bmp;
use crate::codecs::bmp::{Dib, each_row, unpack};
use crate::codecs::codec::Header;
use crate::codecs::memory::{DecoderMemory, area};
use crate::codecs::still_decoder::DecodeStill;
use crate::color::{Layout, Raster};
use crate::format::Format;
use crate::truncation::Truncation;
use crate::{Error, Scratch};

/// A bitmap in an icon whose headers were read.
pub(super) struct Decoder<'a> {
    dib: Dib,
    data: &'a [u8],
    header: Header,
}

/// Replaces the format name in an error of the bitmap decoder with ICO.
fn of_icon(error: Error) -> Error {
    match error {
        Error::Corrupt { reason, .. } => Error::Corrupt { format: "ICO", reason },
        Error::Unsupported { reason, .. } => Error::Unsupported { format: "ICO", reason },
        other => other,
    }
}

impl<'a> Decoder<'a> {
    /// Reads the headers of the bitmap. Decodes no pixels.
    pub(super) fn open(data: &'a [u8]) -> Result<Self, Error> {
        let mut dib = Dib::of_icon(data).map_err(of_icon)?;
        if !dib.is_bitmap() {
            let reason = "a JPEG or PNG in a bitmap".to_owned();
            return Err(Error::Unsupported { format: "ICO", reason });
        }
        dib.height = (dib.height / 2).max(1);
        // The picture can have transparent pixels, because every bitmap in an icon has a mask.
        let header = bmp::header(Format::Ico, &dib, true, None);
        let data = data.get(dib.pixels_at..).unwrap_or_default();
        Ok(Self { dib, data, header })
    }

    /// Makes every pixel transparent whose bit in the mask is 1. If the mask is truncated, the remaining
    /// pixels stay opaque.
    fn apply_mask(&self, pixels: &mut [u8]) {
        let (width, height) = (self.dib.width as usize, self.dib.height as usize);
        let color_bytes = (width * usize::from(self.dib.bits)).div_ceil(32) * 4 * height;
        let mask = self.data.get(color_bytes..).unwrap_or_default();
        let mut hidden = vec![0; width];
        each_row(pixels.chunks_exact_mut(width * 4), false, mask, width.div_ceil(32) * 4, |row, stored| {
            hidden.fill(0);
            unpack(&mut hidden, stored, 1);
            let pixels = row.as_chunks_mut::<4>().0.iter_mut();
            pixels.zip(&hidden).filter(|(_, hidden)| **hidden == 1).for_each(|(pixel, _)| *pixel = [0; 4]);
        });
    }
}

impl DecodeStill for Decoder<'_> {
    fn header(&self) -> &Header {
        &self.header
    }

    fn memory(&self) -> DecoderMemory {
        let frame = area(self.dib.width, self.dib.height) * 4;
        DecoderMemory::still(frame, frame)
    }

    fn decode(&mut self, scratch: &mut Scratch) -> Result<Raster, Error> {
        let decoded = bmp::decode(&self.dib, self.data, false, scratch).map_err(of_icon)?;
        let Raster { width, height, layout, mut data } = decoded.raster;
        self.header.truncation = Truncation::of_picture(decoded.missing_permille);
        if layout != Layout::Rgba {
            let mut wide = scratch.take(data.len() / 3 * 4);
            let pixels = data.as_chunks::<3>().0;
            wide.as_chunks_mut::<4>()
                .0
                .iter_mut()
                .zip(pixels)
                .for_each(|(to, &[r, g, b])| *to = [r, g, b, 255]);
            scratch.give(std::mem::replace(&mut data, wide));
        }
        // If the pixels have alpha values of their own, even if all these values mean opaque, the mask is
        // ignored, because the mask is only for systems without alpha support.
        if !decoded.has_alpha {
            self.apply_mask(&mut data);
        }
        Ok(Raster { width, height, layout: Layout::Rgba, data })
    }
}
