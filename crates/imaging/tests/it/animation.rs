//! Tests of animations: a conversion between two formats that support animation keeps the number of frames,
//! and the delay and the pixels of each frame.

pub(crate) mod quirks;

use gif::DisposalMethod;
use pixaven_imaging::plan::{Gravity, Kernel, Light, Resize, ResizeMode};
use pixaven_imaging::{
    Channels, Error, Format, Image, Limits, Plan, Scratch, TruncatedInput, process, sniff,
};

use crate::helpers::{decode_png, lossless_plan, nearly_equal, photo, plan_for, rgba, run};

const ANIMATED: [Format; 3] = [Format::Apng, Format::Gif, Format::Webp];

/// Creates an APNG from frames and their delays in milliseconds, with the `png` crate. Each frame covers the
/// whole canvas.
pub(crate) fn apng(frames: &[(Image, u16)], plays: u32) -> Vec<u8> {
    let first = &frames[0].0;
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, first.width(), first.height());
    encoder.set_color(if first.channels() == Channels::Rgba {
        png::ColorType::Rgba
    } else {
        png::ColorType::Rgb
    });
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_animated(frames.len() as u32, plays).unwrap();
    let mut writer = encoder.write_header().unwrap();
    for (image, delay_ms) in frames {
        writer.set_frame_delay(*delay_ms, 1000).unwrap();
        writer.write_image_data(image.data()).unwrap();
    }
    writer.finish().unwrap();
    bytes
}

/// Creates `n` frames in which a square moves over a background.
pub(crate) fn moving_square(n: u32, background: [u8; 4]) -> Vec<(Image, u16)> {
    (0..n)
        .map(|i| {
            let mut data = background.repeat(32 * 24);
            for (x, y) in (0..36).map(|k| (k % 6, k / 6)) {
                let at = ((y + i * 2 % 16) * 32 + x + i * 3 % 24) as usize * 4;
                data[at..at + 4].copy_from_slice(&[250, (i * 40) as u8, 30, 255]);
            }
            (Image::new(32, 24, Channels::Rgba, data), (40 + 20 * i) as u16)
        })
        .collect()
}

/// The complete picture of each frame of an animation, and the frame's delay in milliseconds. The code under
/// test converts the animation to APNG, and the `png` crate decodes the APNG. A frame of an APNG is only a
/// rectangle, which this function draws into the previous picture.
pub(crate) fn decoded_frames(input: &[u8]) -> Vec<(Vec<[u8; 4]>, u32)> {
    let apng = run(input, &plan_for(Format::Apng)).bytes;
    let mut decoder = png::Decoder::new(std::io::Cursor::new(&apng));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().unwrap();
    let n = reader.info().animation_control.unwrap().num_frames;
    let (width, height) = reader.info().size();
    let mut canvas = vec![[0u8; 4]; (width * height) as usize];
    let mut data = vec![0; reader.output_buffer_size().unwrap()];
    (0..n)
        .map(|_| {
            let output = reader.next_frame(&mut data).unwrap();
            let control = *reader.info().frame_control.as_ref().unwrap();
            assert_eq!((control.blend_op, control.dispose_op), (png::BlendOp::Source, png::DisposeOp::None));
            let samples = output.color_type.samples();
            for (i, pixel) in
                data.chunks_exact(samples).take((output.width * output.height) as usize).enumerate()
            {
                let (x, y) = (i as u32 % output.width, i as u32 / output.width);
                let alpha = if samples == 4 { pixel[3] } else { 255 };
                canvas[((y + control.y_offset) * width + x + control.x_offset) as usize] =
                    if alpha == 0 { [0; 4] } else { [pixel[0], pixel[1], pixel[2], alpha] };
            }
            let delay = u32::from(control.delay_num) * 1000 / u32::from(control.delay_den);
            (canvas.clone(), delay)
        })
        .collect()
}

