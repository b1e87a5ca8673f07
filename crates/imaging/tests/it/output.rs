//! Tests of the attributes of `output`: `max_bytes`, `format: auto`, `delay`, `plays` and `lossless`.

use pixaven_imaging::plan::{KeptMetadata, Mask, Output, Shape, TargetFormat};
use pixaven_imaging::{Channels, Error, Format, Image, Limits, Plan, Processed, Scratch, process};

use crate::helpers::{decode_png, fading_photo, photo, png_of, quarters, rgba, run};

fn plan(output: Output) -> Plan {
    Plan { output, ..Plan::default() }
}

fn try_process(input: &[u8], output: Output) -> Result<Processed, Error> {
    process(input, &plan(output), &Limits::default(), &mut Scratch::default())
}

fn in_format(format: Format) -> Output {
    Output { format: TargetFormat::Format(format), ..Output::default() }
}

const AUTO: Output = Output {
    format: TargetFormat::Auto,
    quality: None,
    baseline: false,
    lossless: false,
    lossy: false,
    effort: None,
    max_bytes: None,
    target: None,
    metadata: KeptMetadata::None,
    delay_ms: None,
    plays: None,
};

/// Creates an APNG whose frames show a photograph that moves sideways. Each frame lasts 100 ms, and the
/// animation plays three times.
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

/// The delay of each frame of an animation in milliseconds, and the number of times that the animation plays.
/// The code under test converts the animation to APNG, and the `png` crate reads the APNG.
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
fn output_quality_is_lowered_until_the_file_has_at_most_max_bytes() {
    let input = png_of(&photo(160, 120));
    for format in [Format::Jpeg, Format::Webp] {
        let output = in_format(format);
        let at = |quality| try_process(&input, Output { quality: Some(quality), ..output }).unwrap().output;
        let default = try_process(&input, output).unwrap().output;
        for max_bytes in [at(15).bytes, at(35).bytes, at(70).bytes + 20] {
            let done = try_process(&input, Output { max_bytes: Some(max_bytes), ..output }).unwrap();
            assert!(done.output.bytes <= max_bytes, "{format:?}");
            assert!(done.output.bytes * 100 >= max_bytes * 80, "{format:?}: {max_bytes}");
            let quality = done.output.quality.unwrap();
            assert_eq!(done.output.bytes, at(quality).bytes, "the size must be that of the reported quality");
            let warning = &done.warnings[0];
            assert!(warning.contains(&format!("to {quality}, so that the ")), "{format:?}: {warning}");
        }
        let unlimited = try_process(&input, Output { max_bytes: Some(1 << 30), ..output }).unwrap();
        assert_eq!((unlimited.output, unlimited.warnings), (default, vec![]), "the default quality fits");
    }
}

#[test]
fn kept_metadata_counts_towards_the_file_size_limit_max_bytes() {
    let input = png_of(&photo(64, 48));
    let text = png::text_metadata::TEXtChunk::new("Copyright", "x".repeat(3_000));
    let tagged = crate::helpers::png_with(&photo(64, 48), |info| info.uncompressed_latin1_text = vec![text]);
    let output =
        Output { max_bytes: Some(4_000), metadata: KeptMetadata::Copyright, ..in_format(Format::Jpeg) };
    let (bare, full) = (try_process(&input, output).unwrap(), try_process(&tagged, output).unwrap());
    assert!(full.output.bytes <= 4_000, "{} bytes", full.output.bytes);
    assert!(full.output.quality < bare.output.quality, "{:?} {:?}", full.warnings, bare.output.quality);
}

#[test]
fn file_that_exceeds_max_bytes_at_the_lowest_quality_is_returned_with_a_warning_and_lossless_is_refused() {
    let input = png_of(&photo(160, 120));
    for format in [Format::Jpeg, Format::Webp] {
        let done = try_process(&input, Output { max_bytes: Some(100), ..in_format(format) }).unwrap();
        let lowest = try_process(&input, Output { quality: Some(1), ..in_format(format) }).unwrap();
        assert_eq!(done.bytes, lowest.bytes);
        assert!(done.warnings[0].starts_with("output.max_bytes: no attempt had at most 100 bytes; the "));
    }
    for (format, name) in [(Format::Png, "PNG"), (Format::Gif, "GIF"), (Format::Apng, "APNG")] {
        let error = try_process(&input, Output { max_bytes: Some(100), ..in_format(format) }).unwrap_err();
        let Error::Plan(message) = error else { panic!("{error}") };
        let start = format!("output.max_bytes: the {name} is written without loss");
        assert!(message.starts_with(&start) && message.ends_with(" bytes, more than 100"), "{message}");
    }
    let exact = Output { max_bytes: Some(100), lossless: true, ..in_format(Format::Webp) };
    assert!(try_process(&input, exact).unwrap_err().to_string().contains("the WebP is written without loss"));
    for format in [Format::Png, Format::Gif, Format::Apng] {
        let fits = try_process(&input, Output { max_bytes: Some(1 << 20), ..in_format(format) });
        assert_eq!(fits.unwrap().bytes, try_process(&input, in_format(format)).unwrap().bytes);
    }
}

