//! Tests of files that are cut off: every readable format, cut at several places, under both values of
//! `Limits::truncated`.

use pixaven_imaging::plan::{Gravity, Output, TargetFormat, Watermark};
use pixaven_imaging::{
    Channels, Error, Format, Image, Input, Limits, Plan, Processed, Scratch, TruncatedInput, process, sniff,
};

use crate::animation::apng;
use crate::bmp_ico::bmp_file;
use crate::helpers::{decode_png, decoded_pixels, encoded, plan_for, png_of, png_with, run};
use crate::psd::uncompressed_rgb;

/// The lengths to which the tests shorten a file, in percent of all bytes. Another test removes only the last
/// byte.
const CUTS_PERCENT: [usize; 5] = [2, 10, 50, 90, 99];

/// The expected result for a file that is cut off.
#[derive(Debug, Clone, Copy)]
enum Expected {
    /// The stated percentage of the picture is missing. The value of `Limits::truncated` decides whether the
    /// file is refused or accepted with a warning.
    Missing(f64),
    /// The file cannot be decoded. Under both values of `Limits::truncated`, the error says that the file is
    /// cut off.
    Undecodable,
    /// The file cannot be decoded, and the headers do not show that the file is cut off.
    Broken,
    /// No part of the picture is missing. The file is accepted under both values of `Limits::truncated`.
    Whole,
}
use Expected::{Broken, Missing, Undecodable, Whole};

/// The largest accepted difference between the expected and the reported percentage, in percentage points.
const TOLERANCE_POINTS: f64 = 5.0;

/// A test case: the name, a complete file, and the expected result for each shortened length of the file.
struct Case {
    name: &'static str,
    file: Vec<u8>,
    expected: [Expected; 6],
}

/// A picture of random pixels. Every row of such a picture takes about the same number of bytes in a file.
fn noise(width: u32, height: u32) -> Image {
    let mut state = 7u32;
    let pixels = (0..width * height * 3).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    Image::new(width, height, Channels::Rgb, pixels.collect())
}

fn noise_in(format: Format, change: impl FnOnce(&mut Output)) -> Vec<u8> {
    let mut output = Output { format: TargetFormat::Format(format), ..Output::default() };
    change(&mut output);
    run(&png_of(&noise(200, 200)), &Plan { output, ..Plan::default() }).bytes
}

/// An animation of ten frames of random pixels.
fn animation_in(format: Format) -> Vec<u8> {
    let frames: Vec<(Image, u16)> = (0..10)
        .map(|i| {
            let mut image = noise(60, 60);
            image.data_mut().rotate_left(i * 997);
            (image, 50)
        })
        .collect();
    let file = apng(&frames, 0);
    if format == Format::Apng { file } else { run(&file, &plan_for(format)).bytes }
}

fn try_process(file: &[u8], plan: &Plan, truncated: TruncatedInput) -> Result<Processed, Error> {
    let limits = Limits { truncated, ..Limits::default() };
    process(file, plan, &limits, &mut Scratch::default())
}

/// The percentage in a message such as `the file is cut off: at least 12 % of the picture is missing`.
fn percentage(message: &str) -> Option<f64> {
    let (_, rest) = message.split_once("the file is cut off: ")?;
    let number = rest.strip_prefix("at least ").unwrap_or(rest).split_once(" %")?.0;
    number.parse().ok()
}

