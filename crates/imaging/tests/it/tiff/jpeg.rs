//! Tests of JPEG inside TIFF: of the current and of the older scheme, and of lossless JPEG.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use pixaven_imaging::{Channels, Image};

use super::assert_shows;
use super::builder::{Tiff, tags};
use crate::helpers::{decoded_pixels, photo, psnr_db, rgba};
use crate::jpeg::lossless;

fn gray_jpeg(image: &Image, restart_interval: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 95);
    encoder.set_restart_interval(restart_interval);
    encoder.encode(image.data(), image.width() as u16, image.height() as u16, ColorType::Luma).unwrap();
    bytes
}

/// The offset of the entropy-coded data of a JPEG file with one scan.
fn scan_data(jpeg: &[u8]) -> usize {
    let scan = jpeg.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
    scan + 2 + usize::from(jpeg[scan + 3])
}

fn gray_photo(width: u32, height: u32) -> Image {
    let data = photo(width, height).data().as_chunks::<3>().0.iter().map(|pixel| pixel[1]).collect();
    Image::new(width, height, Channels::Gray, data)
}

#[test]
fn photometric_tag_of_a_tiff_decides_the_colour_space_of_its_jpeg_strips() {
    let image = photo(64, 48);
    let jpeg = |color: ColorType| {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, 95);
        encoder.set_sampling_factor(SamplingFactor::F_1_1);
        encoder.encode(image.data(), 64, 48, color).unwrap();
        bytes
    };
    let ycbcr = jpeg(ColorType::Rgb);
    let file = Tiff::new(tags(64, 48, &[8; 3], 6), vec![ycbcr.clone()]).with(259, &[7]).bytes();
    let db = psnr_db(&decoded_pixels(&file).2, &rgba(&image));
    assert!(db > 35.0, "{db:.1} dB");
    // The same JPEG data are stored in a TIFF that declares RGB. The samples must be used as RGB, without
    // conversion from YCbCr.
    let file = Tiff::new(tags(64, 48, &[8; 3], 2), vec![ycbcr.clone()]).with(259, &[7]).bytes();
    assert!(psnr_db(&decoded_pixels(&file).2, &rgba(&image)) < 20.0);
    // The first TIFF has the JPEG tables in a separate tag. The second TIFF is an old-style TIFF, in which a
    // tag gives the offset of a complete JPEG file.
    let scan = ycbcr.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    let tables = [&ycbcr[..scan], b"\xff\xd9"].concat();
    let mut separate_tables =
        Tiff::new(tags(64, 48, &[8; 3], 6), vec![[b"\xff\xd8", &ycbcr[scan..]].concat()]).with(259, &[7]);
    separate_tables.tags.push((347, 7, tables.iter().map(|&v| v.into()).collect()));
    let result = decoded_pixels(&separate_tables.bytes()).2;
    assert!(psnr_db(&result, &rgba(&image)) > 35.0);
    let old = Tiff::new(tags(64, 48, &[8; 3], 2), vec![ycbcr]).with(259, &[6]).with(513, &[8]).bytes();
    assert_eq!(decoded_pixels(&old).2, result);
}

#[test]
fn lossless_jpeg_strips_of_a_tiff_are_decoded_at_every_bit_depth() {
    for bits in [8, 12, 16] {
        let max = (1_u32 << bits) - 1;
        let samples: Vec<u16> = (0..300_u32).map(|i| ((i * 7919) & max) as u16).collect();
        let shown = samples.iter().map(|&v| ((u32::from(v) * 255 + max / 2) / max) as u8).collect();
        let strips = samples.chunks(150).map(|strip| lossless(15, strip, bits)).collect();
        let file = Tiff::new(tags(15, 20, &[bits.into()], 1), strips).with(259, &[7]).with(278, &[10]);
        assert_shows(&file, &Image::new(15, 20, Channels::Gray, shown), &format!("{bits} bits"));
    }
}

/// The tag JPEGProc states lossless coding. The strips contain only entropy-coded data, and other tags refer
/// to the Huffman table and state the predictor.
#[test]
fn old_style_lossless_jpeg_data_of_a_tiff_is_decoded() {
    let samples: Vec<u16> = (0..300_u32).map(|i| ((i * 7919) & 0xfff) as u16).collect();
    let shown = samples.iter().map(|&v| ((u32::from(v) * 255 + 2047) / 4095) as u8).collect();
    let jpeg = lossless(15, &samples, 12);
    let table = jpeg.windows(2).position(|pair| pair == [0xff, 0xc4]).unwrap() + 5;
    let data = jpeg[scan_data(&jpeg)..jpeg.len() - 2].to_vec();
    let strip = [&jpeg[table..table + 33], &data].concat();
    // The strip begins after the Huffman table, which is 33 bytes long, so the tags for the place of the strip
    // are written by the test.
    let mut file = Tiff::new(tags(15, 20, &[12], 1), vec![strip]).with(259, &[6]).with(512, &[14]);
    file = file.with(517, &[1]).with(518, &[0]).with(520, &[8]);
    let bytes = move_first_strip(&file.bytes(), 33);
    assert_eq!(decoded_pixels(&bytes).2, rgba(&Image::new(15, 20, Channels::Gray, shown)));
}

/// Moves the start of the first strip by `n` bytes: changes the values of the tags StripOffsets and
/// StripByteCounts of a little-endian file.
fn move_first_strip(file: &[u8], n: u32) -> Vec<u8> {
    let mut file = file.to_vec();
    let number = |file: &[u8], at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    let directory = number(&file, 4) as usize;
    let n_entries = usize::from(u16::from_le_bytes([file[directory], file[directory + 1]]));
    for entry in (0..n_entries).map(|i| directory + 2 + 12 * i) {
        let value = number(&file, entry + 8);
        let changed = match u16::from_le_bytes([file[entry], file[entry + 1]]) {
            273 => value + n,
            279 => value - n,
            _ => value,
        };
        file[entry + 8..entry + 12].copy_from_slice(&changed.to_le_bytes());
    }
    file
}

/// The tag JPEGInterchangeFormat refers to the headers of a JPEG file. The entropy-coded data is in strips
/// before the headers.
#[test]
fn old_style_jpeg_whose_headers_are_apart_from_its_strips_is_decoded() {
    let image = gray_photo(64, 48);
    let jpeg = gray_jpeg(&image, 8);
    let data = scan_data(&jpeg);
    let rows = jpeg[data..jpeg.len() - 2].to_vec();
    let half = rows.windows(2).position(|pair| pair == [0xff, 0xd2]).unwrap() + 2;
    let strips = vec![rows[..half].to_vec(), rows[half..].to_vec(), jpeg[..data].to_vec()];
    let headers_at = (8 + rows.len()) as u64;
    let mut file = Tiff::new(tags(64, 48, &[8], 1), strips).with(259, &[6]).with(278, &[24]);
    file.tags.extend([(513, 4, vec![headers_at]), (514, 4, vec![data as u64])]);
    let (_, _, result) = decoded_pixels(&file.bytes());
    assert_eq!(result, decoded_pixels(&jpeg).2);
    assert!(psnr_db(&result, &rgba(&image)) > 35.0);
}
