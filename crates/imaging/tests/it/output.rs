//! `output`: the largest size, the smallest format, the time and the plays of an animation, and what `lossless` means.

use pixaven_imaging::plan::{KeptMetadata, Mask, Output, Shape, Target};
use pixaven_imaging::{Channels, Error, Format, Image, Limits, Plan, Processed, Scratch, process};

use crate::pictures::{decode_png, fading, photo, png_of, quarters, rgba, run};

fn plan(output: Output) -> Plan {
    Plan { output, ..Plan::default() }
}

fn attempt(input: &[u8], output: Output) -> Result<Processed, Error> {
    process(input, &plan(output), &Limits::default(), &mut Scratch::default())
}

fn in_format(format: Format) -> Output {
    Output { format: Target::Format(format), ..Output::default() }
}

const AUTO: Output = Output {
    format: Target::Auto,
    quality: None,
    baseline: false,
    lossless: false,
    effort: None,
    max_bytes: None,
    metadata: KeptMetadata::None,
    delay_ms: None,
    plays: None,
};

/// An APNG of photographs that slide by, 100 ms each, three times.
pub(crate) fn animation(n_frames: u32) -> Vec<u8> {
    let wide = photo(48 + n_frames, 32);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 48, 32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_animated(n_frames, 3).unwrap();
    let mut writer = encoder.write_header().unwrap();
    for i in 0..n_frames as usize {
        writer.set_frame_delay(100, 1000).unwrap();
        let rows = wide.data().chunks_exact(wide.width() as usize * 3);
        let part: Vec<u8> = rows.flat_map(|row| row[i * 3..(i + 48) * 3].to_vec()).collect();
        writer.write_image_data(&part).unwrap();
    }
    writer.finish().unwrap();
    bytes
}

/// What an animation says of itself, as an APNG read by another library: delays in milliseconds and plays.
fn times_of(file: &[u8]) -> (Vec<u32>, u32) {
    let apng = run(file, &plan(in_format(Format::Apng))).bytes;
    let mut reader = png::Decoder::new(std::io::Cursor::new(&apng)).read_info().unwrap();
    let control = reader.info().animation_control.unwrap();
    let mut data = vec![0; reader.output_buffer_size().unwrap()];
    let delays = (0..control.num_frames).map(|_| {
        reader.next_frame(&mut data).unwrap();
        let frame = reader.info().frame_control.unwrap();
        u32::from(frame.delay_num) * 1000 / u32::from(frame.delay_den)
    });
    (delays.collect(), control.num_plays)
}

#[test]
fn the_largest_size_is_kept_at_the_highest_quality() {
    let input = png_of(&photo(160, 120));
    for format in [Format::Jpeg, Format::Webp] {
        let output = in_format(format);
        let size =
            |quality| attempt(&input, Output { quality: Some(quality), ..output }).unwrap().output.bytes;
        for max_bytes in [size(35), size(35) + 20, size(80), size(100), 10_000_000] {
            let done = attempt(&input, Output { max_bytes: Some(max_bytes), ..output }).unwrap();
            assert!(done.output.bytes <= max_bytes, "{format:?}");
            let quality = done.output.quality.unwrap();
            assert_eq!(done.output.bytes, size(quality), "{format:?}: the file is that of its quality");
            assert!(quality == 100 || size(quality + 1) > max_bytes, "{format:?}: not {quality} but more");
        }
        let bounded =
            attempt(&input, Output { quality: Some(40), max_bytes: Some(1 << 30), ..output }).unwrap();
        assert_eq!(bounded.output.quality, Some(40), "the quality that is asked for is the highest");
    }
}

#[test]
fn metadata_count_towards_the_largest_size() {
    let input = png_of(&photo(64, 48));
    let text = png::text_metadata::TEXtChunk::new("Copyright", "x".repeat(3_000));
    let tagged = crate::pictures::png_with(&photo(64, 48), |info| info.uncompressed_latin1_text = vec![text]);
    let output =
        Output { max_bytes: Some(5_000), metadata: KeptMetadata::Copyright, ..in_format(Format::Jpeg) };
    let (bare, full) = (attempt(&input, output).unwrap(), attempt(&tagged, output).unwrap());
    assert!(full.output.bytes <= 5_000 && full.output.quality < bare.output.quality);
}