#[test]
fn every_conversion_between_animated_formats_keeps_all_frames_and_their_delays() {
    for background in [[20, 60, 120, 255], [0; 4]] {
        let original = moving_square(7, background);
        for from in ANIMATED {
            let input = run(&apng(&original, 0), &lossless_plan(from)).bytes;
            assert_eq!(sniff(&input), Some(from));
            for into in ANIMATED {
                let done = run(&input, &lossless_plan(into));
                let case = format!("{from:?} to {into:?} on {background:?}");
                assert_eq!((done.input.frames, done.output.frames), (7, 7), "{case}");
                let frames = decoded_frames(&done.bytes);
                for (i, ((image, delay), (actual, actual_delay))) in original.iter().zip(&frames).enumerate()
                {
                    assert!(nearly_equal(actual, &rgba(image), 0), "frame {i}, {case}");
                    assert_eq!(u32::from(*delay), *actual_delay, "frame {i}, {case}");
                }
            }
        }
    }
}

#[test]
fn info_reported_when_an_animation_is_written_equals_the_info_reported_when_the_file_is_read() {
    for background in [[20, 60, 120, 255], [0; 4]] {
        let input = apng(&moving_square(5, background), 3);
        for format in ANIMATED {
            let done = run(&input, &plan_for(format));
            let mut expected = done.output;
            if format == Format::Webp {
                expected.quality = None;
            }
            assert_eq!(
                run(&done.bytes, &plan_for(Format::Png)).input,
                expected,
                "{format:?} on {background:?}"
            );
        }
    }
}

#[test]
fn animated_photographs_have_a_psnr_above_27_db_after_encoding() {
    let frames: Vec<(Image, u16)> = (0..4).map(|i| (photo(64 + i, 48), 100)).map(left_64_columns).collect();
    for format in ANIMATED {
        let done = run(&apng(&frames, 0), &plan_for(format));
        for ((image, _), (actual, _)) in frames.iter().zip(decoded_frames(&done.bytes)) {
            let db = crate::helpers::psnr_db(&actual, &rgba(image));
            assert!(db > 27.0, "{format:?}: {db:.1} dB");
        }
    }
}

/// Removes all columns of a frame except the left 64.
fn left_64_columns((image, delay): (Image, u16)) -> (Image, u16) {
    let stride = image.width() as usize * 3;
    let data = image.data().chunks(stride).flat_map(|row| row[..64 * 3].to_vec()).collect();
    (Image::new(64, image.height(), Channels::Rgb, data), delay)
}

#[test]
fn converting_an_animation_to_another_format_keeps_how_often_the_animation_is_played() {
    for plays in [0, 1, 5] {
        let input = apng(&moving_square(3, [9, 9, 9, 255]), plays);
        for format in ANIMATED {
            let bytes = run(&run(&input, &plan_for(format)).bytes, &plan_for(Format::Apng)).bytes;
            let reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
            assert_eq!(reader.info().animation_control.unwrap().num_plays, plays, "{format:?}");
        }
    }
}

#[test]
fn operations_are_applied_to_every_frame_of_an_animation() {
    let resize = Resize {
        mode: ResizeMode::Exact,
        width: Some(16),
        height: Some(12),
        gravity: Gravity::Center,
        upscale: true,
        background: None,
        kernel: Kernel::Box,
        light: Light::Srgb,
    };
    let input = apng(&moving_square(6, [0, 80, 0, 255]), 0);
    for format in ANIMATED {
        let done = run(&input, &Plan { resize: Some(resize), ..lossless_plan(format) });
        assert_eq!((done.output.width, done.output.height, done.output.frames), (16, 12, 6));
        let frames = decoded_frames(&done.bytes);
        let pictures: std::collections::HashSet<_> =
            frames.iter().map(|(pixels, _)| pixels.clone()).collect();
        assert_eq!(pictures.len(), 6, "{format:?}: all frames must differ");
    }
}

