//! Builds EXIF blocks and files that contain them, and reads EXIF and XMP without the code under test.

use pixaven_imaging::Format;

/// Builds an EXIF block with four directories.
pub(super) struct ExifBuilder {
    big_endian: bool,
    main: Vec<Entry>,
    photo: Vec<Entry>,
    gps: Vec<Entry>,
    thumbnail: Vec<Entry>,
}

/// An EXIF entry: tag, type, number of values, and the values in the byte order of the block.
type Entry = (u16, u16, u32, Vec<u8>);

impl ExifBuilder {
    /// Creates the block that a camera writes for an image with orientation 6. The code under test keeps 12
    /// entries of this block.
    pub(super) fn of_a_camera(big_endian: bool) -> Self {
        let block =
            Self { big_endian, main: Vec::new(), photo: Vec::new(), gps: Vec::new(), thumbnail: Vec::new() };
        let (short, long) = (|value| block.short(value), |value| block.long(value));
        let text = |tag, text: &str| (tag, 2, text.len() as u32 + 1, [text.as_bytes(), b"\0"].concat());
        let main = vec![
            (0x0103, 3, 1, short(6)),
            text(0x010f, "Pinhole Ltd"),
            (0x0112, 3, 1, short(6)),
            (0x011a, 5, 1, [long(72), long(1)].concat()),
            text(0x0132, "2026:11:24 12:00:00"),
            text(0x013b, "Ada"),
            text(0x8298, "(c) Ada 2026"),
        ];
        let photo = vec![
            (0x829a, 5, 1, [long(1), long(250)].concat()),
            text(0x9003, "2026:11:24 12:00:00"),
            (0x927c, 7, 9, b"MakerNote".to_vec()),
            (0xa001, 3, 1, short(65_535)),
            (0xa002, 4, 1, long(4000)),
            (0xa003, 4, 1, long(3000)),
        ];
        let gps = vec![text(0x0001, "N")];
        let thumbnail = vec![(0x0103, 3, 1, short(6)), (0x0201, 4, 1, long(0)), (0x0202, 4, 1, long(4))];
        Self { big_endian, main, photo, gps, thumbnail }
    }

    /// Adds a UserComment entry whose value is `bytes`.
    pub(super) fn add_comment(&mut self, bytes: &[u8]) {
        self.photo.insert(3, (0x9286, 7, bytes.len() as u32, bytes.to_vec()));
    }

    fn short(&self, value: u16) -> Vec<u8> {
        if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() }.to_vec()
    }

    fn long(&self, value: u32) -> Vec<u8> {
        if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() }.to_vec()
    }

    /// Returns the bytes of the EXIF block, without the prefix `Exif\0\0`.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut main = self.main.clone();
        main.push((0x8769, 4, 1, self.long(0)));
        main.push((0x8825, 4, 1, self.long(0)));
        let n_main = main.len();
        let size = |entries: &[Entry]| {
            6 + entries
                .iter()
                .map(|entry| 12 + if entry.3.len() > 4 { entry.3.len().next_multiple_of(2) } else { 0 })
                .sum::<usize>()
        };
        let photo_offset = 8 + size(&main);
        let gps_offset = photo_offset + size(&self.photo);
        let thumbnail_offset = gps_offset + size(&self.gps);
        main[n_main - 2].3 = self.long(photo_offset as u32);
        main[n_main - 1].3 = self.long(gps_offset as u32);
        let mut bytes = if self.big_endian { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
        bytes.extend(self.long(8));
        for (entries, next) in
            [(&main, thumbnail_offset), (&self.photo, 0), (&self.gps, 0), (&self.thumbnail, 0)]
        {
            self.write(&mut bytes, entries, next as u32);
        }
        bytes
    }

    fn write(&self, bytes: &mut Vec<u8>, entries: &[Entry], next: u32) {
        let mut offset = bytes.len() + 6 + 12 * entries.len();
        bytes.extend(self.short(entries.len() as u16));
        let mut values = Vec::new();
        for (tag, field_type, count, value) in entries {
            bytes.extend([self.short(*tag), self.short(*field_type), self.long(*count)].concat());
            let mut value = value.clone();
            if value.len() <= 4 {
                value.resize(4, 0);
                bytes.extend(value);
            } else {
                value.resize(value.len().next_multiple_of(2), 0);
                bytes.extend(self.long(offset as u32));
                offset += value.len();
                values.extend(value);
            }
        }
        bytes.extend(self.long(next));
        bytes.extend(values);
    }
}

/// Inserts an EXIF block, and the packet `xmp` if it is `Some`, after the first two bytes of a JPEG.
pub(super) fn with_exif(jpeg: &[u8], block: &[u8], xmp: Option<&str>) -> Vec<u8> {
    let segment = |name: &[u8], body: &[u8]| {
        let length = (2 + name.len() + body.len()) as u16;
        [b"\xff\xe1", &length.to_be_bytes()[..], name, body].concat()
    };
    let xmp = xmp.map(|xmp| segment(b"http://ns.adobe.com/xap/1.0/\0", xmp.as_bytes())).unwrap_or_default();
    [&jpeg[..2], &segment(b"Exif\0\0", block), &xmp, &jpeg[2..]].concat()
}

/// The EXIF of a file, read by the crate `kamadak-exif`.
pub(super) fn exif_of(format: Format, file: &[u8]) -> Option<exif::Exif> {
    match exif::Reader::new().read_from_container(&mut std::io::Cursor::new(file)) {
        Ok(exif) => Some(exif),
        Err(exif::Error::NotFound(_)) => None,
        Err(error) => panic!("{format:?}: {error}"),
    }
}

/// Returns the XMP packet of a file. The function finds the packet by the identifier that the file format
/// writes before every XMP packet.
pub(super) fn xmp_of(format: Format, file: &[u8]) -> Option<String> {
    let name: &[u8] = match format {
        Format::Jpeg => b"http://ns.adobe.com/xap/1.0/\0",
        Format::Webp => b"XMP ",
        _ => b"iTXtXML:com.adobe.xmp\0\0\0\0\0",
    };
    let at = file.windows(name.len()).position(|window| window == name)?;
    let start = at + name.len();
    let length = match format {
        Format::Jpeg => usize::from(u16::from_be_bytes([file[at - 2], file[at - 1]])) - 2 - name.len(),
        Format::Webp => u32::from_le_bytes(*file[start..].first_chunk().unwrap()) as usize,
        _ => u32::from_be_bytes(*file[at - 4..].first_chunk().unwrap()) as usize - (name.len() - 4),
    };
    let start = if format == Format::Webp { start + 4 } else { start };
    Some(String::from_utf8(file[start..start + length].to_vec()).expect("XMP is UTF-8"))
}