/// Processes a file that is cut off under both values of `Limits::truncated` and compares the results with
/// the expected result.
fn assert_results(name: &str, file: &[u8], expected: Expected) {
    // If the input is an animation, the output is also an animation, so that all frames are used.
    let is_animated = sniff(file).is_some_and(Format::is_animated);
    let plan = plan_for(if is_animated { Format::Apng } else { Format::Png });
    let refused = try_process(file, &plan, TruncatedInput::Refuse);
    let accepted = try_process(file, &plan, TruncatedInput::Warn);
    let name = format!("{name}, {} bytes", file.len());
    match expected {
        Missing(expected) => {
            let error = refused.map(|done| done.warnings).unwrap_err();
            assert!(matches!(error, Error::Truncated { .. }), "{name}: {error}");
            let warnings = accepted.unwrap().warnings;
            let [warning] = &warnings[..] else { panic!("{name}: {warnings:?}") };
            assert!(error.to_string().ends_with(warning), "{name}: {error}, {warning}");
            let missing = percentage(warning).unwrap_or_else(|| panic!("{name}: {warning}"));
            assert!((missing - expected).abs() <= TOLERANCE_POINTS, "{name}: {missing}, not {expected}");
        }
        Undecodable | Broken => {
            for result in [refused, accepted] {
                let error = result.map(|done| done.warnings).unwrap_err();
                assert!(matches!(error, Error::Corrupt { .. }), "{name}: {error}");
                let says_so = error.to_string().contains("cut off");
                assert!(says_so || matches!(expected, Broken), "{name}: {error}");
            }
        }
        Whole => {
            for result in [refused, accepted] {
                let warnings = result.unwrap().warnings;
                assert!(warnings.iter().all(|warning| percentage(warning).is_none()), "{name}: {warnings:?}");
            }
        }
    }
}

fn assert_all(cases: Vec<Case>) {
    for Case { name, file, expected } in cases {
        let plan = plan_for(Format::Png);
        let whole = try_process(&file, &plan, TruncatedInput::Refuse).unwrap();
        assert_eq!(whole.warnings, Vec::<String>::new(), "{name}: the whole file has no defect");
        let lengths = CUTS_PERCENT.map(|percent| file.len() * percent / 100);
        for (length, expected) in lengths.into_iter().chain([file.len() - 1]).zip(expected) {
            assert_results(name, &file[..length], expected);
        }
    }
}

/// The expected results for a format in which the missing percentage of the picture equals that of the bytes.
const LIKE_BYTES: [Expected; 6] =
    [Missing(98.0), Missing(90.0), Missing(50.0), Missing(10.0), Missing(1.0), Whole];

/// The expected results for a format whose pictures can only be decoded completely.
const ALL_OR_NOTHING: [Expected; 6] = [Undecodable; 6];

/// The expected results for a file that can be decoded without the last byte, but not without more bytes.
const ALL_BUT_LAST_BYTE: [Expected; 6] =
    [Undecodable, Undecodable, Undecodable, Undecodable, Undecodable, Whole];

fn case(name: &'static str, file: Vec<u8>, expected: [Expected; 6]) -> Case {
    Case { name, file, expected }
}

#[test]
fn error_or_warning_for_a_cut_off_picture_states_the_percentage_that_is_missing() {
    let psd = uncompressed_rgb(200, 200, noise(200, 200).data());
    let mut psd_expected = LIKE_BYTES;
    // The last byte of the PSD file is a sample, so the picture is incomplete without this byte.
    psd_expected[5] = Missing(0.1);
    // The first 2 % of the indexed PNG file end within the palette.
    let mut indexed_png_expected = LIKE_BYTES;
    indexed_png_expected[0] = Undecodable;
    let mut tiff_expected = LIKE_BYTES;
    tiff_expected[5] = Missing(0.1);
    // The first scan of a progressive JPEG has a tenth of the bytes but only 1/64 of the coefficients.
    let mut progressive_expected = LIKE_BYTES;
    progressive_expected[1] = Missing(96.0);
    assert_all(vec![
        case("baseline JPEG", noise_in(Format::Jpeg, |output| output.baseline = true), LIKE_BYTES),
        case("progressive JPEG", noise_in(Format::Jpeg, |_| {}), progressive_expected),
        case("PNG", png_of(&noise(200, 200)), LIKE_BYTES),
        case("indexed PNG", indexed_png(), indexed_png_expected),
        case("GIF", noise_in(Format::Gif, |_| {}), LIKE_BYTES),
        case("BMP", noise_in(Format::Bmp, |_| {}), LIKE_BYTES),
        case("run-length coded BMP", run_length_coded_bmp(), LIKE_BYTES),
        case("ICO", encoded(&noise(100, 100), Format::Ico), LIKE_BYTES),
        case("TIFF that begins with its directory", tiff_with_directory_first(), tiff_expected),
        case("PSD", psd, psd_expected),
        case("JPEG 2000", noise_in(Format::Jp2, |_| {}), LIKE_BYTES),
    ]);
}