#[test]
fn what_cannot_be_small_enough_is_refused_with_what_could_be_reached() {
    let input = png_of(&photo(160, 120));
    for (format, reason) in [
        (Format::Jpeg, "the smallest JPEG that can be made of this image at this size takes "),
        (Format::Webp, "the smallest WebP that can be made of this image at this size takes "),
        (Format::Png, "the PNG is written without loss"),
        (Format::Gif, "the GIF is written without loss"),
        (Format::Apng, "the APNG is written without loss"),
    ] {
        let error = attempt(&input, Output { max_bytes: Some(100), ..in_format(format) }).unwrap_err();
        let Error::Plan(message) = error else { panic!("{error}") };
        assert!(message.starts_with(&format!("output.max_bytes: {reason}")), "{message}");
        assert!(message.ends_with(" bytes, more than 100"), "{message}");
    }
    let exact = Output { max_bytes: Some(100), lossless: true, ..in_format(Format::Webp) };
    assert!(attempt(&input, exact).unwrap_err().to_string().contains("the WebP is written without loss"));
    for format in [Format::Png, Format::Gif, Format::Apng] {
        let fits = attempt(&input, Output { max_bytes: Some(1 << 20), ..in_format(format) });
        assert_eq!(fits.unwrap().bytes, attempt(&input, in_format(format)).unwrap().bytes);
    }
}

#[test]
fn animations_are_made_to_fit_as_well() {
    let input = animation(6);
    let webp = in_format(Format::Webp);
    let size = |quality| attempt(&input, Output { quality: Some(quality), ..webp }).unwrap().output.bytes;
    let done = attempt(&input, Output { max_bytes: Some(size(50)), ..webp }).unwrap();
    assert!(done.output.bytes <= size(50) && done.output.quality >= Some(50) && done.output.frames == 6);
    assert_eq!(done.warnings, Vec::<String>::new(), "what was tried leaves no trace");
    for format in [Format::Gif, Format::Apng, Format::Webp] {
        let error = attempt(&input, Output { max_bytes: Some(300), ..in_format(format) }).unwrap_err();
        assert!(error.to_string().starts_with("output.max_bytes: "), "{error}");
    }
}

/// The smallest of these formats at the qualities that are equal to the default.
fn smallest(input: &[u8], formats: &[(Format, u8)]) -> u64 {
    let sizes = formats.iter().map(|&(format, quality)| {
        attempt(input, Output { quality: Some(quality), ..in_format(format) }).unwrap().output.bytes
    });
    sizes.min().unwrap()
}

#[test]
fn auto_is_the_smallest_of_those_that_can_hold_the_picture() {
    let flat = png_of(&quarters(64, 48));
    let done = attempt(&flat, AUTO).unwrap();
    assert_eq!(done.output.format, Format::Png, "four colours are smallest without loss");
    assert_eq!(decode_png(&done.bytes).2, rgba(&quarters(64, 48)));

    let input = png_of(&photo(160, 120));
    let done = attempt(&input, AUTO).unwrap();
    assert_ne!(done.output.format, Format::Png);
    let without_avif = smallest(&input, &[(Format::Jpeg, 80), (Format::Webp, WEBP_OF_80)]);
    assert!(done.output.bytes <= without_avif);
    if !Format::written().any(|format| format == Format::Avif) {
        assert_eq!(done.output.bytes, without_avif);
    }

    let done = attempt(&png_of(&fading(80, 60)), AUTO).unwrap();
    assert!(done.output.alpha && done.output.format != Format::Jpeg);
    let mask = Some(Mask { shape: Shape::Ellipse, background: None });
    let plan = Plan { mask, ..plan(AUTO) };
    let done = process(&input, &plan, &Limits::default(), &mut Scratch::default()).unwrap();
    assert!(done.output.alpha, "an operation that makes the picture transparent counts");
}

/// The quality of a WebP that looks like a JPEG of quality 80.
const WEBP_OF_80: u8 = 82;

