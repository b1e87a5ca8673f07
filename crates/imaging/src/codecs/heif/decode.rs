//! Decodes the primary picture of a HEIF file. The picture can be a coded picture, a grid or an overlay;
//! cropping and the alpha plane are applied.

use std::borrow::Cow;

use super::av1;
use super::compose::{cropped, lay_over, paste, with_alpha};
use super::container::{Container, ItemId};
use super::hevc::{self, Failure};
use super::planes::{Cicp, Planes};
use super::properties::{self, MAX_NESTING};
use crate::codecs::pixel_format::with_channels;
use crate::isobmff::Fields;
use crate::limits::{Limit, check};
use crate::{Channels, Error, Image, Scratch};

/// Decodes the primary picture, cropped but not rotated.
pub(super) fn primary(
    container: &Container<'_>,
    format: &'static str,
    max_pixels: u64,
    scratch: &mut Scratch,
) -> Result<Image, Error> {
    Assembler::new(container, format, max_pixels, scratch).picture(container.primary, 0)
}

/// A grid whose numbers were checked.
pub(super) struct Grid {
    columns: u32,
    /// The number of rows of tiles.
    pub(super) rows: u32,
    /// The size of the assembled picture.
    pub(super) width: u32,
    pub(super) height: u32,
    tile_width: u32,
    pub(super) tile_height: u32,
    tiles: Vec<ItemId>,
}

/// Decodes and assembles pictures within a limit of pixels.
pub(super) struct Assembler<'a, 'b> {
    container: &'a Container<'b>,
    format: &'static str,
    pub(super) scratch: &'a mut Scratch,
    /// The number of pixels that may still be decoded. If the file uses a picture several times, its pixels
    /// are counted each time.
    pub(super) pixels_left: u64,
    max_pixels: u64,
}

impl<'a, 'b> Assembler<'a, 'b> {
    /// Creates an assembler that has not decoded anything yet.
    pub(super) fn new(
        container: &'a Container<'b>,
        format: &'static str,
        max_pixels: u64,
        scratch: &'a mut Scratch,
    ) -> Self {
        // The decoder may decode twice as many pixels as the limit for one picture allows, because a file can
        // contain a picture and its alpha plane, or an assembled picture and its parts.
        Self { container, format, scratch, pixels_left: max_pixels.saturating_mul(2), max_pixels }
    }
}

impl Assembler<'_, '_> {
    fn corrupt(&self, reason: impl Into<String>) -> Error {
        Error::Corrupt { format: self.format, reason: reason.into() }
    }

    fn unsupported(&self, reason: impl Into<String>) -> Error {
        Error::Unsupported { format: self.format, reason: reason.into() }
    }

    /// Decodes an item, adds its alpha plane, and crops the result.
    fn picture(&mut self, id: ItemId, nesting: u32) -> Result<Image, Error> {
        let mut image = self.opaque(id, nesting)?;
        if let Some(alpha) = properties::alpha(self.container, id) {
            let plane = self.opaque(alpha, nesting + 1)?;
            let premultiplied = self.container.references_from(id, b"prem").contains(&alpha);
            image = with_alpha(image, &plane, premultiplied, self.scratch);
            self.scratch.give(plane.into_data());
        }
        let size = (image.width(), image.height());
        match properties::crop(self.container, id, size) {
            Some(area) if area != [0, 0, size.0, size.1] => Ok(cropped(image, area, self.scratch)),
            _ => Ok(image),
        }
    }

    /// Decodes an item that is a part of another picture. The result is already cropped, rotated and
    /// mirrored.
    fn part(&mut self, id: ItemId, nesting: u32) -> Result<Image, Error> {
        let image = self.picture(id, nesting + 1)?;
        Ok(properties::orientation(self.container, id).apply(image, self.scratch))
    }

    /// Decodes an item without its alpha plane. The result is neither cropped nor rotated.
    fn opaque(&mut self, id: ItemId, nesting: u32) -> Result<Image, Error> {
        if nesting > MAX_NESTING {
            return Err(self.corrupt("pictures are nested too deeply"));
        }
        match &self.container.kind(id).ok_or_else(|| self.corrupt("an item is missing"))? {
            b"av01" | b"hvc1" | b"hev1" => self.coded(id),
            b"grid" => self.grid(id, nesting),
            b"iovl" => self.overlay(id, nesting),
            b"iden" => match *self.container.references_from(id, b"dimg") {
                [source] => self.part(source, nesting),
                _ => Err(self.corrupt("an item is not made of exactly one other")),
            },
            kind => {
                let kind = String::from_utf8_lossy(kind).into_owned();
                Err(self.unsupported(format!("pictures of the kind `{kind}`")))
            }
        }
    }