#[test]
fn error_for_a_cut_off_file_that_cannot_be_decoded_in_part_says_that_the_file_is_cut_off() {
    let svg = br#"<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><g/></svg>"#;
    assert_all(vec![
        case("lossy WebP", noise_in(Format::Webp, |_| {}), ALL_BUT_LAST_BYTE),
        case("lossless WebP", noise_in(Format::Webp, |output| output.lossless = true), ALL_BUT_LAST_BYTE),
        case("TIFF that ends with its directory", noise_in(Format::Tiff, |_| {}), ALL_BUT_LAST_BYTE),
        case("JPEG XL", noise_in(Format::Jxl, |_| {}), ALL_OR_NOTHING),
        case("HEIC", noise_in(Format::Heic, |_| {}), ALL_OR_NOTHING),
        case("AVIF", noise_in(Format::Avif, |_| {}), ALL_OR_NOTHING),
    ]);
    for n in [svg.len() / 2, svg.len() * 9 / 10, svg.len() - 1] {
        assert_results("SVG", &svg[..n], Broken);
    }
}

#[test]
fn error_or_warning_for_a_cut_off_animation_states_the_percentage_that_is_missing() {
    let missing = |percent: [f64; 3]| percent.map(Missing);
    let [half, tenth, last] = missing([60.0, 20.0, 10.0]);
    let apng = [Undecodable, Undecodable, half, tenth, last, Whole];
    // A GIF does not state its number of frames. The first 2 % and the first 10 % of the GIF file end within
    // the first frame.
    let [first, second] = [Missing(93.0), Missing(15.0)];
    let [half, tenth, last] = missing([20.0, 11.0, 10.0]);
    let gif = [first, second, half, tenth, last, Whole];
    let [half, tenth, last] = missing([50.0, 10.0, 1.0]);
    let webp = [Undecodable, Undecodable, half, tenth, last, Missing(0.1)];
    assert_all(vec![
        case("APNG", animation_in(Format::Apng), apng),
        case("GIF animation", animation_in(Format::Gif), gif),
        case("WebP animation", animation_in(Format::Webp), webp),
    ]);
}

#[test]
fn cut_off_animation_is_accepted_without_a_warning_if_the_output_needs_only_the_first_frame() {
    for format in [Format::Apng, Format::Gif, Format::Webp] {
        let file = animation_in(format);
        let done = try_process(&file[..file.len() / 2], &plan_for(Format::Jpeg), TruncatedInput::Refuse);
        assert_eq!(done.unwrap().warnings, Vec::<String>::new(), "{format:?}");
    }
}

#[test]
fn upper_rows_of_a_cut_off_png_or_tiff_are_decoded_and_the_missing_rows_are_black() {
    let whole = decoded_pixels(&png_of(&noise(200, 200))).2;
    for format in [Format::Png, Format::Tiff] {
        let file = if format == Format::Png { png_of(&noise(200, 200)) } else { tiff_with_directory_first() };
        let done =
            try_process(&file[..file.len() / 2], &plan_for(Format::Png), TruncatedInput::Warn).unwrap();
        let pixels = decode_png(&done.bytes).2;
        assert_eq!(pixels[..200 * 90], whole[..200 * 90], "{format:?}: the upper rows are complete");
        assert!(pixels[200 * 110..].iter().all(|pixel| pixel[..3] == [0; 3]), "{format:?}: black follows");
    }
}

