//! The information that is reported about an input file, format by format.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use pixaven_imaging::{Channels, Colorspace, FileInfo, Format, Image};

use crate::helpers::{encoded, fading_photo, lossless_plan, photo, plan_for, png_of, png_with, run};

fn input_facts(bytes: &[u8]) -> FileInfo {
    run(bytes, &plan_for(Format::Png)).input
}

fn jpeg(image: &Image, quality: u8, change: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, quality);
    change(&mut encoder);
    let color = if image.channels() == Channels::Gray { ColorType::Luma } else { ColorType::Rgb };
    encoder.encode(image.data(), image.width() as u16, image.height() as u16, color).unwrap();
    bytes
}

#[test]
fn reported_quality_of_a_jpeg_input_is_derived_from_its_quantisation_tables() {
    let image = photo(16, 16);
    for quality in 1..=100 {
        let facts = input_facts(&jpeg(&image, quality, |_| {}));
        assert_eq!(facts.quality, Some(quality), "quality {quality}");
    }
}

#[test]
fn reported_chroma_subsampling_of_a_jpeg_input_is_read_from_the_frame_header() {
    let image = photo(33, 17);
    let cases = [
        (SamplingFactor::F_1_1, "4:4:4"),
        (SamplingFactor::F_2_1, "4:2:2"),
        (SamplingFactor::F_1_2, "4:4:0"),
        (SamplingFactor::F_2_2, "4:2:0"),
        (SamplingFactor::F_4_1, "4:1:1"),
        (SamplingFactor::F_4_2, "4:1:0"),
    ];
    for (factor, name) in cases {
        let facts = input_facts(&jpeg(&image, 80, |encoder| encoder.set_sampling_factor(factor)));
        assert_eq!(facts.sampling.as_deref(), Some(name));
    }
}

#[test]
fn colour_space_and_progressive_coding_of_a_jpeg_input_are_reported() {
    let color = input_facts(&jpeg(&photo(20, 10), 80, |encoder| encoder.set_progressive(true)));
    assert_eq!(
        (color.colorspace, color.depth, color.interlaced, color.alpha),
        (Colorspace::YCbCr, 24, true, false)
    );
    let gray = Image::new(8, 8, Channels::Gray, vec![90; 64]);
    let gray = input_facts(&jpeg(&gray, 80, |_| {}));
    assert_eq!((gray.colorspace, gray.depth, gray.sampling), (Colorspace::Gray, 8, None));
    assert!(!gray.interlaced);
}

#[test]
fn bit_depth_and_colour_space_reported_for_a_png_match_its_header() {
    let cases = [
        (png::ColorType::Grayscale, png::BitDepth::One, Colorspace::Gray, 1, false, 1),
        (png::ColorType::Grayscale, png::BitDepth::Four, Colorspace::Gray, 4, false, 4),
        (png::ColorType::Grayscale, png::BitDepth::Sixteen, Colorspace::Gray, 16, false, 16),
        (png::ColorType::GrayscaleAlpha, png::BitDepth::Eight, Colorspace::Gray, 16, true, 16),
        (png::ColorType::Rgb, png::BitDepth::Eight, Colorspace::Rgb, 24, false, 24),
        (png::ColorType::Rgb, png::BitDepth::Sixteen, Colorspace::Rgb, 48, false, 48),
        (png::ColorType::Rgba, png::BitDepth::Sixteen, Colorspace::Rgb, 64, true, 64),
        (png::ColorType::Indexed, png::BitDepth::Two, Colorspace::Palette, 2, false, 2),
    ];
    for (color_type, bit_depth, colorspace, depth, alpha, bits) in cases {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 8, 2);
        encoder.set_color(color_type);
        encoder.set_depth(bit_depth);
        if color_type == png::ColorType::Indexed {
            encoder.set_palette([0, 0, 0, 9, 9, 9, 99, 99, 99, 255, 255, 255].as_slice());
        }
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&vec![0; 2 * bits]).unwrap();
        writer.finish().unwrap();
        let facts = input_facts(&bytes);
        assert_eq!((facts.colorspace, facts.depth, facts.alpha), (colorspace, depth, alpha));
        assert_eq!((facts.sampling, facts.quality), (None, None));
    }
}

