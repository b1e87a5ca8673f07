//! Delivers the primary picture of a HEIF file row by row, and predicts the memory that decoding needs. Of a coded
//! picture, only the planes are in memory as a whole; of a grid, one row of tiles.

use super::container::{Container, ItemId};
use super::decode::{Assembler, Grid};
use super::planes::{Chroma, Cicp, Planes, RowConverter};
use super::properties::{self, Coding};
use crate::codecs::memory::{DecoderMemory, area, pixel_bytes};
use crate::color::Layout;
use crate::geometry::Size;
use crate::info::ImageInfo;
use crate::rows::Rows;
use crate::{Error, Image, Scratch};

/// How the primary picture is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Coded,
    Grid,
}

/// Returns how the primary picture is stored if it can be decoded row by row: if it has neither an alpha plane nor
/// a crop.
fn kind(container: &Container<'_>) -> Option<Kind> {
    let id = container.primary;
    let size = properties::coded_size(container, id)?;
    let is_cropped = properties::shown_size(container, id) != Some(size);
    if is_cropped || properties::alpha(container, id).is_some() {
        return None;
    }
    match &container.kind(id)? {
        b"av01" | b"hvc1" | b"hev1" => Some(Kind::Coded),
        b"grid" => Some(Kind::Grid),
        _ => None,
    }
}

/// Opens the rows of the primary picture. Returns `None` if it cannot be decoded row by row.
pub(super) fn open<'a>(
    container: &'a Container<'_>,
    format: &'static str,
    max_pixels: u64,
) -> Result<Option<Box<dyn Rows + 'a>>, Error> {
    let mut scratch = Scratch::default();
    let mut assembler = Assembler::new(container, format, max_pixels, &mut scratch);
    Ok(match kind(container) {
        None => None,
        Some(Kind::Coded) => {
            let (planes, size, cicp) = assembler.coded_planes(container.primary)?;
            Some(Box::new(CodedRows::new(planes, size, cicp)))
        }
        Some(Kind::Grid) => {
            let grid = assembler.grid_layout(container.primary)?;
            if Some((grid.width, grid.height)) != properties::shown_size(container, container.primary) {
                return Ok(None);
            }
            let pixels_left = assembler.pixels_left;
            let mut rows = GridRows {
                container,
                format,
                max_pixels,
                pixels_left,
                scratch,
                grid,
                n_tile_rows: 0,
                band: None,
                y: 0,
            };
            rows.next_band()?;
            Some(Box::new(rows))
        }
    })
}

/// The rows of a coded picture.
struct CodedRows {
    planes: Planes,
    converter: RowConverter,
    size: Size,
    y: usize,
}

impl CodedRows {
    fn new(planes: Planes, (width, height): (usize, usize), cicp: Cicp) -> Self {
        let converter = RowConverter::new(&planes, cicp);
        Self { planes, converter, size: Size::new(width as u32, height as u32), y: 0 }
    }
}

impl Rows for CodedRows {
    fn size(&self) -> Size {
        self.size
    }

    fn layout(&self) -> Layout {
        self.planes.channels().into()
    }

    fn read(&mut self, rows: &mut [u8]) -> Result<(), Error> {
        for row in rows.chunks_exact_mut(self.size.width as usize * self.layout().count()) {
            self.converter.convert(&self.planes, self.y, row);
            self.y += 1;
        }
        Ok(())
    }
}

/// The rows of a grid.
struct GridRows<'a, 'b> {
    container: &'a Container<'b>,
    format: &'static str,
    max_pixels: u64,
    /// The number of pixels that may still be decoded.
    pixels_left: u64,
    scratch: Scratch,
    grid: Grid,
    /// The number of rows of tiles that were decoded.
    n_tile_rows: u32,
    /// The row of tiles that was decoded last.
    band: Option<Image>,
    /// The next row of the band.
    y: u32,
}