    /// Subtracts the number of pixels of a picture of this size from `pixels_left`. Fails when `pixels_left`
    /// is smaller than this number.
    fn spend(&mut self, (width, height): (u32, u32)) -> Result<u64, Error> {
        let n = u64::from(width) * u64::from(height);
        check(Limit::Pixels, self.max_pixels, n)?;
        check(Limit::Pixels, self.pixels_left, n)?;
        self.pixels_left -= n;
        Ok(n)
    }

    /// Decodes a coded picture and converts it to RGB or gray.
    fn coded(&mut self, id: ItemId) -> Result<Image, Error> {
        let (planes, (width, height), cicp) = self.coded_planes(id)?;
        Ok(planes.to_image(width, height, cicp, self.scratch))
    }

    /// Decodes the planes of a coded picture. Returns the size of the picture in the planes, and the meaning of the
    /// samples.
    pub(super) fn coded_planes(&mut self, id: ItemId) -> Result<(Planes, (usize, usize), Cicp), Error> {
        let size = properties::coded_size(self.container, id)
            .ok_or_else(|| self.corrupt("it does not say how large a picture is"))?;
        self.spend(size)?;
        let planes = self.planes(id, size)?;
        let (width, height) = (size.0 as usize, size.1 as usize);
        // The coded picture may be larger than the size that the item states, because an encoder can round
        // odd sides up to even sides.
        if planes.width < width || planes.height < height {
            return Err(self.corrupt(format!(
                "a picture of {width}x{height} pixels is coded with {}x{}",
                planes.width, planes.height
            )));
        }
        let cicp = properties::color(self.container, id).completed(planes.cicp);
        Ok((planes, (width, height), cicp))
    }

    /// Decodes the planes of an item. The second argument is the size that the item states.
    fn planes(&self, id: ItemId, (width, height): (u32, u32)) -> Result<Planes, Error> {
        let data: Cow<'_, [u8]> = self.container.data(id)?;
        // The limit for the decoder has 64 extra pixels per side, because an encoder can round the sides up
        // to whole blocks.
        let max_pixels = (u64::from(width) + 64) * (u64::from(height) + 64);
        let property = |kind| self.container.property(id, kind);
        if self.container.kind(id) == Some(*b"av01") {
            let operating_point =
                property(b"a1op").and_then(|content| content.first()).map_or(0, |&n| n & 31);
            let max_pixels = u32::try_from(max_pixels).unwrap_or(u32::MAX);
            return av1::decode(&data, operating_point, max_pixels).map_err(|reason| self.corrupt(reason));
        }
        let configuration = property(b"hvcC")
            .and_then(hevc::Configuration::parse)
            .ok_or_else(|| self.corrupt("the `hvcC` box is broken or missing"))?;
        hevc::decode(&configuration, &data, max_pixels).map_err(|failure| match failure {
            Failure::Corrupt(reason) => self.corrupt(reason),
            Failure::Unsupported(reason) => self.unsupported(reason),
        })
    }

    /// Decodes a grid: tiles of equal size, row by row (ISO/IEC 23008-12, 6.6.2.3).
    fn grid(&mut self, id: ItemId, nesting: u32) -> Result<Image, Error> {
        let grid = self.grid_layout(id)?;
        let mut canvas = None;
        for row in 0..grid.rows {
            let top = row * grid.tile_height;
            self.grid_row(&grid, row, nesting, (grid.height, top), &mut canvas)?;
        }
        canvas.ok_or_else(|| self.corrupt("a grid has no tiles"))
    }

    /// Reads the numbers of a grid, and checks that its tiles cover the picture.
    pub(super) fn grid_layout(&self, id: ItemId) -> Result<Grid, Error> {
        let data = self.container.data(id)?;
        let (columns, rows, width, height) =
            grid_size(&data).ok_or_else(|| self.corrupt("a grid is broken"))?;
        let tiles = self.container.references_from(id, b"dimg").to_vec();
        if tiles.len() as u64 != u64::from(columns) * u64::from(rows) {
            return Err(self.corrupt("a grid has another number of tiles than it says"));
        }
        if tiles.contains(&id) {
            return Err(self.corrupt("a grid is a tile of itself"));
        }
        let first = tiles.first().and_then(|&tile| properties::shown_size(self.container, tile));
        let (tile_width, tile_height) = first.ok_or_else(|| self.corrupt("a tile has no size"))?;
        let covers = |tile: u32, n: u32, side: u32| {
            let (tile, n, side) = (u64::from(tile), u64::from(n), u64::from(side));
            tile * n >= side && tile * (n - 1) < side
        };
        if !covers(tile_width, columns, width) || !covers(tile_height, rows, height) {
            return Err(self.corrupt("the tiles of a grid do not cover it exactly"));
        }
        check(Limit::Pixels, self.max_pixels, u64::from(width) * u64::from(height))?;
        Ok(Grid { columns, rows, width, height, tile_width, tile_height, tiles })
    }

