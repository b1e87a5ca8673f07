//! Tests of decoding at full size: for every kind of file, the result matches the result of another decoder.

use jpeg_encoder::SamplingFactor;
use pixaven_jpeg::{Coding, Colour, Decoder, Error, Scale};

use crate::helpers::{decoded, peer_decoded, peer_encoded, photo, psnr_db};

const FACTORS: [SamplingFactor; 7] = [
    SamplingFactor::F_1_1,
    SamplingFactor::F_2_1,
    SamplingFactor::F_1_2,
    SamplingFactor::F_2_2,
    SamplingFactor::F_4_1,
    SamplingFactor::F_4_2,
    SamplingFactor::F_1_4,
];

#[test]
fn jpeg_of_every_chroma_subsampling_decodes_to_nearly_the_pixels_of_another_decoder() {
    for (size, factor) in
        [(96, 64), (101, 67), (7, 3), (1, 1), (250, 9)].into_iter().flat_map(|s| FACTORS.map(|f| (s, f)))
    {
        for progressive in [false, true] {
            let file = peer_encoded(&photo(size.0, size.1), size, factor, |e| e.set_progressive(progressive));
            let (actual_size, pixels, outcome) = decoded(&file, Scale::FULL);
            assert_eq!((actual_size, outcome.damaged), (size, false));
            let psnr = match factor {
                // The other decoder gives wrong results for some of these sampling factors. For these
                // factors, the test compares with the original image, which is a weaker check.
                SamplingFactor::F_4_1 | SamplingFactor::F_4_2 | SamplingFactor::F_1_4 => {
                    psnr_db(&pixels, &photo(size.0, size.1)) + 22.0
                }
                _ => psnr_db(&pixels, &peer_decoded(&file)),
            };
            assert!(psnr > 44.0, "{size:?} {factor:?} progressive {progressive}: {psnr:.1} dB");
        }
    }
}

#[test]
fn gray_and_cmyk_jpeg_components_are_decoded_without_colour_conversion() {
    let gray: Vec<u8> = photo(50, 40).as_chunks::<3>().0.iter().map(|p| p[1]).collect();
    let file = peer_encoded(&gray, (50, 40), SamplingFactor::F_1_1, |_| {});
    assert!(psnr_db(&decoded(&file, Scale::FULL).1, &gray) > 35.0);
    let cmyk: Vec<u8> =
        photo(50, 40).as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [r, g, b, 200]).collect();
    let file = peer_encoded(&cmyk, (50, 40), SamplingFactor::F_1_1, |_| {});
    let stored = decoded(&file, Scale::FULL).1;
    let inverted: Vec<u8> = stored.iter().map(|v| 255 - v).collect();
    assert!(psnr_db(&stored, &cmyk).max(psnr_db(&inverted, &cmyk)) > 35.0);
}

#[test]
fn jpeg_with_restart_markers_decodes_to_the_same_pixels_as_without_restart_markers() {
    let pixels = photo(120, 80);
    for progressive in [false, true] {
        let plain =
            peer_encoded(&pixels, (120, 80), SamplingFactor::F_2_2, |e| e.set_progressive(progressive));
        let marked = peer_encoded(&pixels, (120, 80), SamplingFactor::F_2_2, |e| {
            e.set_progressive(progressive);
            e.set_restart_interval(3);
        });
        assert!(marked.windows(2).any(|w| w == [0xff, 0xd3]), "the file must have restart markers");
        assert_eq!(decoded(&marked, Scale::FULL), decoded(&plain, Scale::FULL));
    }
}

#[test]
fn jpeg_frame_header_can_be_read_without_decoding_pixels() {
    let file = peer_encoded(&photo(33, 21), (33, 21), SamplingFactor::F_2_2, |e| e.set_progressive(true));
    let decoder = Decoder::new(&file).unwrap();
    let frame = decoder.frame();
    assert_eq!((frame.width, frame.height, frame.coding), (33, 21, Coding::Progressive));
    let factors: Vec<_> = frame.components.iter().map(|c| (c.horizontal, c.vertical)).collect();
    assert_eq!(factors, [(2, 2), (1, 1), (1, 1)]);
}