#[test]
fn cut_off_watermark_file_is_refused_or_accepted_with_a_warning_like_a_cut_off_input_image() {
    let bmp = noise_in(Format::Bmp, |_| {});
    let input = png_of(&noise(300, 300));
    let watermark = Watermark {
        gravity: Gravity::Center,
        padding: 0,
        at: None,
        width: None,
        height: None,
        opacity: 100.0,
        tile: false,
    };
    let plan = Plan { watermark: Some(watermark), ..plan_for(Format::Png) };
    let watermarked = |truncated| {
        let input = Input { image: &input, watermark: Some(&bmp[..bmp.len() / 2]), fonts: None };
        let limits = Limits { truncated, ..Limits::default() };
        process(input, &plan, &limits, &mut Scratch::default())
    };
    let error = watermarked(TruncatedInput::Refuse).map(|done| done.warnings).unwrap_err();
    assert!(
        matches!(&error, Error::Watermark(inner) if matches!(**inner, Error::Truncated { .. })),
        "{error}"
    );
    assert_eq!(
        watermarked(TruncatedInput::Warn).unwrap().warnings,
        ["watermark: the file is cut off: 50 % of the picture is missing"]
    );
}

#[test]
fn jpeg_with_missing_bytes_in_the_middle_is_reported_as_damaged_and_not_as_cut_off() {
    let mut file = noise_in(Format::Jpeg, |output| output.baseline = true);
    let middle = file.len() / 2;
    file.drain(middle..middle + 2000);
    let done = try_process(&file, &plan_for(Format::Png), TruncatedInput::Refuse).unwrap();
    assert_eq!(done.warnings, ["parts of the JPEG are damaged: they are gray or wrong"]);
}

/// A PNG whose pixels are indices. Such a file is decoded by the `png` crate and not by `PngRows`.
fn indexed_png() -> Vec<u8> {
    let indices = noise(200, 200).data()[..200 * 200].to_vec();
    png_with(&Image::new(200, 200, Channels::Gray, indices), |info| {
        info.color_type = png::ColorType::Indexed;
        info.palette = Some((0..768).map(|i| (i / 3) as u8).collect::<Vec<u8>>().into());
    })
}

/// A BMP of 200×200 pixels. Each row consists of 200 runs of one pixel.
fn run_length_coded_bmp() -> Vec<u8> {
    let row = [[1, 3].repeat(200), vec![0, 0]].concat();
    let pixels = [row.repeat(200), vec![0, 1]].concat();
    bmp_file(200, 200, 8, 1, &[9; 1024], &pixels)
}

/// A TIFF of 200×200 pixels in strips of ten rows. The directory of the file precedes the strips.
fn tiff_with_directory_first() -> Vec<u8> {
    const N_STRIPS: u32 = 20;
    const STRIP_BYTES: u32 = 200 * 3 * 10;
    let tags: [(u16, u16, u32); 9] = [
        (256, 4, 200),
        (257, 4, 200),
        (258, 3, 8),
        (259, 3, 1),
        (262, 3, 2),
        (273, 4, N_STRIPS),
        (277, 3, 3),
        (278, 4, 10),
        (279, 4, N_STRIPS),
    ];
    let offsets_at = 8 + 2 + 12 * tags.len() as u32 + 4;
    let sizes_at = offsets_at + 4 * N_STRIPS;
    let pixels_at = sizes_at + 4 * N_STRIPS;
    let mut file = b"II*\0\x08\0\0\0".to_vec();
    file.extend((tags.len() as u16).to_le_bytes());
    for (tag, kind, value) in tags {
        let (count, value) = match tag {
            273 => (value, offsets_at),
            279 => (value, sizes_at),
            _ => (1, value),
        };
        file.extend([tag, kind].map(u16::to_le_bytes).as_flattened());
        file.extend([count, value].map(u32::to_le_bytes).as_flattened());
    }
    file.extend([0; 4]);
    (0..N_STRIPS).for_each(|i| file.extend((pixels_at + i * STRIP_BYTES).to_le_bytes()));
    (0..N_STRIPS).for_each(|_| file.extend(STRIP_BYTES.to_le_bytes()));
    file.extend(noise(200, 200).data());
    file
}
