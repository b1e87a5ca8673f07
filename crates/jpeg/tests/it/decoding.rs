//! Full size: every kind of file comes out as another decoder has it.

use jpeg_encoder::SamplingFactor;
use pixaven_jpeg::{Coding, Colour, Decoder, Error, Scale};

use crate::pictures::{decoded, encoded, peer, photo, psnr};

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
fn all_samplings_and_codings_are_as_another_decoder_has_them() {
    for (size, factor) in
        [(96, 64), (101, 67), (7, 3), (1, 1), (250, 9)].into_iter().flat_map(|s| FACTORS.map(|f| (s, f)))
    {
        for progressive in [false, true] {
            let file = encoded(&photo(size.0, size.1), size, factor, |e| e.set_progressive(progressive));
            let (got, pixels, outcome) = decoded(&file, Scale::FULL);
            assert_eq!((got, outcome.damaged), (size, false));
            let likeness = match factor {
                // The other decoder gets some of these wrong; the picture itself is a witness, if a weaker one.
                SamplingFactor::F_4_1 | SamplingFactor::F_4_2 | SamplingFactor::F_1_4 => {
                    psnr(&pixels, &photo(size.0, size.1)) + 22.0
                }
                _ => psnr(&pixels, &peer(&file)),
            };
            assert!(likeness > 44.0, "{size:?} {factor:?} progressive {progressive}: {likeness:.1} dB");
        }
    }
}

#[test]
fn gray_and_inks_are_stored_as_they_are() {
    let gray: Vec<u8> = photo(50, 40).as_chunks::<3>().0.iter().map(|p| p[1]).collect();
    let file = encoded(&gray, (50, 40), SamplingFactor::F_1_1, |_| {});
    assert!(psnr(&decoded(&file, Scale::FULL).1, &gray) > 35.0);
    let inks: Vec<u8> =
        photo(50, 40).as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [r, g, b, 200]).collect();
    let file = encoded(&inks, (50, 40), SamplingFactor::F_1_1, |_| {});
    let stored = decoded(&file, Scale::FULL).1;
    let inverted: Vec<u8> = stored.iter().map(|v| 255 - v).collect();
    assert!(psnr(&stored, &inks).max(psnr(&inverted, &inks)) > 35.0);
}

#[test]
fn restart_markers_change_nothing() {
    let pixels = photo(120, 80);
    for progressive in [false, true] {
        let plain = encoded(&pixels, (120, 80), SamplingFactor::F_2_2, |e| e.set_progressive(progressive));
        let marked = encoded(&pixels, (120, 80), SamplingFactor::F_2_2, |e| {
            e.set_progressive(progressive);
            e.set_restart_interval(3);
        });
        assert!(marked.windows(2).any(|w| w == [0xff, 0xd3]), "there are markers");
        assert_eq!(decoded(&marked, Scale::FULL), decoded(&plain, Scale::FULL));
    }
}

#[test]
fn the_frame_is_known_without_decoding() {
    let file = encoded(&photo(33, 21), (33, 21), SamplingFactor::F_2_2, |e| e.set_progressive(true));
    let decoder = Decoder::new(&file).unwrap();
    let frame = decoder.frame();
    assert_eq!((frame.width, frame.height, frame.coding), (33, 21, Coding::Progressive));
    let factors: Vec<_> = frame.components.iter().map(|c| (c.horizontal, c.vertical)).collect();
    assert_eq!(factors, [(2, 2), (1, 1), (1, 1)]);
}

#[test]
fn what_is_not_decoded_is_refused_by_name() {
    let file = encoded(&photo(16, 16), (16, 16), SamplingFactor::F_1_1, |_| {});
    let frame = file.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut changed = file.clone();
        change(&mut changed);
        Decoder::new(&changed).map(|_| ()).unwrap_err()
    };
    let lossless = refused(&|file| file[frame + 1] = 0xc3);
    assert_eq!(lossless, Error::Unsupported("lossless or hierarchical coding"));
    let deep = refused(&|file| file[frame + 4] = 12);
    assert_eq!(deep, Error::Unsupported("more than 8 bits per sample"));
    assert_eq!(Decoder::new(b"").map(|_| ()), Err(Error::Corrupt("no frame header")));
}

/// Splits the only scan of a gray file's likeness in three: the same data as three components in scans of their own.
#[test]
fn components_in_scans_of_their_own_are_put_together() {
    let gray: Vec<u8> = photo(37, 29).as_chunks::<3>().0.iter().map(|p| p[0]).collect();
    let file = encoded(&gray, (37, 29), SamplingFactor::F_1_1, |_| {});
    let find = |marker: u8| file.windows(2).position(|w| w == [0xff, marker]).unwrap();
    let (frame, scan) = (find(0xc0), find(0xda));
    let mut made = file[..frame].to_vec();
    made.extend_from_slice(&[0xff, 0xc0, 0, 17]);
    made.extend_from_slice(&file[frame + 4..frame + 9]);
    made.extend_from_slice(&[3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]);
    made.extend_from_slice(&file[frame + 13..scan]);
    for id in 1..=3 {
        let mut one = file[scan..file.len() - 2].to_vec();
        one[5] = id;
        made.extend(one);
    }
    made.extend_from_slice(&[0xff, 0xd9]);
    let mut pixels = vec![0; 37 * 29 * 3];
    let outcome = Decoder::new(&made).unwrap().decode(Scale::FULL, Colour::Stored, 9, &mut pixels).unwrap();
    assert!(!outcome.damaged);
    let one = decoded(&file, Scale::FULL).1;
    assert!(pixels.as_chunks::<3>().0.iter().zip(&one).all(|(pixel, &v)| *pixel == [v; 3]));
}
