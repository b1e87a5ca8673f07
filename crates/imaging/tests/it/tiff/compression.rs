//! Tests of every compression and predictor of TIFF.

use pixaven_imaging::{Channels, Image};

use super::builder::{Tiff, tags};
use super::{assert_shows, deflate, packed, rgb_tags, small};

#[test]
fn tiff_with_any_compression_method_is_decoded() {
    let image = small();
    let plain = image.data();
    let literal: Vec<u8> =
        plain.chunks(100).flat_map(|piece| [&[piece.len() as u8 - 1][..], piece].concat()).collect();
    let new_lzw =
        weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).encode(plain).unwrap();
    let old_lzw = weezl::encode::Encoder::new(weezl::BitOrder::Lsb, 8).encode(plain).unwrap();
    assert_eq!(old_lzw[0], 0, "old-style LZW data begins with a zero byte");
    let zstd = ruzstd::encoding::compress_to_vec(plain, ruzstd::encoding::CompressionLevel::Fastest);
    for (number, data) in [
        (32_773, literal),
        (5, new_lzw),
        (5, old_lzw),
        (8, deflate(plain)),
        (32_946, deflate(plain)),
        (50_000, zstd),
    ] {
        assert_shows(
            &Tiff::new(rgb_tags(), vec![data]).with(259, &[number]),
            &image,
            &format!("coding {number}"),
        );
    }
    let turned = plain.iter().map(|v| v.reverse_bits()).collect();
    assert_shows(&Tiff::new(rgb_tags(), vec![turned]).with(266, &[2]), &image, "low bit first");
}

#[test]
fn differences_stored_by_a_tiff_predictor_are_decoded_to_the_original_pixels() {
    let image = small();
    let row_differences = |row: &[u8]| -> Vec<u8> {
        (0..row.len()).map(|i| if i < 3 { row[i] } else { row[i].wrapping_sub(row[i - 3]) }).collect()
    };
    let bytes = image.data().chunks(120).flat_map(row_differences).collect::<Vec<u8>>();
    let file = Tiff::new(rgb_tags(), vec![deflate(&bytes)]).with(259, &[8]).with(317, &[2]);
    assert_shows(&file, &image, "8 bits");
    for big_endian in [false, true] {
        let wide: Vec<u16> = image.data().iter().map(|&v| u16::from(v) * 257).collect();
        let data: Vec<u8> = wide
            .chunks(120)
            .flat_map(|row| {
                let value = |i: usize| if i < 3 { row[i] } else { row[i].wrapping_sub(row[i - 3]) };
                let bytes = |v: u16| if big_endian { v.to_be_bytes() } else { v.to_le_bytes() };
                (0..row.len()).flat_map(|i| bytes(value(i))).collect::<Vec<u8>>()
            })
            .collect();
        let file = Tiff { big_endian, ..Tiff::new(tags(40, 30, &[16, 16, 16], 2), vec![deflate(&data)]) };
        assert_shows(&file.with(259, &[8]).with(317, &[2]), &image, "16 bits");
    }
    // The file uses the predictor for floats. In each row, the most significant bytes of all values come
    // first and the least significant bytes last. Each byte is then replaced by its difference from the byte
    // three positions before.
    let data: Vec<u8> = image
        .data()
        .chunks(120)
        .flat_map(|row| {
            let values: Vec<[u8; 4]> = row.iter().map(|&v| (f32::from(v) / 255.0).to_be_bytes()).collect();
            let ranked: Vec<u8> = (0..4).flat_map(|rank| values.iter().map(move |v| v[rank])).collect();
            (0..ranked.len())
                .map(move |i| if i < 3 { ranked[i] } else { ranked[i].wrapping_sub(ranked[i - 3]) })
                .collect::<Vec<u8>>()
        })
        .collect();
    let file = Tiff::new(tags(40, 30, &[32, 32, 32], 2), vec![deflate(&data)]);
    assert_shows(&file.with(259, &[8]).with(317, &[3]).with(339, &[3, 3, 3]), &image, "floats");
}

#[test]
fn differences_of_tiff_samples_of_any_bit_depth_are_decoded_to_the_original_pixels() {
    let (width, height, n_samples) = (13, 5, 3);
    for bits in [1usize, 4, 5, 10, 12, 14, 24] {
        let max = (1u64 << bits) - 1;
        let values: Vec<u64> =
            (0..width * height * n_samples).map(|i| i as u64 * 0x1234_5677 % (max + 1)).collect();
        let row_differences = |row: &[u64]| -> Vec<u64> {
            let before = |i: usize| if i < n_samples { 0 } else { row[i - n_samples] };
            (0..row.len()).map(|i| row[i].wrapping_sub(before(i)) & max).collect()
        };
        let stored: Vec<u64> = values.chunks(width * n_samples).flat_map(row_differences).collect();
        let data = packed(&stored, width * n_samples, bits);
        let shown = values.iter().map(|v| ((v * 255 + max / 2) / max) as u8).collect();
        let image = Image::new(width as u32, height as u32, Channels::Rgb, shown);
        let tags = tags(width as u64, height as u64, &[bits as u64; 3], 2);
        let file = Tiff { big_endian: true, ..Tiff::new(tags, vec![deflate(&data)]) };
        assert_shows(&file.with(259, &[8]).with(317, &[2]), &image, &format!("{bits} bits"));
    }
}

#[test]
fn ccitt_fax_compression_of_a_tiff_is_decoded() {
    // The image has stripes with irregular edges, for which the encoder uses all coding modes of Group 4.
    let black = |x: usize, y: usize| (x + y * y / 3) % 17 < 6 || (y.is_multiple_of(11) && x > 20);
    let (width, height) = (61usize, 40usize);
    let shade = |(x, y)| if black(x, y) { 0 } else { 255 };
    let all = || (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let image = Image::new(width as u32, height as u32, Channels::Gray, all().map(shade).collect());
    let mut encoder = fax::encoder::Encoder::new(fax::VecWriter::new());
    for y in 0..height {
        let pels = (0..width).map(|x| if black(x, y) { fax::Color::Black } else { fax::Color::White });
        encoder.encode_line(pels, width as u32).unwrap();
    }
    let group4 = encoder.finish().unwrap().finish();
    let file = Tiff::new(tags(width as u64, height as u64, &[1], 0), vec![group4]).with(259, &[4]);
    assert_shows(&file, &image, "Group 4");
    // The data are two rows in the codes of ITU-T T.4 (tables 2 and 3). The first row has 2 white, 3 black
    // and 1 white pixels; the second row has 6 black pixels.
    let rows = [vec![0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1], vec![0, 0, 1, 1, 0, 1, 0, 1, 0, 0, 1, 0]];
    let bits = |ends: bool, pad: bool| {
        let mut bits: Vec<u64> = Vec::new();
        for row in &rows {
            if ends {
                bits.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
            }
            bits.extend(row);
            if pad {
                bits.resize(bits.len().next_multiple_of(8), 0);
            }
        }
        packed(&bits, bits.len(), 1)
    };
    let shown = Image::new(6, 2, Channels::Gray, vec![255, 255, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0]);
    for (number, ends, pad) in [(2u64, false, true), (3, true, false), (3, false, false)] {
        let file = Tiff::new(tags(6, 2, &[1], 0), vec![bits(ends, pad)]).with(259, &[number]);
        assert_shows(&file, &shown, &format!("coding {number}, end-of-line codes {ends}"));
    }
}