#[test]
fn file_size_limit_max_bytes_also_applies_to_animations() {
    let input = animation(6);
    let webp = in_format(Format::Webp);
    let size = |quality| try_process(&input, Output { quality: Some(quality), ..webp }).unwrap().output.bytes;
    let done = try_process(&input, Output { max_bytes: Some(size(50)), ..webp }).unwrap();
    assert!(done.output.bytes <= size(50) && done.output.quality >= Some(30) && done.output.frames == 6);
    assert_eq!(done.warnings.len(), 1, "only the result leaves a warning: {:?}", done.warnings);
    for format in [Format::Gif, Format::Apng] {
        let error = try_process(&input, Output { max_bytes: Some(300), ..in_format(format) }).unwrap_err();
        assert!(error.to_string().starts_with("output.max_bytes: "), "{error}");
    }
}

/// Encodes an image with each of the given formats and qualities, and returns the size of the smallest file
/// in bytes. For a comparison with `auto`, each quality must look like the default quality of `auto`.
fn smallest(input: &[u8], formats: &[(Format, u8)]) -> u64 {
    let sizes = formats.iter().map(|&(format, quality)| {
        try_process(input, Output { quality: Some(quality), ..in_format(format) }).unwrap().output.bytes
    });
    sizes.min().unwrap()
}

#[test]
fn output_format_auto_picks_the_format_with_the_smallest_file_that_keeps_alpha() {
    let flat = png_of(&quarters(64, 48));
    let done = try_process(&flat, AUTO).unwrap();
    assert_eq!(done.output.quality, None, "four colours are smallest without loss");
    let png = run(&done.bytes, &plan(in_format(Format::Png))).bytes;
    assert_eq!(decode_png(&png).2, rgba(&quarters(64, 48)));

    let input = png_of(&photo(160, 120));
    let done = try_process(&input, AUTO).unwrap();
    assert_ne!(done.output.format, Format::Png);
    let jpeg = smallest(&input, &[(Format::Jpeg, DEFAULT)]);
    assert!(done.output.bytes <= jpeg, "{} bytes, as JPEG {jpeg}", done.output.bytes);

    let done = try_process(&png_of(&fading_photo(80, 60)), AUTO).unwrap();
    assert!(done.output.alpha && done.output.format != Format::Jpeg);
    let mask = Some(Mask { shape: Shape::Ellipse, background: None });
    let plan = Plan { mask, ..plan(AUTO) };
    let done = process(&input, &plan, &Limits::default(), &mut Scratch::default()).unwrap();
    assert!(done.output.alpha, "alpha from an operation must be kept");
}

/// The quality that every format has by default.
const DEFAULT: u8 = 82;

#[test]
fn output_format_auto_respects_the_requested_quality_and_the_file_size_limit_max_bytes() {
    let input = png_of(&photo(160, 120));
    let at = |quality| try_process(&input, Output { quality: Some(quality), ..AUTO }).unwrap().output.bytes;
    assert!(at(30) < at(60) && at(60) < at(90));
    let done = try_process(&input, Output { max_bytes: Some(at(60)), ..AUTO }).unwrap();
    assert!(done.output.bytes <= at(60) && done.output.bytes > at(40));
    let done = try_process(&input, Output { max_bytes: Some(50), ..AUTO }).unwrap();
    assert!(done.warnings[0].starts_with("output.max_bytes: no attempt had at most 50 bytes"));
}

