//! `output.effort` and the choices that encoders make by content: never at the cost of a pixel.

use pixaven_imaging::plan::{Output, Target};
use pixaven_imaging::{Channels, Format, Image, Plan, encode_animation};

use crate::pictures::{decode_png, fading, lossless, photo, pixels, png_of, rgba, run};

fn with_effort(format: Format, effort: Option<u8>, without_loss: bool) -> Plan {
    let format = Target::Format(format);
    Plan { output: Output { format, effort, lossless: without_loss, ..Output::default() }, ..Plan::default() }
}

fn size(image: &Image, format: Format, effort: Option<u8>, without_loss: bool) -> usize {
    run(&png_of(image), &with_effort(format, effort, without_loss)).bytes.len()
}

/// More than 256 colours, but in large, even areas, with the same sign on them again and again.
fn drawing() -> Image {
    let data = (0..320 * 200).flat_map(|i| {
        let (x, y) = (i % 320, i / 320);
        let (column, row) = (x / 40, y / 5);
        if x % 16 < 5 && y % 16 < 5 {
            [(x % 16 * 50) as u8, (y % 16 * 50) as u8, (x * y % 7 * 30) as u8]
        } else {
            [column as u8 * 30, row as u8 * 6, (column * row % 256) as u8]
        }
    });
    Image::new(320, 200, Channels::Rgb, data.collect())
}

#[test]
fn png_keeps_every_pixel_at_every_effort_and_never_grows() {
    for image in [photo(150, 120), fading(150, 120), drawing()] {
        for effort in (0..=9).map(Some).chain([None]) {
            let done = run(&png_of(&image), &with_effort(Format::Png, effort, false));
            assert_eq!(decode_png(&done.bytes).2, rgba(&image), "effort {effort:?}");
        }
        let [fast, small] = [0, 9].map(|effort| size(&image, Format::Png, Some(effort), false));
        assert!(small <= fast, "{small} and {fast} bytes");
    }
    let [fast, small] = [0, 9].map(|effort| size(&drawing(), Format::Png, Some(effort), false));
    assert!(small * 3 < fast * 2, "{small} and {fast} bytes");
}

#[test]
fn a_drawing_of_many_colours_is_compressed_as_one() {
    let image = drawing();
    let [fast, default] = [Some(0), None].map(|effort| size(&image, Format::Png, effort, false));
    assert!(default * 3 < fast * 2, "{default} bytes, {fast} as a photograph");
    // A photograph is not tried twice.
    let image = photo(150, 120);
    assert_eq!(size(&image, Format::Png, Some(0), false), size(&image, Format::Png, None, false));
}

#[test]
fn indices_get_smaller_with_effort() {
    let image = photo(300, 200);
    let few = image.data().iter().map(|v| v / 64 * 64).collect();
    let few = Image::new(300, 200, Channels::Rgb, few);
    let [fast, small] = [0, 9].map(|effort| size(&few, Format::Png, Some(effort), false));
    assert!(small < fast, "{small} and {fast} bytes");
}

#[test]
fn webp_and_apng_get_smaller_with_effort() {
    let image = photo(200, 150);
    for (format, without_loss) in [(Format::Webp, false), (Format::Webp, true)] {
        let [fast, small] = [0, 9].map(|effort| size(&image, format, Some(effort), without_loss));
        assert!(small < fast, "{format:?}, {without_loss}: {small} and {fast} bytes");
    }
    let animation = |effort| {
        let frames = [photo(100, 80), photo(100, 80)].map(|image| (image, 100));
        let output = Output { effort: Some(effort), ..Output::default() };
        encode_animation(frames, 2, Format::Apng, &output).unwrap().len()
    };
    assert!(animation(9) < animation(0));
}

/// A dot that moves over stripes, in few colours.
fn moving_dot(n_frames: u32) -> Vec<(Image, u32)> {
    let frame = |i: u32| {
        let pixel = |at: u32| {
            let (x, y) = (at % 64, at / 64);
            if x / 4 == i && y / 4 == i { [255, 0, 0] } else { [0, (x % 7 * 20) as u8, (y % 5 * 40) as u8] }
        };
        Image::new(64, 64, Channels::Rgb, (0..64 * 64).flat_map(pixel).collect())
    };
    (0..n_frames).map(|i| (frame(i), 50)).collect()
}

#[test]
fn frames_of_the_same_colours_share_the_table_of_the_file() {
    let output = Output::default();
    let bytes = encode_animation(moving_dot(9), 9, Format::Gif, &output).unwrap();
    let mut decoder = gif::DecodeOptions::new().read_info(&bytes[..]).unwrap();
    let mut n_frames = 0;
    while let Some(frame) = decoder.next_frame_info().unwrap() {
        assert!(frame.palette.is_none(), "frame {n_frames} has a table of its own");
        n_frames += 1;
    }
    assert_eq!(n_frames, 9);
}

#[test]
fn a_gif_looks_the_same_at_every_effort_and_never_grows() {
    let frames = moving_dot(9);
    let at = |effort| {
        let output = Output { effort, ..Output::default() };
        encode_animation(frames.clone(), 9, Format::Gif, &output).unwrap()
    };
    let (usual, hard) = (at(None), at(Some(9)));
    assert!(hard.len() <= usual.len());
    // All frames of both, one after the other, as the pixels of an APNG.
    let shown = |bytes: &[u8]| run(bytes, &lossless(Format::Apng)).bytes;
    assert_eq!(shown(&usual), shown(&hard));
    assert_eq!(pixels(&usual).2, rgba(&frames[0].0));
}
