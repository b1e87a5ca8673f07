//! Tests of animations that browsers show although they are unusual or damaged.

use gif::DisposalMethod;
use pixaven_imaging::{Error, Format, Image, Limits, Scratch, process};

use super::{apng, decoded_frames, gif_of_rectangles, moving_square};
use crate::helpers::{decode_png, decoded_pixels, lossless_plan, photo, plan_for, png_of, rgba, run};
use crate::limits::chunk;

/// Creates a GIF whose frames have these delays, in hundredths of a second.
pub(crate) fn gif_with_delays(delays: &[u16]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = gif::Encoder::new(&mut bytes, 2, 1, &[0, 0, 0, 200, 0, 0]).unwrap();
    for (i, &delay) in delays.iter().enumerate() {
        let buffer = vec![(i % 2) as u8; 2].into();
        let frame = gif::Frame { width: 2, height: 1, delay, buffer, ..gif::Frame::default() };
        encoder.write_frame(&frame).unwrap();
    }
    drop(encoder);
    bytes
}

#[test]
fn gif_delays_of_0_and_1_hundredths_of_a_second_become_10() {
    let delays: Vec<u32> =
        decoded_frames(&gif_with_delays(&[0, 1, 2, 11])).iter().map(|(_, delay_ms)| *delay_ms).collect();
    assert_eq!(delays, [100, 100, 20, 110]);
}

#[test]
fn short_delays_of_an_apng_are_kept() {
    let frames: Vec<(Image, u16)> =
        moving_square(3, [0, 0, 0, 255]).into_iter().map(|(image, _)| (image, 10)).collect();
    let delays: Vec<u32> = decoded_frames(&apng(&frames, 0)).iter().map(|(_, delay_ms)| *delay_ms).collect();
    assert_eq!(delays, [10, 10, 10]);
}

#[test]
fn gif_without_a_color_table_is_black_and_keeps_its_transparency() {
    use DisposalMethod::Keep;
    let mut gif = gif_of_rectangles(&[(0, 0, 1, Keep), (2, 1, 2, Keep)]);
    // The global colour table of four colours follows the header of 13 bytes.
    gif.drain(13..25);
    gif[10] &= 0x78;
    let done = run(&gif, &plan_for(Format::Png));
    assert!(done.warnings.iter().any(|warning| warning.contains("no colour table")), "{:?}", done.warnings);
    let (o, k) = ([0; 4], [0, 0, 0, 255]);
    let frames = decoded_frames(&gif);
    assert_eq!(frames[0].0, [k, k, o, o, o, o, o, o]);
    assert_eq!(frames[1].0, [k, k, o, o, o, o, k, k]);
}

#[test]
fn webp_animation_states_alpha_if_no_frame_covers_the_canvas() {
    use DisposalMethod::Keep;
    let gif = gif_of_rectangles(&[(0, 0, 1, Keep), (0, 0, 3, Keep)]);
    for plan in [plan_for(Format::Webp), lossless_plan(Format::Webp)] {
        let done = run(&gif, &plan);
        assert!(done.output.alpha);
        assert_eq!((&done.bytes[12..16], done.bytes[20] & 0x10), (&b"VP8X"[..], 0x10));
        assert_eq!(decoded_frames(&done.bytes)[1].0[7], [0; 4]);
    }
}

#[test]
fn webp_animation_whose_frames_are_cleared_has_transparent_pixels() {
    let frames = moving_square(2, [0, 90, 0, 255]);
    let mut webp = run(&apng(&frames, 0), &lossless_plan(Format::Webp)).bytes;
    let frame = webp.windows(4).position(|window| window == b"ANMF").unwrap();
    // The lowest bit of the last byte of the frame header clears the frame before the next frame is drawn.
    webp[frame + 8 + 15] |= 1;
    // The header does not state alpha.
    webp[20] &= !0x10;
    let done = run(&webp, &plan_for(Format::Apng));
    assert!(done.input.alpha);
    let frames = decoded_frames(&webp);
    assert_eq!((frames[0].0[767], frames[1].0[767]), ([0, 90, 0, 255], [0; 4]));
}

/// Replaces the data of the first chunk of a kind, and corrects its checksum.
fn change_chunk(png: &[u8], kind: &[u8; 4], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let at = png.windows(4).position(|window| window == kind).unwrap() - 4;
    let length = u32::from_be_bytes(*png[at..].first_chunk().unwrap()) as usize;
    let mut data = png[at + 8..at + 8 + length].to_vec();
    change(&mut data);
    [&png[..at], &chunk(*kind, &data), &png[at + 12 + length..]].concat()
}

#[test]
fn apng_with_a_broken_animation_shows_its_default_image_with_a_warning() {
    let frames = moving_square(3, [0, 90, 0, 255]);
    let whole = apng(&frames, 0);
    let expected = rgba(&frames[0].0);
    let broken = [
        ("the frame is wider than the canvas", change_chunk(&whole, b"fcTL", |data| data[4..8].fill(9))),
        ("the disposal method is unknown", change_chunk(&whole, b"fcTL", |data| data[24] = 77)),
        ("the sequence number is wrong", change_chunk(&whole, b"fcTL", |data| data[3] = 5)),
        ("the frame header is too short", change_chunk(&whole, b"fcTL", |data| data.truncate(20))),
        ("the animation header is too long", change_chunk(&whole, b"acTL", |data| data.push(0))),
    ];
    for (case, file) in broken {
        let done = run(&file, &plan_for(Format::Png));
        assert!(
            done.warnings.iter().any(|warning| warning.contains("default image")),
            "{case}: {:?}",
            done.warnings
        );
        assert_eq!(decode_png(&done.bytes).2, expected, "{case}");
        let apng = run(&file, &plan_for(Format::Apng));
        assert_eq!(apng.output.frames, 1, "{case}");
    }
}

#[test]
fn png_with_an_ancillary_chunk_of_the_wrong_length_is_decoded_with_a_warning() {
    let image = photo(20, 10);
    for wrong in [chunk(*b"gAMA", &[1; 5]), chunk(*b"pHYs", &[1; 3]), chunk(*b"sBIT", &[8; 9])] {
        let mut file = png_of(&image);
        file.splice(33..33, wrong);
        assert_eq!(decoded_pixels(&file).2, rgba(&image));
    }
}

#[test]
fn apng_whose_default_image_is_broken_too_is_refused() {
    let whole = apng(&moving_square(2, [0, 90, 0, 255]), 0);
    let file = change_chunk(&whole, b"fcTL", |data| data[24] = 77);
    let file = change_chunk(&file, b"IDAT", |data| data.fill(0xff));
    let error =
        process(&file, &plan_for(Format::Png), &Limits::default(), &mut Scratch::default()).unwrap_err();
    assert!(matches!(error, Error::Corrupt { format: "PNG", .. }), "{error}");
}
