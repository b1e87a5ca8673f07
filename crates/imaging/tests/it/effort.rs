//! Tests of `output.effort`, and of encoder settings that depend on the content of an image. In a lossless
//! format, neither the effort nor these settings may change a pixel.

use pixaven_imaging::plan::{Output, TargetFormat};
use pixaven_imaging::{Channels, Format, Image, Plan, encode_animation};

use crate::corpus::Corpus;
use crate::helpers::{decode_png, decoded_pixels, fading_photo, lossless_plan, photo, png_of, rgba, run};

fn with_effort(format: Format, effort: Option<u8>, without_loss: bool) -> Plan {
    let format = TargetFormat::Format(format);
    Plan { output: Output { format, effort, lossless: without_loss, ..Output::default() }, ..Plan::default() }
}

fn size(image: &Image, format: Format, effort: Option<u8>, without_loss: bool) -> usize {
    run(&png_of(image), &with_effort(format, effort, without_loss)).bytes.len()
}

/// Creates an image with more than 256 colours: large areas of a single colour, over which the same symbol is
/// drawn many times.
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

/// Paints overlapping discs with smooth edges and shaded areas. The area around them is transparent if `channels`
/// has alpha.
fn painting(channels: Channels) -> Image {
    let (width, height) = (480, 360);
    let pixel = |i: u32| {
        let (x, y) = ((i % width) as i32, (i / width) as i32);
        let mut pixel = [245, 240, 230, 0];
        for disc in 0..24 {
            let (dx, dy) = (x - disc * 97 % 480, y - disc * 61 % 360);
            let edge = f64::from(20 + disc * 3) - f64::from(dx * dx + dy * dy).sqrt();
            let cover = (edge + 0.5).clamp(0.0, 1.0);
            let shade = if disc % 3 == 0 { f64::from(dy / 2) } else { 0.0 };
            let color =
                [disc * 53 % 200, disc * 31 % 190, disc * 17 % 180].map(|v| f64::from(v) + 28.0 + shade);
            for (to, v) in pixel.iter_mut().zip(color.into_iter().chain([255.0])) {
                *to = (f64::from(*to) * (1.0 - cover) + v.clamp(0.0, 255.0) * cover).round() as u8;
            }
        }
        pixel.into_iter().take(channels.count())
    };
    Image::new(width, height, channels, (0..width * height).flat_map(pixel).collect())
}

#[test]
fn png_output_is_lossless_at_every_effort_and_never_larger_at_effort_9_than_at_effort_0() {
    for image in [photo(150, 120), fading_photo(150, 120), drawing()] {
        for effort in (0..=9).map(Some).chain([None]) {
            let done = run(&png_of(&image), &with_effort(Format::Png, effort, false));
            assert_eq!(decode_png(&done.bytes).2, rgba(&image), "effort {effort:?}");
        }
        let [low, high] = [0, 9].map(|effort| size(&image, Format::Png, Some(effort), false));
        assert!(high <= low, "{high} and {low} bytes");
    }
    let [low, high] = [0, 9].map(|effort| size(&drawing(), Format::Png, Some(effort), false));
    assert!(high * 3 < low * 2, "{high} and {low} bytes");
}

#[test]
fn png_at_the_default_effort_is_smaller_than_at_effort_0() {
    let [low, default] = [Some(0), None].map(|effort| size(&drawing(), Format::Png, effort, false));
    assert!(default * 3 < low * 2, "drawing: {default} bytes, {low} at effort 0");
    let [low, default] = [Some(0), None].map(|effort| size(&photo(150, 120), Format::Png, effort, false));
    assert!(default < low, "photograph: {default} bytes, {low} at effort 0");
}

#[test]
fn png_of_a_drawing_at_the_default_effort_is_at_most_a_tenth_larger_than_at_effort_7() {
    for image in [drawing(), painting(Channels::Rgb), painting(Channels::Rgba)] {
        let [default, high] = [None, Some(7)].map(|effort| size(&image, Format::Png, effort, false));
        assert!(default * 10 <= high * 11, "{:?}: {default} and {high} bytes", image.channels());
    }
}