#[test]
fn png_with_a_trns_chunk_is_reported_as_having_an_alpha_channel() {
    let bytes = png_with(&photo(4, 4), |info| info.trns = Some(vec![0, 1, 0, 2, 0, 3].into()));
    assert!(input_facts(&bytes).alpha);
}

#[test]
fn png_samples_of_16_bits_are_rounded_to_8_bits() {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 4, 1);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Sixteen);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[0, 0, 0x40, 0x40, 0x80, 0x80, 0xff, 0xff]).unwrap();
    writer.finish().unwrap();
    let pixels: [[u8; 4]; 4] = crate::helpers::decoded_pixels(&bytes).2.try_into().unwrap();
    assert_eq!(pixels.map(|pixel| pixel[0]), [0, 0x40, 0x80, 0xff]);
}

#[test]
fn colour_space_bit_depth_and_alpha_of_a_gif_input_are_reported() {
    let many = Image::new(200, 1, Channels::Gray, (0..200).collect());
    let facts = input_facts(&encoded(&many, Format::Gif));
    assert_eq!(
        (facts.colorspace, facts.depth, facts.frames, facts.alpha),
        (Colorspace::Palette, 8, 1, false)
    );
    assert_eq!((facts.sampling, facts.quality, facts.interlaced), (None, None, false));
    assert!(input_facts(&encoded(&fading_photo(30, 20), Format::Gif)).alpha);
    let few = Image::new(3, 1, Channels::Rgb, vec![0, 0, 0, 9, 9, 9, 200, 0, 0]);
    assert_eq!(input_facts(&encoded(&few, Format::Gif)).depth, 2);
}

#[test]
fn colour_space_chroma_subsampling_and_alpha_of_a_webp_input_are_reported() {
    let lossy = input_facts(&encoded(&photo(30, 20), Format::Webp));
    assert_eq!((lossy.colorspace, lossy.depth, lossy.alpha), (Colorspace::YCbCr, 24, false));
    assert_eq!((lossy.sampling.as_deref(), lossy.quality), (Some("4:2:0"), None));
    let exact = input_facts(&run(&png_of(&fading_photo(30, 20)), &lossless_plan(Format::Webp)).bytes);
    assert_eq!((exact.colorspace, exact.depth, exact.alpha), (Colorspace::Rgb, 32, true));
    assert_eq!(exact.sampling, None);
}

#[test]
fn file_sizes_and_sha1_digests_of_input_and_output_are_reported() {
    let input = png_of(&photo(5, 5));
    let done = run(&input, &plan_for(Format::Jpeg));
    assert_eq!(done.input.bytes, input.len() as u64);
    assert_eq!(done.output.bytes, done.bytes.len() as u64);
    // A SHA-1 digest has 160 bits (FIPS 180-4). The API reports it as 40 hexadecimal digits.
    assert!(done.output.sha1.len() == 40 && done.output.sha1.bytes().all(|b| b.is_ascii_hexdigit()));
    assert_eq!(run(&input, &plan_for(Format::Jpeg)).output.sha1, done.output.sha1);
    assert_ne!(done.input.sha1, done.output.sha1);
}

#[test]
fn json_of_the_image_info_uses_the_names_that_the_http_api_documents() {
    let facts = input_facts(&jpeg(&photo(20, 10), 95, |_| {}));
    let json = serde_json::to_value(&facts).unwrap();
    assert_eq!(json["colorspace"], "YCbCr");
    assert_eq!(json["sampling"], "4:4:4");
    let names = [Colorspace::Rgb, Colorspace::Gray, Colorspace::Cmyk, Colorspace::Palette]
        .map(|colorspace| serde_json::to_value(colorspace).unwrap());
    assert_eq!(names, ["RGB", "Gray", "CMYK", "Palette"]);
}
