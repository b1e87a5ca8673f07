//! Reads, filters and writes EXIF (CIPA DC-008-2019, in the TIFF 6.0 structure). The output has the byte
//! order of the input, so that values are copied unchanged. The parser reads at most three directories and
//! limits the number of copied bytes, so that no input can make the parser slow or its result large.

use super::Changed;

pub(super) const ARTIST: u16 = 0x013b;
pub(super) const COPYRIGHT: u16 = 0x8298;
const ORIENTATION: u16 = 0x0112;
const PHOTO_POINTER: u16 = 0x8769;
const GPS_POINTER: u16 = 0x8825;
const COLOR_SPACE: u16 = 0xa001;
const PIXEL_X_DIMENSION: u16 = 0xa002;
const PIXEL_Y_DIMENSION: u16 = 0xa003;

/// The tags of the first directory that are kept. These tags describe the image, not how its pixels are
/// stored: description, camera make, camera model, orientation, resolution (three tags), software, date,
/// artist, host computer, rating (two tags), copyright, and the texts that Windows writes (five tags).
const KEPT_OF_MAIN: [u16; 19] = [
    0x010e,
    0x010f,
    0x0110,
    ORIENTATION,
    0x011a,
    0x011b,
    0x0128,
    0x0131,
    0x0132,
    ARTIST,
    0x013c,
    0x4746,
    0x4749,
    COPYRIGHT,
    0x9c9b,
    0x9c9c,
    0x9c9d,
    0x9c9e,
    0x9c9f,
];

/// Tags of the second directory that are dropped, because they are wrong or unreadable after processing: the
/// compression of the input file (two tags), the maker notes (their offsets become invalid, and they contain
/// previews of the original image), the name of a related sound file, the pointer to interoperability data,
/// and the gamma.
const DROPPED_OF_PHOTO: [u16; 6] = [0x9101, 0x9102, 0x927c, 0xa004, 0xa005, 0xa500];

/// Maximum size in bytes of a written EXIF block: the 65,533 bytes of a JPEG segment minus the 6 bytes of
/// `Exif\0\0`.
const MAX_BYTES: usize = 65_527;

/// Maximum size of a text that is copied from another metadata format, such as IPTC.
const MAX_TEXT_BYTES: usize = 8_192;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Big,
    Little,
}

/// An EXIF entry: a tag, its type and its value. The value has the byte order of the EXIF block.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    tag: u16,
    field_type: u16,
    count: u32,
    value: Vec<u8>,
}

/// The three directories that are kept. The directory of the thumbnail is never read, because a thumbnail
/// shows the original image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exif {
    order: Order,
    main: Vec<Entry>,
    photo: Vec<Entry>,
    gps: Vec<Entry>,
    /// The number of entries, counted over all three directories, that were dropped because of `MAX_BYTES`.
    n_left_out: usize,
}

impl Default for Exif {
    fn default() -> Self {
        Self { order: Order::Big, main: Vec::new(), photo: Vec::new(), gps: Vec::new(), n_left_out: 0 }
    }
}

/// Size in bytes of one value of a field type (TIFF 6.0, section 2). `None` for the types of BigTIFF, which
/// EXIF does not use, and for unknown types.
fn value_bytes(field_type: u16) -> Option<u32> {
    Some(match field_type {
        1 | 2 | 6 | 7 => 1,
        3 | 8 => 2,
        4 | 9 | 11 => 4,
        5 | 10 | 12 => 8,
        _ => return None,
    })
}