    /// Decodes the tiles in one row of a grid and pastes them onto the canvas, whose row `top` is the first row of
    /// the tiles. If there is no canvas yet, creates one with the width of the grid and `height` rows.
    pub(super) fn grid_row(
        &mut self,
        grid: &Grid,
        row: u32,
        nesting: u32,
        (height, top): (u32, u32),
        canvas: &mut Option<Image>,
    ) -> Result<(), Error> {
        let first = row as usize * grid.columns as usize;
        for (column, &tile) in (0u32..).zip(&grid.tiles[first..first + grid.columns as usize]) {
            let image = self.part(tile, nesting)?;
            if (image.width(), image.height()) != (grid.tile_width, grid.tile_height) {
                return Err(self.corrupt("the tiles of a grid have different sizes"));
            }
            let canvas = canvas.get_or_insert_with(|| {
                let length = grid.width as usize * height as usize * image.channels().count();
                Image::new(grid.width, height, image.channels(), self.scratch.take_zeroed(length))
            });
            if image.channels() != canvas.channels() {
                return Err(self.corrupt("the tiles of a grid have different colours"));
            }
            paste(canvas, &image, i64::from(column * grid.tile_width), i64::from(top));
            self.scratch.give(image.into_data());
        }
        Ok(())
    }

    /// Decodes an overlay: pictures composited on a canvas of one colour (ISO/IEC 23008-12, 6.6.2.2).
    fn overlay(&mut self, id: ItemId, nesting: u32) -> Result<Image, Error> {
        let data = self.container.data(id)?;
        let sources = self.container.references_from(id, b"dimg");
        let overlay =
            Overlay::parse(&data, sources.len()).ok_or_else(|| self.corrupt("an overlay is broken"))?;
        let (width, height) = overlay.size;
        if width == 0 || height == 0 {
            return Err(self.corrupt("an overlay has no size"));
        }
        self.spend(overlay.size)?;
        let n_bytes = width as usize * height as usize * 4;
        let mut canvas = Image::new(width, height, Channels::Rgba, self.scratch.take(n_bytes));
        canvas.data_mut().as_chunks_mut().0.fill(overlay.fill);
        for (&source, &(left, top)) in sources.iter().zip(&overlay.offsets) {
            let image = self.part(source, nesting)?;
            let image = with_channels(image, Channels::Rgba, self.scratch);
            lay_over(&mut canvas, &image, left.into(), top.into());
            self.scratch.give(image.into_data());
        }
        Ok(with_channels(canvas, Channels::Rgb, self.scratch))
    }
}

/// Parses the content of a grid item. Returns the number of columns, the number of rows, and the width and
/// height of the assembled picture.
fn grid_size(data: &[u8]) -> Option<(u32, u32, u32, u32)> {
    let mut fields = Fields::new(data);
    let [_version, flags, rows, columns] = fields.array()?;
    let is_wide = flags & 1 != 0;
    let (width, height) = (fields.u32_or_u16(is_wide)?, fields.u32_or_u16(is_wide)?);
    (width > 0 && height > 0).then_some((u32::from(columns) + 1, u32::from(rows) + 1, width, height))
}

/// The parsed content of an overlay item.
struct Overlay {
    fill: [u8; 4],
    size: (u32, u32),
    /// The position of the upper left corner of each picture on the canvas.
    offsets: Vec<(i32, i32)>,
}

impl Overlay {
    /// Parses the content of an overlay item that combines `n_sources` pictures.
    fn parse(data: &[u8], n_sources: usize) -> Option<Self> {
        let mut fields = Fields::new(data);
        let [_version, flags] = fields.array()?;
        let is_wide = flags & 1 != 0;
        let mut fill = [0; 4];
        for channel in &mut fill {
            *channel = (fields.u16()? >> 8) as u8;
        }
        let size = (fields.u32_or_u16(is_wide)?, fields.u32_or_u16(is_wide)?);
        let mut place = || {
            if is_wide {
                fields.u32().map(u32::cast_signed)
            } else {
                fields.u16().map(|n| n.cast_signed().into())
            }
        };
        let offsets = (0..n_sources).map(|_| Some((place()?, place()?))).collect::<Option<_>>()?;
        Some(Self { fill, size, offsets })
    }
}