impl GridRows<'_, '_> {
    /// Decodes the next row of tiles.
    fn next_band(&mut self) -> Result<(), Error> {
        let mut assembler = Assembler::new(self.container, self.format, self.max_pixels, &mut self.scratch);
        assembler.pixels_left = self.pixels_left;
        let place = (self.grid.tile_height, 0);
        assembler.grid_row(&self.grid, self.n_tile_rows, 0, place, &mut self.band)?;
        self.pixels_left = assembler.pixels_left;
        self.n_tile_rows += 1;
        self.y = 0;
        Ok(())
    }
}

impl Rows for GridRows<'_, '_> {
    fn size(&self) -> Size {
        Size::new(self.grid.width, self.grid.height)
    }

    fn layout(&self) -> Layout {
        self.band.as_ref().expect("the first band is decoded before the rows are used").channels().into()
    }

    fn read(&mut self, rows: &mut [u8]) -> Result<(), Error> {
        let stride = self.grid.width as usize * self.layout().count();
        for row in rows.chunks_exact_mut(stride) {
            if self.y == self.grid.tile_height {
                self.next_band()?;
            }
            let band = self.band.as_ref().expect("the first band is decoded before the rows are used");
            row.copy_from_slice(&band.data()[self.y as usize * stride..][..stride]);
            self.y += 1;
        }
        Ok(())
    }
}

/// Predicts the memory for the primary picture.
pub(super) fn memory(container: &Container<'_>, info: &ImageInfo) -> DecoderMemory {
    let id = container.primary;
    let n_pixels = area(info.width, info.height);
    let frame = n_pixels * pixel_bytes(info);
    let is_grid = container.kind(id) == Some(*b"grid");
    let tile = container.references_from(id, b"dimg").first().copied().filter(|_| is_grid).unwrap_or(id);
    let size = properties::shown_size(container, tile).unwrap_or_default();
    let (coding, converting) = coded_bytes(container, tile);
    let n_coded = area(size.0, size.1);
    let with_alpha = if info.alpha { n_pixels * 4 } else { 0 };
    if is_grid {
        // A tile is decoded and pasted. The canvas is the frame or, for rows, a row of tiles.
        let tile_bytes = n_coded * coding.max(converting + 40) / 10 + n_coded * 4;
        let band = u64::from(info.width) * u64::from(size.1) * pixel_bytes(info);
        let rows = kind(container).map(|_| tile_bytes + band);
        return DecoderMemory { rows, ..DecoderMemory::still(frame, tile_bytes.max(with_alpha)) };
    }
    let (coding, converting) = (n_coded * coding / 10, n_coded * converting / 10);
    let rows = kind(container).map(|_| coding);
    let extra = coding.saturating_sub(frame).max(converting).max(with_alpha);
    // The planes of AV1 are freed in pieces that may not fit a buffer of the encoder.
    let kept = if container.kind(id) == Some(*b"av01") { coding } else { 0 };
    DecoderMemory { rows, kept, ..DecoderMemory::still(frame, extra) }
}

/// Returns the tenths of a byte that each pixel of a coded picture needs: while the picture is decoded, and while
/// its planes are converted to RGB, without the RGB pixels.
fn coded_bytes(container: &Container<'_>, id: ItemId) -> (u64, u64) {
    let Coding { depth, chroma } =
        properties::coding(container, id).unwrap_or(Coding { depth: 8, chroma: Chroma::Both });
    let samples = match chroma {
        Chroma::None => 10,
        Chroma::Both => 15,
        Chroma::Columns => 20,
        Chroma::Full => 30,
    };
    let stored = samples * if depth > 8 { 2 } else { 1 };
    match container.kind(id) {
        // The picture of the decoder and a copy of its planes.
        Some([b'a', b'v', b'0', b'1']) => (2 * stored + 8, stored),
        // The decoder has 16 bits for each sample, and copies the finished picture.
        _ => (4 * samples + 12, stored + 2 * samples / 3),
    }
}
