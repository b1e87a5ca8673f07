//! EXIF orientation: reads the tag from a metadata block and applies the orientation to the pixels. The
//! module `metadata` handles the other EXIF tags.

use crate::geometry::{Size, Window};
use crate::{Image, Scratch};

/// How the stored image must be rotated or mirrored before it is shown: the values 1 to 8 of the EXIF tag
/// 0x0112.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Orientation {
    /// Value 1: the stored image is already upright.
    #[default]
    Upright,
    /// Value 2: the stored image must be mirrored left to right.
    FlipHorizontal,
    /// Value 3: the stored image must be rotated by 180°.
    Rotate180,
    /// Value 4: the stored image must be mirrored top to bottom.
    FlipVertical,
    /// Value 5: the stored image must be mirrored at the diagonal from the upper left to the lower right
    /// corner.
    Transpose,
    /// Value 6: the stored image must be rotated clockwise by 90°.
    Rotate90,
    /// Value 7: the stored image must be mirrored at the diagonal from the upper right to the lower left
    /// corner.
    Transverse,
    /// Value 8: the stored image must be rotated counter-clockwise by 90°.
    Rotate270,
}

/// The side length, in pixels, of the square blocks in which an image is transposed. It is small enough that
/// the source pixels and the result pixels of a block fit together into the first-level cache of the
/// processor.
const BLOCK_PX: usize = 16;

impl Orientation {
    /// Reads the orientation from an EXIF block: a TIFF structure, with or without the prefix `Exif\0\0`.
    /// Returns [`Orientation::Upright`] for an invalid block, because all viewers show an image with an
    /// invalid block as stored.
    pub(crate) fn from_exif(block: &[u8]) -> Self {
        let tiff = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
        Self::from_value(find_orientation_tag(tiff).unwrap_or(1).into())
    }

    /// The orientation for a value of the EXIF tag. Returns [`Orientation::Upright`] for an invalid value.
    pub(crate) fn from_value(value: u64) -> Self {
        match value {
            2 => Self::FlipHorizontal,
            3 => Self::Rotate180,
            4 => Self::FlipVertical,
            5 => Self::Transpose,
            6 => Self::Rotate90,
            7 => Self::Transverse,
            8 => Self::Rotate270,
            _ => Self::Upright,
        }
    }

    /// Whether applying the orientation swaps width and height.
    fn swaps_sides(self) -> bool {
        matches!(self, Self::Transpose | Self::Rotate90 | Self::Transverse | Self::Rotate270)
    }

    /// The size of an image after the orientation was applied to it. Calling the function with the result
    /// returns the original size.
    pub(crate) fn turned(self, size: Size) -> Size {
        if self.swaps_sides() { Size::new(size.height, size.width) } else { size }
    }

    /// Computes where the upper left part of a stored image lies after the orientation was applied to the
    /// image. `(width, height)` is the size of this part, and `size` is the size of the stored image.
    pub(crate) fn turned_part(self, (width, height): (f64, f64), size: Size) -> Window {
        let (width, height) = if self.swaps_sides() { (height, width) } else { (width, height) };
        let whole = Window::whole(self.turned(size));
        let mirrored_x =
            matches!(self, Self::FlipHorizontal | Self::Rotate180 | Self::Rotate90 | Self::Transverse);
        let mirrored_y =
            matches!(self, Self::FlipVertical | Self::Rotate180 | Self::Rotate270 | Self::Transverse);
        Window {
            left: if mirrored_x { whole.width - width } else { 0.0 },
            top: if mirrored_y { whole.height - height } else { 0.0 },
            width,
            height,
        }
    }

    /// Applies the orientation to `image`.
    pub(crate) fn apply(self, image: Image, scratch: &mut Scratch) -> Image {
        match image.channels().count() {
            1 => self.apply_to::<1>(image, scratch),
            3 => self.apply_to::<3>(image, scratch),
            _ => self.apply_to::<4>(image, scratch),
        }
    }

    fn apply_to<const N: usize>(self, mut image: Image, scratch: &mut Scratch) -> Image {
        let width = image.width() as usize;
        let pixels = image.data_mut().as_chunks_mut::<N>().0;
        match self {
            Self::Upright => {}
            Self::Rotate180 => pixels.reverse(),
            Self::FlipHorizontal => pixels.chunks_exact_mut(width).for_each(<[_]>::reverse),
            Self::FlipVertical => flip_rows(pixels, width),
            Self::Transpose | Self::Rotate90 | Self::Transverse | Self::Rotate270 => {
                return self.transpose::<N>(image, scratch);
            }
        }
        image
    }

    /// Applies one of the orientations 5 to 8, which swap rows and columns: transposes the image, then
    /// mirrors it horizontally, vertically, in both directions or not at all.
    fn transpose<const N: usize>(self, image: Image, scratch: &mut Scratch) -> Image {
        let (width, height, channels) = (image.width(), image.height(), image.channels());
        let from = image.into_data();
        let mut to = scratch.take(from.len());
        let (mirror_x, mirror_y) = match self {
            Self::Rotate90 => (true, false),
            Self::Rotate270 => (false, true),
            Self::Transverse => (true, true),
            _ => (false, false),
        };
        let (columns, rows) = (width as usize, height as usize);
        let source = from.as_chunks::<N>().0;
        let target = to.as_chunks_mut::<N>().0;
        for block_y in (0..rows).step_by(BLOCK_PX) {
            for block_x in (0..columns).step_by(BLOCK_PX) {
                for x in block_x..(block_x + BLOCK_PX).min(columns) {
                    let row = if mirror_y { columns - 1 - x } else { x };
                    for y in block_y..(block_y + BLOCK_PX).min(rows) {
                        let column = if mirror_x { rows - 1 - y } else { y };
                        target[row * rows + column] = source[y * columns + x];
                    }
                }
            }
        }
        scratch.give(from);
        Image::new(height, width, channels, to)
    }
}

fn flip_rows<const N: usize>(pixels: &mut [[u8; N]], width: usize) {
    let rows = pixels.len() / width;
    let (upper, lower) = pixels.split_at_mut(rows / 2 * width);
    for (above, below) in upper.chunks_exact_mut(width).zip(lower.chunks_exact_mut(width).rev()) {
        above.swap_with_slice(below);
    }
}

/// Returns the value of tag 0x0112 in the first directory of a TIFF structure. Other directories are not
/// read.
fn find_orientation_tag(tiff: &[u8]) -> Option<u32> {
    let big_endian = match tiff.get(..4)? {
        b"MM\0*" => true,
        b"II*\0" => false,
        _ => return None,
    };
    let u16_at = |at: usize| {
        let bytes: [u8; 2] = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    };
    let u32_at = |at: usize| {
        let bytes: [u8; 4] = tiff.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    };
    let directory = usize::try_from(u32_at(4)?).ok()?;
    let n_entries = usize::from(u16_at(directory)?);
    let first = directory.checked_add(2)?;
    let entry = (0..n_entries).map(|i| first + i * 12).find(|&at| u16_at(at) == Some(0x0112))?;
    match u16_at(entry + 2)? {
        // EXIF requires the type SHORT for the orientation, but some cameras write the type LONG.
        3 => u16_at(entry + 8).map(u32::from),
        4 => u32_at(entry + 8),
        _ => None,
    }
}
