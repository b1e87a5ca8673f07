//! Tests of files with a reduced number of colours: the lossy form of PNG, and GIF.

use pixaven_imaging::plan::{Output, TargetFormat};
use pixaven_imaging::{Channels, Format, Image, Limits, Plan, Processed, Scratch, encode_animation, process};

use crate::helpers::{
    decode_png, decoded_pixels, fading_photo, lossless_plan, photo, png_of, psnr_db, rgba, run,
};

fn plan(format: Format, change: impl FnOnce(&mut Output)) -> Plan {
    let mut output = Output { format: TargetFormat::Format(format), ..Output::default() };
    change(&mut output);
    Plan { output, ..Plan::default() }
}

fn png_at(image: &Image, quality: u8) -> Processed {
    run(&png_of(image), &plan(Format::Png, |output| output.quality = Some(quality)))
}

/// The kind of pixels in the header of a PNG.
fn color_type(file: &[u8]) -> png::ColorType {
    png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap().info().color_type
}

/// Number of colours in the palette of a PNG.
fn palette_len(file: &[u8]) -> usize {
    let reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
    reader.info().palette.as_ref().unwrap().len() / 3
}

/// A drawing with more than 256 colours: discs with smooth edges, in several colours, on a flat background.
fn discs(width: u32, height: u32) -> Image {
    let mut data = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let mut pixel = BACKGROUND;
            for i in 0..12_u32 {
                let (cx, cy) = ((i * 53 % width) as f32 + 0.3, (i * 37 % height) as f32 + 0.7);
                let distance = (x as f32 - cx).hypot(y as f32 - cy);
                let cover = (9.0 + i as f32 - distance).clamp(0.0, 1.0);
                let color = [i * 21, 250 - i * 17, i * i % 256].map(|v| v as f32);
                pixel =
                    std::array::from_fn(|c| (f32::from(pixel[c]) * (1.0 - cover) + color[c] * cover) as u8);
            }
            data.extend(pixel);
        }
    }
    Image::new(width, height, Channels::Rgb, data)
}

const BACKGROUND: [u8; 3] = [243, 240, 229];

/// The pixels of `image` with exactly the background colour must have it in `decoded`, too.
fn assert_flat_background(decoded: &[[u8; 4]], image: &Image) {
    let [r, g, b] = BACKGROUND;
    for (i, (new, old)) in decoded.iter().zip(rgba(image)).enumerate() {
        assert!(old != [r, g, b, 255] || *new == old, "pixel {i} of the background is {new:?}");
    }
}

#[test]
fn png_with_a_quality_has_a_palette_if_the_colours_of_the_picture_fit_into_one() {
    let image = discs(200, 140);
    let exact = run(&png_of(&image), &plan(Format::Png, |_| {}));
    assert_eq!((color_type(&exact.bytes), exact.output.quality), (png::ColorType::Rgb, None));
    for quality in [50, 80, 90] {
        let done = png_at(&image, quality);
        assert_eq!(color_type(&done.bytes), png::ColorType::Indexed, "quality {quality}");
        assert_eq!(done.output.quality, Some(quality));
        assert!(done.output.bytes < exact.output.bytes * 2 / 3);
        let (_, _, pixels) = decode_png(&done.bytes);
        assert!(psnr_db(&pixels, &rgba(&image)) > 30.0, "quality {quality}");
        assert_flat_background(&pixels, &image);
    }
}

#[test]
fn png_palette_has_fewer_colours_at_a_lower_quality() {
    let image = discs(200, 140);
    let [high, low] = [95, 70].map(|quality| palette_len(&png_at(&image, quality).bytes));
    assert!(high > low, "{high} and {low} colours");
}

#[test]
fn png_with_lossless_false_has_a_palette_and_reports_the_default_quality_90() {
    let done = run(&png_of(&discs(200, 140)), &plan(Format::Png, |output| output.lossy = true));
    assert_eq!((color_type(&done.bytes), done.output.quality), (png::ColorType::Indexed, Some(90)));
}

#[test]
fn png_keeps_every_pixel_if_lossless_is_requested_or_the_quality_is_100() {
    let image = discs(200, 140);
    let exact = plan(Format::Png, |output| (output.lossless, output.quality) = (true, Some(40)));
    let done = run(&png_of(&image), &exact);
    assert_eq!((decode_png(&done.bytes).2, done.output.quality), (rgba(&image), None));
    let done = png_at(&image, 100);
    assert_eq!((decode_png(&done.bytes).2, done.output.quality), (rgba(&image), Some(100)));
}

#[test]
fn png_of_a_photograph_is_written_without_loss_at_a_quality_that_no_palette_reaches() {
    let image = photo(300, 200);
    let high = png_at(&image, 99);
    assert_eq!(decode_png(&high.bytes).2, rgba(&image));
    let low = png_at(&image, 50);
    assert_eq!(color_type(&low.bytes), png::ColorType::Indexed);
    assert!(low.output.bytes * 2 < high.output.bytes);
    assert!(psnr_db(&decode_png(&low.bytes).2, &rgba(&image)) > 27.0);
}

