//! Builds TIFF files from tags.

/// The content of a TIFF file. The method `bytes` writes the file.
pub(super) struct Tiff {
    pub(super) big_endian: bool,
    /// Whether the file is a BigTIFF.
    pub(super) big: bool,
    pub(super) tiled: bool,
    /// The tag, type and values of each entry. The method `bytes` adds the entries that state the positions
    /// of the strips or tiles.
    pub(super) tags: Vec<(u16, u16, Vec<u64>)>,
    /// The data of each strip or tile.
    pub(super) chunks: Vec<Vec<u8>>,
}

/// The tags of an image that is stored in one strip. `bits` contains the number of bits of each sample.
pub(super) fn tags(width: u64, height: u64, bits: &[u64], photometric: u64) -> Vec<(u16, u16, Vec<u64>)> {
    vec![
        (256, 4, vec![width]),
        (257, 4, vec![height]),
        (258, 3, bits.to_vec()),
        (259, 3, vec![1]),
        (262, 3, vec![photometric]),
        (277, 3, vec![bits.len() as u64]),
    ]
}

impl Tiff {
    /// Creates a little-endian TIFF file whose image data is stored in strips.
    pub(super) fn new(tags: Vec<(u16, u16, Vec<u64>)>, chunks: Vec<Vec<u8>>) -> Self {
        Self { big_endian: false, big: false, tiled: false, tags, chunks }
    }

    /// Sets the values of a tag. The values are stored with 16 bits each.
    pub(super) fn with(mut self, tag: u16, values: &[u64]) -> Self {
        self.tags.retain(|entry| entry.0 != tag);
        self.tags.push((tag, 3, values.to_vec()));
        self
    }

    /// Declares that the image data is stored in tiles of the given size instead of strips.
    pub(super) fn in_tiles(self, width: u64, height: u64) -> Self {
        Self { tiled: true, ..self }.with(322, &[width]).with(323, &[height])
    }

    fn number(&self, value: u64, n_bytes: usize) -> Vec<u8> {
        if self.big_endian {
            value.to_be_bytes()[8 - n_bytes..].to_vec()
        } else {
            value.to_le_bytes()[..n_bytes].to_vec()
        }
    }

    /// Writes the file: the header, the image data, the directory, and then the values that do not fit into
    /// the directory.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let offset_bytes = if self.big { 8 } else { 4 };
        let mut file = if self.big_endian { b"MM".to_vec() } else { b"II".to_vec() };
        if self.big {
            file.extend(self.number(43, 2));
            file.extend(self.number(8, 2));
            file.extend(self.number(0, 2));
        } else {
            file.extend(self.number(42, 2));
        }
        let pointer_at = file.len();
        file.extend(vec![0; offset_bytes]);
        let mut offsets = Vec::new();
        for chunk in &self.chunks {
            offsets.push(file.len() as u64);
            file.extend_from_slice(chunk);
        }
        file.resize(file.len().next_multiple_of(2), 0);
        let sizes = self.chunks.iter().map(|chunk| chunk.len() as u64).collect();
        let (offset_tag, size_tag) = if self.tiled { (324, 325) } else { (273, 279) };
        let mut tags = self.tags.clone();
        tags.extend([(offset_tag, 4, offsets), (size_tag, 4, sizes)]);
        tags.sort_by_key(|tag| tag.0);
        let directory_at = file.len() as u64;
        let pointer = self.number(directory_at, offset_bytes);
        file[pointer_at..pointer_at + offset_bytes].copy_from_slice(&pointer);
        let (count_bytes, entry_bytes) = if self.big { (8, 20) } else { (2, 12) };
        let values_at = file.len() + count_bytes + entry_bytes * tags.len() + offset_bytes;
        let mut values: Vec<u8> = Vec::new();
        file.extend(self.number(tags.len() as u64, count_bytes));
        for (tag, field_type, numbers) in tags {
            let n_bytes = match field_type {
                1 | 2 | 7 => 1,
                3 => 2,
                4 | 11 => 4,
                _ => 8,
            };
            let mut bytes: Vec<u8> = numbers.iter().flat_map(|&v| self.number(v, n_bytes)).collect();
            file.extend(self.number(tag.into(), 2));
            file.extend(self.number(field_type.into(), 2));
            file.extend(self.number(numbers.len() as u64, offset_bytes));
            if bytes.len() <= offset_bytes {
                bytes.resize(offset_bytes, 0);
                file.extend(bytes);
            } else {
                file.extend(self.number((values_at + values.len()) as u64, offset_bytes));
                values.extend(bytes);
            }
        }
        file.extend(vec![0; offset_bytes]);
        file.extend(values);
        file
    }
}