#[test]
fn output_format_auto_picks_the_smallest_lossless_file_if_lossless_output_is_requested() {
    for image in [photo(61, 47), quarters(30, 20)] {
        let done = try_process(&png_of(&image), Output { lossless: true, ..AUTO }).unwrap();
        assert!(matches!(done.output.format, Format::Png | Format::Webp));
        let png = run(&done.bytes, &plan(in_format(Format::Png))).bytes;
        assert_eq!(decode_png(&png).2, rgba(&image));
        let both = [Format::Png, Format::Webp].map(|format| {
            try_process(&png_of(&image), Output { lossless: true, ..in_format(format) }).unwrap()
        });
        assert_eq!(done.output.bytes, both.iter().map(|done| done.output.bytes).min().unwrap());
    }
}

#[test]
fn output_format_auto_does_not_pick_webp_if_a_side_of_the_image_exceeds_16383_pixels() {
    let long = Image::new(17_000, 1, Channels::Gray, (0..17_000).map(|i| (i * i % 251) as u8).collect());
    let done = try_process(&png_of(&long), AUTO).unwrap();
    assert_ne!(done.output.format, Format::Webp, "a WebP has at most 16383 pixels on a side");
    assert_eq!(done.output.width, 17_000);
}

#[test]
fn output_format_auto_keeps_every_frame_of_an_animation() {
    let done = try_process(&animation(5), AUTO).unwrap();
    assert_eq!((done.output.format, done.output.frames), (Format::Webp, 5));
    let sizes = [(Format::Webp, DEFAULT), (Format::Apng, 100)];
    assert_eq!(done.output.bytes, smallest(&animation(5), &sizes));
    let fitted =
        try_process(&animation(5), Output { max_bytes: Some(done.output.bytes / 2), ..AUTO }).unwrap();
    assert!(fitted.output.bytes <= done.output.bytes / 2 && fitted.output.frames == 5);
}

#[test]
fn requested_frame_delay_and_number_of_plays_replace_those_of_the_input_animation() {
    let input = animation(4);
    for format in [Format::Apng, Format::Gif, Format::Webp] {
        let output = in_format(format);
        let times = |output| times_of(&try_process(&input, output).unwrap().bytes);
        assert_eq!(times(output), (vec![100; 4], 3), "{format:?}");
        for delay_ms in [20, 250, 60_000] {
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
    let done = try_process(&still, timed).unwrap();
    assert_eq!(
        done.bytes,
        try_process(&still, in_format(Format::Webp)).unwrap().bytes,
        "a still image has no delay"
    );
}

#[test]
fn lossless_output_option_changes_webp_files_but_not_png_jpeg_or_gif_files() {
    let input = png_of(&photo(40, 30));
    for format in [Format::Png, Format::Jpeg, Format::Gif] {
        let exact = try_process(&input, Output { lossless: true, ..in_format(format) }).unwrap();
        assert_eq!(
            exact.bytes,
            try_process(&input, in_format(format)).unwrap().bytes,
            "{format:?} has only one mode"
        );
    }
    let exact = try_process(&input, Output { lossless: true, ..in_format(Format::Webp) }).unwrap();
    assert_eq!(exact.output.quality, None);
    assert!(exact.output.bytes > try_process(&input, in_format(Format::Webp)).unwrap().output.bytes);
}

#[test]
fn output_settings_that_the_format_cannot_obey_give_a_warning() {
    let input = png_of(&quarters(8, 8));
    let warnings = |format, quality, lossless| {
        let output = Output { format: TargetFormat::Format(format), quality, lossless, ..Output::default() };
        run(&input, &Plan { output, ..Plan::default() }).warnings
    };
    for format in [Format::Gif, Format::Bmp, Format::Tiff] {
        let expected = format!("output.quality had no effect: {} files have no quality", format.name());
        assert_eq!(warnings(format, Some(50), false), [expected]);
    }
    for format in [Format::Jpeg, Format::Avif, Format::Heic] {
        let warnings = warnings(format, None, true);
        assert!(warnings[0].starts_with("output.lossless had no effect"), "{format:?} {warnings:?}");
    }
    let both = warnings(Format::Webp, Some(50), true);
    assert_eq!(both, ["output.quality had no effect, because output.lossless is true"]);
    let obeyed = [
        (Format::Webp, Some(50), false),
        (Format::Jpeg, Some(50), false),
        (Format::Png, Some(50), false),
        (Format::Png, None, true),
    ];
    for (format, quality, lossless) in obeyed {
        assert_eq!(warnings(format, quality, lossless), [] as [&str; 0], "{format:?}");
    }
}