impl Order {
    fn u16(self, bytes: [u8; 2]) -> u16 {
        if self == Self::Big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    fn u32(self, bytes: [u8; 4]) -> u32 {
        if self == Self::Big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    fn put_u16(self, value: u16) -> [u8; 2] {
        if self == Self::Big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn put_u32(self, value: u32) -> [u8; 4] {
        if self == Self::Big { value.to_be_bytes() } else { value.to_le_bytes() }
    }
}

/// Returns the `N` bytes at `offset` in the block, or `None` if they extend beyond the end of the block.
fn bytes_at<const N: usize>(block: &[u8], offset: u32) -> Option<[u8; N]> {
    block.get(usize::try_from(offset).ok()?..)?.first_chunk().copied()
}

impl Exif {
    /// Reads a block, with or without the prefix `Exif\0\0`. Invalid entries are dropped. `None` if the block
    /// is not a TIFF structure.
    pub(super) fn read(block: &[u8]) -> Option<Self> {
        let block = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
        let order = match block.get(..4)? {
            b"MM\0*" => Order::Big,
            b"II*\0" => Order::Little,
            _ => return None,
        };
        let (mut room, mut n_left_out) = (MAX_BYTES, 0);
        let mut directory = |offset| read_directory(block, order, offset, &mut room, &mut n_left_out);
        let main = directory(order.u32(bytes_at(block, 4)?));
        let pointer = |tag| {
            let entry = main.iter().find(|entry| entry.tag == tag && entry.field_type == 4)?;
            Some(order.u32(*entry.value.first_chunk()?))
        };
        let photo = pointer(PHOTO_POINTER).map(&mut directory).unwrap_or_default();
        let gps = pointer(GPS_POINTER).map(&mut directory).unwrap_or_default();
        let mut exif = Self { order, main, photo, gps, n_left_out };
        exif.main.retain(|entry| KEPT_OF_MAIN.contains(&entry.tag));
        exif.photo.retain(|entry| !DROPPED_OF_PHOTO.contains(&entry.tag));
        Some(exif)
    }

    /// Removes all entries except artist and copyright.
    pub(super) fn rights_only(mut self) -> Self {
        self.main.retain(|entry| matches!(entry.tag, ARTIST | COPYRIGHT));
        Self { photo: Vec::new(), gps: Vec::new(), n_left_out: 0, ..self }
    }

    /// Updates orientation, size and colour space for the new image, and keeps all other entries.
    pub(super) fn updated_for(mut self, changed: Changed) -> Self {
        let order = self.order;
        if changed.upright {
            for entry in self.main.iter_mut().filter(|entry| entry.tag == ORIENTATION) {
                *entry = short_entry(order, ORIENTATION, 1);
            }
        }
        for entry in &mut self.photo {
            match entry.tag {
                // The value 1 of the tag ColorSpace means sRGB.
                COLOR_SPACE => *entry = short_entry(order, COLOR_SPACE, 1),
                PIXEL_X_DIMENSION => *entry = long_entry(order, PIXEL_X_DIMENSION, changed.size.width),
                PIXEL_Y_DIMENSION => *entry = long_entry(order, PIXEL_Y_DIMENSION, changed.size.height),
                _ => {}
            }
        }
        self
    }

    /// Adds a text entry, unless an entry with this tag exists. The text is written as UTF-8, which EXIF 3.0
    /// permits and common readers accept.
    pub(super) fn add_text(&mut self, tag: u16, text: Option<&str>) {
        let Some(text) = text.map(|text| text.trim_matches(['\0', ' '])).filter(|text| !text.is_empty())
        else {
            return;
        };
        if text.len() > MAX_TEXT_BYTES
            || text.contains('\0')
            || self.main.iter().any(|entry| entry.tag == tag)
        {
            return;
        }
        let mut value = text.as_bytes().to_vec();
        value.push(0);
        self.main.push(Entry { tag, field_type: 2, count: value.len() as u32, value });
    }

    /// Writes the block. The first returned value is the block, or `None` if no entry is left to write. The
    /// second value is the number of entries that were dropped because of `MAX_BYTES`.
    pub(super) fn write(mut self) -> (Option<Vec<u8>>, usize) {
        let order = self.order;
        let mut room = MAX_BYTES - 8 - 3 * 6 - 2 * 12;
        for directory in [&mut self.main, &mut self.photo, &mut self.gps] {
            directory.retain(|entry| {
                let n_bytes = entry.n_bytes();
                let fits = n_bytes <= room;
                room -= if fits { n_bytes } else { 0 };
                self.n_left_out += usize::from(!fits);
                fits
            });
        }
        if self.main.is_empty() && self.photo.is_empty() && self.gps.is_empty() {
            return (None, self.n_left_out);
        }
        let mut main = self.main;
        for (tag, directory) in [(PHOTO_POINTER, &self.photo), (GPS_POINTER, &self.gps)] {
            if !directory.is_empty() {
                main.push(long_entry(order, tag, 0));
            }
        }
        let mut start = 8 + directory_bytes(&main) as u32;
        for (tag, directory) in [(PHOTO_POINTER, &self.photo), (GPS_POINTER, &self.gps)] {
            if let Some(pointer) = main.iter_mut().find(|entry| entry.tag == tag) {
                *pointer = long_entry(order, tag, start);
                start += directory_bytes(directory) as u32;
            }
        }
        let mut block = Vec::with_capacity(start as usize);
        block.extend_from_slice(if order == Order::Big { b"MM\0*\0\0\0\x08" } else { b"II*\0\x08\0\0\0" });
        for mut directory in [main, self.photo, self.gps] {
            // TIFF 6.0 requires the entries in the order of ascending tags.
            directory.sort_by_key(|entry| entry.tag);
            write_directory(&mut block, order, &directory);
        }
        debug_assert!(block.len() <= MAX_BYTES, "all entries were counted against MAX_BYTES");
        (Some(block), self.n_left_out)
    }
}

impl Entry {
    /// Size of the entry in a file: 12 bytes in the directory, and the padded value if it is longer than 4
    /// bytes.
    fn n_bytes(&self) -> usize {
        12 + if self.value.len() > 4 { self.value.len().next_multiple_of(2) } else { 0 }
    }
}

fn short_entry(order: Order, tag: u16, value: u16) -> Entry {
    Entry { tag, field_type: 3, count: 1, value: order.put_u16(value).to_vec() }
}

fn long_entry(order: Order, tag: u16, value: u32) -> Entry {
    Entry { tag, field_type: 4, count: 1, value: order.put_u32(value).to_vec() }
}

/// Reads those entries of a directory whose values lie inside the block. Of several entries with the same tag
/// only the first is kept. `room` is the number of bytes that may still be copied, counted over all
/// directories.
fn read_directory(
    block: &[u8],
    order: Order,
    offset: u32,
    room: &mut usize,
    n_left_out: &mut usize,
) -> Vec<Entry> {
    let n_entries = bytes_at(block, offset).map_or(0, |bytes| order.u16(bytes));
    let mut read = |i: u16| {
        let entry = offset.checked_add(2)?.checked_add(u32::from(i) * 12)?;
        let tag = order.u16(bytes_at(block, entry)?);
        let field_type = order.u16(bytes_at(block, entry + 2)?);
        let count = order.u32(bytes_at(block, entry.checked_add(4)?)?);
        let n_bytes = usize::try_from(value_bytes(field_type)?.checked_mul(count)?).ok()?;
        let value_field = entry.checked_add(8)?;
        let start = if n_bytes <= 4 { value_field } else { order.u32(bytes_at(block, value_field)?) };
        let start = usize::try_from(start).ok()?;
        let value = block.get(start..start.checked_add(n_bytes)?)?;
        let needed = 12 + n_bytes;
        if needed > *room {
            *n_left_out += 1;
            return None;
        }
        *room -= needed;
        Some(Entry { tag, field_type, count, value: value.to_vec() })
    };
    let mut entries: Vec<Entry> = (0..n_entries).filter_map(&mut read).collect();
    entries.sort_by_key(|entry| entry.tag);
    entries.dedup_by_key(|entry| entry.tag);
    entries
}

/// Number of bytes that [`write_directory`] writes: 0 for a directory without entries.
fn directory_bytes(directory: &[Entry]) -> usize {
    if directory.is_empty() { 0 } else { 6 + directory.iter().map(Entry::n_bytes).sum::<usize>() }
}

fn write_directory(block: &mut Vec<u8>, order: Order, directory: &[Entry]) {
    if directory.is_empty() {
        return;
    }
    let mut offset = block.len() + 6 + 12 * directory.len();
    block.extend(order.put_u16(directory.len() as u16));
    for entry in directory {
        block.extend(order.put_u16(entry.tag));
        block.extend(order.put_u16(entry.field_type));
        block.extend(order.put_u32(entry.count));
        let mut field = [0; 4];
        if entry.value.len() <= 4 {
            field[..entry.value.len()].copy_from_slice(&entry.value);
        } else {
            field = order.put_u32(offset as u32);
            offset += entry.value.len().next_multiple_of(2);
        }
        block.extend(field);
    }
    // The directory ends with the offset of the next directory. The offset is 0, because no directory
    // follows.
    block.extend([0; 4]);
    for entry in directory.iter().filter(|entry| entry.value.len() > 4) {
        block.extend_from_slice(&entry.value);
        if entry.value.len() % 2 == 1 {
            block.push(0);
        }
    }
}