#[test]
fn error_for_an_unsupported_jpeg_coding_process_names_the_process() {
    let file = peer_encoded(&photo(16, 16), (16, 16), SamplingFactor::F_1_1, |_| {});
    let frame = file.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut changed = file.clone();
        change(&mut changed);
        Decoder::new(&changed).map(|_| ()).unwrap_err()
    };
    for (marker, name) in [
        (0xc5, "hierarchical coding"),
        (0xcf, "hierarchical coding"),
        (0xde, "hierarchical coding"),
        (0xcb, "lossless coding with arithmetic codes (SOF11)"),
        (0xf7, "JPEG-LS (SOF55)"),
    ] {
        assert_eq!(refused(&|file| file[frame + 1] = marker), Error::Unsupported(name));
    }
    let deep = refused(&|file| file[frame + 4] = 10);
    assert_eq!(deep, Error::Unsupported("a number of bits per sample other than 8 and 12"));
    let no_height = refused(&|file| file[frame + 5..frame + 7].fill(0));
    assert_eq!(no_height, Error::Unsupported("a height that is stated only after the first scan (DNL)"));
    assert_eq!(Decoder::new(b"").map(|_| ()), Err(Error::Corrupt("no frame header")));
}

/// The test file has three components, each in a separate scan. Each scan has the data of the single scan of
/// a gray file.
#[test]
fn jpeg_with_a_separate_scan_for_each_colour_component_is_decoded_to_one_image() {
    let gray: Vec<u8> = photo(37, 29).as_chunks::<3>().0.iter().map(|p| p[0]).collect();
    let file = peer_encoded(&gray, (37, 29), SamplingFactor::F_1_1, |_| {});
    let find = |marker: u8| file.windows(2).position(|w| w == [0xff, marker]).unwrap();
    let (frame, scan) = (find(0xc0), find(0xda));
    let mut three_scans = file[..frame].to_vec();
    three_scans.extend_from_slice(&[0xff, 0xc0, 0, 17]);
    three_scans.extend_from_slice(&file[frame + 4..frame + 9]);
    three_scans.extend_from_slice(&[3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]);
    three_scans.extend_from_slice(&file[frame + 13..scan]);
    for id in 1..=3 {
        let mut scan_data = file[scan..file.len() - 2].to_vec();
        scan_data[5] = id;
        three_scans.extend(scan_data);
    }
    three_scans.extend_from_slice(&[0xff, 0xd9]);
    let mut pixels = vec![0; 37 * 29 * 3];
    let outcome =
        Decoder::new(&three_scans).unwrap().decode(Scale::FULL, Colour::Stored, 9, &mut pixels).unwrap();
    assert!(!outcome.damaged);
    let gray_pixels = decoded(&file, Scale::FULL).1;
    assert!(pixels.as_chunks::<3>().0.iter().zip(&gray_pixels).all(|(pixel, &v)| *pixel == [v; 3]));
}

#[test]
fn chroma_that_is_at_most_two_samples_wide_is_repeated_as_in_other_decoders() {
    let file = peer_encoded(&photo(4, 3), (4, 3), SamplingFactor::F_2_2, |_| {});
    let mut pixels = vec![0; 4 * 3 * 3];
    Decoder::new(&file).unwrap().decode(Scale::FULL, Colour::Stored, 9, &mut pixels).unwrap();
    let chroma = |x: usize, y: usize| [pixels[(y * 4 + x) * 3 + 1], pixels[(y * 4 + x) * 3 + 2]];
    for (x, y) in (0..4).flat_map(|x| (0..3).map(move |y| (x, y))) {
        assert_eq!(chroma(x, y), chroma(x / 2 * 2, y / 2 * 2), "at {x},{y}");
    }
}