#[test]
fn conversion_of_an_animation_to_png_keeps_only_the_first_frame() {
    let frames = moving_square(3, [1, 2, 3, 255]);
    let done = run(&apng(&frames, 0), &plan_for(Format::Png));
    assert_eq!((done.input.format, done.input.frames, done.output.frames), (Format::Apng, 3, 1));
    assert_eq!(decode_png(&done.bytes).2, rgba(&frames[0].0));
}

/// Creates a GIF of 4 × 2 pixels whose frames are rectangles of 2 × 1 pixels. Each element of `frames`
/// contains the left edge, the upper edge, the colour index and the disposal method of a frame.
fn gif_of_rectangles(rectangles: &[(u16, u16, u8, DisposalMethod)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder =
        gif::Encoder::new(&mut bytes, 4, 2, &[0, 0, 0, 200, 0, 0, 0, 200, 0, 0, 0, 200]).unwrap();
    for &(left, top, color, dispose) in rectangles {
        let frame = gif::Frame {
            left,
            top,
            dispose,
            width: 2,
            height: 1,
            delay: 7,
            buffer: vec![color; 2].into(),
            ..gif::Frame::default()
        };
        encoder.write_frame(&frame).unwrap();
    }
    drop(encoder);
    bytes
}

#[test]
fn gif_disposal_methods_decide_what_remains_of_a_frame_under_the_next_frame() {
    use DisposalMethod::{Background, Keep, Previous};
    let input =
        gif_of_rectangles(&[(0, 0, 1, Keep), (2, 0, 2, Background), (0, 1, 3, Previous), (2, 1, 1, Keep)]);
    let (o, r, g, b) = ([0; 4], [200, 0, 0, 255], [0, 200, 0, 255], [0, 0, 200, 255]);
    let expected = [
        [r, r, o, o, o, o, o, o],
        [r, r, g, g, o, o, o, o],
        [r, r, o, o, b, b, o, o],
        [r, r, o, o, o, o, r, r],
    ];
    let frames = decoded_frames(&input);
    assert_eq!(frames.len(), 4);
    for (i, (expected, (actual, delay))) in expected.iter().zip(&frames).enumerate() {
        assert_eq!((actual.as_slice(), *delay), (expected.as_slice(), 70), "frame {i}");
    }
}

#[test]
fn animation_with_too_many_frames_or_pixels_is_refused() {
    for format in ANIMATED {
        let input = run(&apng(&moving_square(6, [5, 5, 5, 255]), 0), &plan_for(format)).bytes;
        let base = Limits::default();
        let at = |limits: Limits| process(&input, &plan_for(format), &limits, &mut Scratch::default());
        assert!(at(Limits { frames: 6, pixels: 6 * 32 * 24, ..base }).is_ok());
        for limits in [Limits { frames: 5, ..base }, Limits { pixels: 6 * 32 * 24 - 1, ..base }] {
            assert!(matches!(at(limits), Err(Error::Limit { .. })), "{format:?}");
        }
    }
}

#[test]
fn complete_frames_of_a_truncated_animation_are_decoded() {
    for format in ANIMATED {
        let input = run(&apng(&moving_square(6, [5, 5, 5, 255]), 0), &plan_for(format)).bytes;
        let mut lengths = Vec::new();
        let limits = Limits { truncated: TruncatedInput::Warn, ..Limits::default() };
        for n in (input.len() / 2..input.len()).step_by(3) {
            for into in ANIMATED {
                if let Ok(done) = process(&input[..n], &plan_for(into), &limits, &mut Scratch::default()) {
                    let again = run(&done.bytes, &plan_for(Format::Png)).input;
                    assert_eq!(again.frames, done.output.frames, "{format:?} to {into:?}");
                    lengths.push(done.output.frames);
                }
            }
        }
        assert!(lengths.iter().any(|&n| (2..6).contains(&n)), "{format:?}: {lengths:?}");
    }
}