#[test]
fn png_palette_keeps_transparent_pixels_transparent_and_opaque_pixels_opaque() {
    let mut image = fading_photo(200, 100);
    for (i, pixel) in image.data_mut().as_chunks_mut::<4>().0.iter_mut().enumerate() {
        pixel[3] = match i % 200 {
            0..40 => 0,
            160.. => 255,
            _ => pixel[3],
        };
    }
    let done = png_at(&image, 40);
    assert_eq!(color_type(&done.bytes), png::ColorType::Indexed);
    assert!(done.output.alpha);
    for (new, old) in decode_png(&done.bytes).2.iter().zip(rgba(&image)) {
        assert_eq!(new[3] == 0, old[3] == 0);
        assert!(old[3] != 255 || new[3] == 255, "an opaque pixel has alpha {}", new[3]);
        assert!(new[3].abs_diff(old[3]) < 60, "alpha {} became {}", old[3], new[3]);
    }
}

#[test]
fn png_quality_is_lowered_until_the_file_has_at_most_max_bytes() {
    let input = png_of(&discs(200, 140));
    let size =
        |quality| run(&input, &plan(Format::Png, |output| output.quality = Some(quality))).output.bytes;
    let max_bytes = size(90);
    let done = run(
        &input,
        &plan(Format::Png, |output| {
            (output.quality, output.max_bytes) = (Some(98), Some(max_bytes));
        }),
    );
    assert!(done.output.bytes <= max_bytes, "{} bytes", done.output.bytes);
    assert!(done.output.quality < Some(98), "{:?}", done.output.quality);
    let exact = plan(Format::Png, |output| (output.max_bytes, output.lossless) = (Some(max_bytes), true));
    let error = process(&input, &exact, &Limits::default(), &mut Scratch::default()).unwrap_err();
    assert!(error.to_string().contains("the PNG is written without loss"), "{error}");
}

#[test]
fn png_max_bytes_is_met_whenever_the_smallest_palette_fits_and_by_the_largest_palette_that_fits() {
    for (image, n_steps) in [(photo(240, 160), 4), (fading_photo(150, 120), 4), (discs(200, 140), 2)] {
        let input = png_of(&image);
        let limited = |max_bytes| {
            let plan = plan(Format::Png, |output| {
                (output.quality, output.max_bytes) = (Some(95), Some(max_bytes));
            });
            run(&input, &plan)
        };
        let smallest = limited(1);
        assert!(smallest.warnings[0].contains("no attempt had at most 1 bytes"), "{:?}", smallest.warnings);
        let mut sizes = vec![smallest.output.bytes];
        // A limit of one byte less than a file leads to the next smaller palette.
        let mut max_bytes = limited(1 << 30).output.bytes;
        while sizes.len() < 10 {
            let done = limited(max_bytes - 1);
            if done.output.bytes >= max_bytes {
                break;
            }
            assert!(done.output.quality < Some(95), "{:?}", done.output.quality);
            assert!(done.warnings[0].starts_with("output.max_bytes: the quality was lowered from 95 to "));
            max_bytes = done.output.bytes;
            sizes.push(max_bytes);
        }
        assert_eq!(sizes.last(), sizes.first(), "the smallest palette is found: {sizes:?}");
        assert!(sizes.len() > n_steps, "{sizes:?}");
    }
}

#[test]
fn png_with_few_colours_loses_more_of_them_if_max_bytes_requires_it() {
    // Noise of 216 colours.
    let noise = |i: u32| {
        let mixed = (i ^ i << 7).wrapping_mul(0x9e37_79b9);
        ((mixed ^ mixed >> 15).wrapping_mul(0x85eb_ca6b) >> 24) as u8 / 43 * 51
    };
    let few = Image::new(240, 160, Channels::Rgb, (0..240 * 160 * 3).map(noise).collect());
    let exact = run(&png_of(&few), &plan(Format::Png, |_| {}));
    assert_eq!((color_type(&exact.bytes), palette_len(&exact.bytes)), (png::ColorType::Indexed, 216));
    let max_bytes = exact.output.bytes * 7 / 10;
    let done = run(
        &png_of(&few),
        &plan(Format::Png, |output| (output.quality, output.max_bytes) = (Some(90), Some(max_bytes))),
    );
    assert!(done.output.bytes <= max_bytes, "{} of {max_bytes} bytes", done.output.bytes);
}

#[test]
fn gif_of_a_drawing_with_more_than_256_colours_has_no_dots_in_its_flat_background() {
    let image = discs(200, 140);
    let gif = run(&png_of(&image), &plan(Format::Gif, |_| {})).bytes;
    let (_, _, pixels) = decoded_pixels(&gif);
    assert_flat_background(&pixels, &image);
    assert!(psnr_db(&pixels, &rgba(&image)) > 36.0);
}