#[test]
fn png_of_a_drawing_is_smaller_at_the_default_effort_than_at_effort_2() {
    for image in [drawing(), painting(Channels::Rgb), painting(Channels::Rgba)] {
        let [low, default] = [Some(2), None].map(|effort| size(&image, Format::Png, effort, false));
        assert!(default < low, "{:?}: {default} and {low} bytes", image.channels());
    }
}

#[test]
fn png_from_effort_7_on_is_smaller_than_at_effort_6() {
    for image in [photo(300, 200), fading_photo(150, 120), drawing()] {
        let [middle, high] = [6, 7].map(|effort| size(&image, Format::Png, Some(effort), false));
        assert!(high < middle, "{high} and {middle} bytes");
    }
}

#[test]
fn png_files_of_real_drawings_are_at_most_half_a_percent_larger_at_the_next_effort() {
    let Some(corpus) = Corpus::open() else { return };
    let is_small = |size: Option<(u32, u32)>| size.is_some_and(|(width, height)| width.max(height) <= 320);
    let of_kind = corpus.entries.iter().filter(|entry| entry.format == "png" && entry.kind == "gold/conf");
    let inputs: Vec<_> =
        of_kind.filter(|entry| is_small(entry.size)).step_by(5).map(|e| corpus.read(e)).collect();
    assert!(inputs.len() > 20, "{} files", inputs.len());
    let total = |effort| -> usize {
        inputs.iter().map(|input| run(input, &with_effort(Format::Png, effort, false)).bytes.len()).sum()
    };
    let totals = (0..=9).map(|effort| total(Some(effort))).collect::<Vec<_>>();
    assert!(totals.windows(2).all(|pair| pair[1] * 1000 <= pair[0] * 1005), "{totals:?}");
    let default = total(None);
    assert!(default * 10 <= totals[7] * 11, "{default} bytes, {totals:?} at the efforts 0 to 9");
}

#[test]
fn indexed_png_output_is_smaller_at_effort_9_than_at_effort_0() {
    let image = photo(300, 200);
    let few = image.data().iter().map(|v| v / 64 * 64).collect();
    let few = Image::new(300, 200, Channels::Rgb, few);
    let [low, high] = [0, 9].map(|effort| size(&few, Format::Png, Some(effort), false));
    assert!(high < low, "{high} and {low} bytes");
}

#[test]
fn webp_and_apng_are_smaller_at_higher_effort() {
    let image = photo(200, 150);
    for (format, without_loss) in [(Format::Webp, false), (Format::Webp, true)] {
        let [low, high] = [0, 9].map(|effort| size(&image, format, Some(effort), without_loss));
        assert!(high < low, "{format:?}, {without_loss}: {high} and {low} bytes");
    }
    let animation = |effort| {
        let frames = [photo(100, 80), photo(100, 80)].map(|image| (image, 100));
        let output = Output { effort: Some(effort), ..Output::default() };
        encode_animation(frames, 2, Format::Apng, &output).unwrap().len()
    };
    assert!(animation(9) < animation(0));
}

/// Creates an animation with few colours: a dot that moves over stripes.
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
fn gif_frames_with_the_same_colours_share_the_global_colour_table() {
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
fn gif_output_has_equal_pixels_at_every_effort_and_is_never_larger_at_a_higher_effort() {
    let frames = moving_dot(9);
    let at = |effort| {
        let output = Output { effort, ..Output::default() };
        encode_animation(frames.clone(), 9, Format::Gif, &output).unwrap()
    };
    let (default, high) = (at(None), at(Some(9)));
    assert!(high.len() <= default.len());
    // Converts all frames of a file to an APNG, and returns the bytes of the APNG.
    let frames_of = |bytes: &[u8]| run(bytes, &lossless_plan(Format::Apng)).bytes;
    assert_eq!(frames_of(&default), frames_of(&high));
    assert_eq!(decoded_pixels(&default).2, rgba(&frames[0].0));
}