#[test]
fn auto_follows_the_quality_and_the_largest_size() {
    let input = png_of(&photo(160, 120));
    let at = |quality| attempt(&input, Output { quality: Some(quality), ..AUTO }).unwrap().output.bytes;
    assert!(at(30) < at(60) && at(60) < at(90));
    let done = attempt(&input, Output { max_bytes: Some(at(60)), ..AUTO }).unwrap();
    assert!(done.output.bytes <= at(60) && done.output.bytes > at(40));
    let error = attempt(&input, Output { max_bytes: Some(50), ..AUTO }).unwrap_err();
    assert!(error.to_string().starts_with("output.max_bytes: the smallest "), "{error}");
}

#[test]
fn auto_without_loss_is_without_loss() {
    for image in [photo(61, 47), quarters(30, 20)] {
        let done = attempt(&png_of(&image), Output { lossless: true, ..AUTO }).unwrap();
        assert!(matches!(done.output.format, Format::Png | Format::Webp));
        let png = run(&done.bytes, &plan(in_format(Format::Png))).bytes;
        assert_eq!(decode_png(&png).2, rgba(&image));
        let both = [Format::Png, Format::Webp]
            .map(|format| attempt(&png_of(&image), Output { lossless: true, ..in_format(format) }).unwrap());
        assert_eq!(done.output.bytes, both.iter().map(|done| done.output.bytes).min().unwrap());
    }
}

#[test]
fn auto_leaves_out_what_cannot_hold_the_picture() {
    let long = Image::new(17_000, 1, Channels::Gray, (0..17_000).map(|i| (i * i % 251) as u8).collect());
    let done = attempt(&png_of(&long), AUTO).unwrap();
    assert_ne!(done.output.format, Format::Webp, "a WebP has at most 16383 pixels on a side");
    assert_eq!(done.output.width, 17_000);
}

#[test]
fn auto_of_an_animation_is_an_animation() {
    let done = attempt(&animation(5), AUTO).unwrap();
    assert_eq!((done.output.format, done.output.frames), (Format::Webp, 5));
    let sizes = [(Format::Webp, WEBP_OF_80), (Format::Apng, 80)];
    assert_eq!(done.output.bytes, smallest(&animation(5), &sizes));
    let fitted = attempt(&animation(5), Output { max_bytes: Some(done.output.bytes / 2), ..AUTO }).unwrap();
    assert!(fitted.output.bytes <= done.output.bytes / 2 && fitted.output.frames == 5);
}

#[test]
fn delay_and_loop_replace_those_of_the_input() {
    let input = animation(4);
    for format in [Format::Apng, Format::Gif, Format::Webp] {
        let output = in_format(format);
        let times = |output| times_of(&attempt(&input, output).unwrap().bytes);
        assert_eq!(times(output), (vec![100; 4], 3), "{format:?}");
        for delay_ms in [10, 250, 60_000] {
            let (delays, plays) = times(Output { delay_ms: Some(delay_ms), ..output });
            assert_eq!((delays, plays), (vec![delay_ms; 4], 3), "{format:?}");
        }
        for plays in [0, 1, 2, 65_535] {
            let (delays, n) = times(Output { plays: Some(plays), ..output });
            assert_eq!((delays, n), (vec![100; 4], plays.into()), "{format:?}");
        }
    }
    let still = png_of(&photo(20, 10));
    let timed = Output { delay_ms: Some(50), plays: Some(2), ..in_format(Format::Webp) };
    let done = attempt(&still, timed).unwrap();
    assert_eq!(done.bytes, attempt(&still, in_format(Format::Webp)).unwrap().bytes, "a still has no time");
}

#[test]
fn lossless_is_said_of_formats_that_can_lose() {
    let input = png_of(&photo(40, 30));
    for format in [Format::Png, Format::Jpeg, Format::Gif] {
        let exact = attempt(&input, Output { lossless: true, ..in_format(format) }).unwrap();
        assert_eq!(
            exact.bytes,
            attempt(&input, in_format(format)).unwrap().bytes,
            "{format:?} has no choice"
        );
    }
    let exact = attempt(&input, Output { lossless: true, ..in_format(Format::Webp) }).unwrap();
    assert_eq!(exact.output.quality, None);
    assert!(exact.output.bytes > attempt(&input, in_format(Format::Webp)).unwrap().output.bytes);
}