#[test]
fn gif_of_a_photograph_differs_little_from_the_photograph() {
    let image = photo(300, 200);
    let (_, _, pixels) = decoded_pixels(&run(&png_of(&image), &plan(Format::Gif, |_| {})).bytes);
    assert!(psnr_db(&pixels, &rgba(&image)) > 30.0);
}

/// Shifts the brightness of each pixel by -1, 0 or 1. `seed` chooses the pattern.
fn with_noise(image: &Image, seed: u32) -> Image {
    let shifted = image.data().iter().enumerate().map(|(i, &v)| {
        let noise = (i as u32 / 3 + seed).wrapping_mul(0x9e37_79b9) >> 30;
        v.saturating_add(noise as u8).saturating_sub(1)
    });
    Image::new(image.width(), image.height(), image.channels(), shifted.collect())
}

#[test]
fn gif_frames_that_differ_by_invisible_noise_cost_few_bytes() {
    let image = photo(120, 90);
    let frames = |n: u32| (0..n).map(|i| (with_noise(&image, i * 977), 50));
    let bytes_of = |n| encode_animation(frames(n), n, Format::Gif, &Output::default()).unwrap().len();
    let (one, ten) = (bytes_of(1), bytes_of(10));
    assert!(ten < one * 6 / 5, "one frame takes {one} bytes, ten take {ten}");
}

#[test]
fn gif_pixel_that_changes_slowly_over_many_frames_follows_the_animation() {
    let image = photo(60, 40);
    let brighter = |i: u8| {
        let data = image.data().iter().map(|&v| v.saturating_add(i * 2)).collect();
        (Image::new(60, 40, Channels::Rgb, data), 50)
    };
    let bytes = encode_animation((0..20).map(brighter), 20, Format::Gif, &Output::default()).unwrap();
    let apng = run(&bytes, &lossless_plan(Format::Apng)).bytes;
    let mut reader = png::Decoder::new(std::io::Cursor::new(&apng)).read_info().unwrap();
    assert_eq!(reader.info().animation_control.unwrap().num_frames, 20);
    let mut canvas = vec![[0; 4]; 60 * 40];
    let mut data = vec![0; reader.output_buffer_size().unwrap()];
    for _ in 0..20 {
        reader.next_frame(&mut data).unwrap();
        let frame = *reader.info().frame_control().unwrap();
        let n = reader.info().color_type.samples();
        let rows = data.chunks_exact(frame.width as usize * n).take(frame.height as usize);
        for (y, row) in rows.enumerate() {
            for (x, pixel) in row.chunks_exact(n).enumerate() {
                let at = (y + frame.y_offset as usize) * 60 + x + frame.x_offset as usize;
                canvas[at] = [pixel[0], pixel[1], pixel[2], 255];
            }
        }
    }
    assert!(psnr_db(&canvas, &rgba(&brighter(19).0)) > 28.0);
}

#[test]
fn gif_frames_with_many_colours_use_the_global_colour_table_if_it_fits_them() {
    let wide = photo(130, 90);
    let frame = |i: usize| {
        let rows = wide.data().chunks_exact(130 * 3);
        let data = rows.flat_map(|row| row[i * 3..(i + 120) * 3].to_vec()).collect();
        (Image::new(120, 90, Channels::Rgb, data), 50)
    };
    let bytes = encode_animation((0..8).map(frame), 8, Format::Gif, &Output::default()).unwrap();
    let mut decoder = gif::DecodeOptions::new().read_info(&bytes[..]).unwrap();
    let mut n_local = 0;
    while let Some(frame) = decoder.next_frame_info().unwrap() {
        n_local += u32::from(frame.palette.is_some());
    }
    assert_eq!(n_local, 0, "frames with a colour table of their own");
}

#[test]
fn lossy_webp_keeps_edges_between_saturated_colours_sharper_at_effort_7_than_by_default() {
    let rings = |i: u32| {
        let radius = ((i % 64) as f32 - 32.3).hypot((i / 64) as f32 - 31.7);
        if radius % 9.0 < 4.0 { [220, 0, 30] } else { [0, 40, 160] }
    };
    let image = Image::new(64, 64, Channels::Rgb, (0..64 * 64).flat_map(rings).collect());
    // By default, the chroma of four pixels is their plain average.
    let [plain, sharp] = [None, Some(7)].map(|effort| {
        let webp = plan(Format::Webp, |output| (output.quality, output.effort) = (Some(90), effort));
        psnr_db(&decoded_pixels(&run(&png_of(&image), &webp).bytes).2, &rgba(&image))
    });
    assert!(sharp > plain + 0.3, "{sharp} dB, by default {plain} dB");
}
