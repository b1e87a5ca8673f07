//! Tests of the chunks of a PNG that describe its colour space: cICP, iCCP, sRGB, gAMA and cHRM.

use moxcms::{ColorProfile, ToneReprCurve};
use pixaven_imaging::{Channels, Colorspace, Format, Image};

use crate::helpers::{decode_png, decoded_pixels, nearly_equal, photo, plan_for, png_of, rgba, run};
use crate::limits::chunk;
use crate::modern::heif_boxes::overwrite_box;

/// The chromaticities of Display P3: white point, red, green and blue.
const P3: [u32; 8] = [31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000];
const SRGB: [u32; 8] = [31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000];

/// Inserts chunks into a PNG between the header and the picture data.
fn with_chunks(image: &Image, chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut png = png_of(image);
    png.splice(33..33, chunks.concat());
    png
}

fn gamma(value: u32) -> Vec<u8> {
    chunk(*b"gAMA", &value.to_be_bytes())
}

fn chromaticities(values: [u32; 8]) -> Vec<u8> {
    chunk(*b"cHRM", values.map(u32::to_be_bytes).as_flattened())
}

fn cicp(primaries: u8, transfer: u8) -> Vec<u8> {
    chunk(*b"cICP", &[primaries, transfer, 0, 1])
}

fn icc(profile: &ColorProfile) -> Vec<u8> {
    let mut packed = flate2::write::ZlibEncoder::new(b"name\0\0".to_vec(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, &profile.encode().unwrap()).unwrap();
    chunk(*b"iCCP", &packed.finish().unwrap())
}

fn color(rgb: [u8; 3]) -> Image {
    Image::new(4, 4, Channels::Rgb, rgb.repeat(16))
}

/// The first pixel of a one-coloured PNG with these chunks, after processing without a warning.
fn shown(rgb: [u8; 3], chunks: &[Vec<u8>]) -> [u8; 3] {
    let done = run(&with_chunks(&color(rgb), chunks), &plan_for(Format::Png));
    assert_eq!(done.warnings, Vec::<String>::new());
    let [r, g, b, _] = decode_png(&done.bytes).2[0];
    [r, g, b]
}

fn assert_near(actual: [u8; 3], expected: [u8; 3], case: &str) {
    assert!(
        actual.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 2),
        "{case}: {actual:?}, not {expected:?}"
    );
}

#[test]
fn png_with_linear_gamma_is_converted_to_srgb() {
    assert_near(shown([128, 0, 255], &[gamma(100_000)]), [188, 0, 255], "linear");
    let gray = Image::new(4, 4, Channels::Gray, vec![128; 16]);
    let done = run(&with_chunks(&gray, &[gamma(100_000)]), &plan_for(Format::Png));
    assert_eq!(
        (done.input.colorspace, decode_png(&done.bytes).2[0]),
        (Colorspace::Gray, [188, 188, 188, 255])
    );
}

#[test]
fn png_with_the_primaries_of_display_p3_is_converted_to_srgb() {
    // Computed with the matrix of `display_p3_colours_are_converted_to_srgb` in `color.rs`.
    let expected = [216, 69, 17];
    assert_near(shown([200, 80, 40], &[cicp(12, 13)]), expected, "cICP");
    assert_near(shown([200, 80, 40], &[chromaticities(P3)]), expected, "cHRM without gAMA");
    assert_near(shown([200, 80, 40], &[gamma(45_455), chromaticities(P3)]), expected, "cHRM with gAMA");
}

#[test]
fn png_whose_gamma_and_primaries_are_those_of_srgb_keeps_every_pixel_value() {
    let image = photo(64, 48);
    let done = run(&with_chunks(&image, &[gamma(45_455), chromaticities(SRGB)]), &plan_for(Format::Png));
    assert_eq!(decode_png(&done.bytes).2, rgba(&image));
}

#[test]
fn png_color_chunks_take_precedence_in_the_order_cicp_iccp_srgb_gama() {
    let linear = || {
        let mut profile = ColorProfile::new_srgb();
        let curve = Some(ToneReprCurve::Parametric(vec![1.0]));
        (profile.red_trc, profile.green_trc, profile.blue_trc) = (curve.clone(), curve.clone(), curve);
        profile.cicp = None;
        icc(&profile)
    };
    let srgb = || chunk(*b"sRGB", &[0]);
    let (stored, light) = ([128; 3], [188; 3]);
    assert_near(shown(stored, &[cicp(1, 13), linear(), gamma(100_000)]), stored, "cICP before iCCP");
    assert_near(shown(stored, &[linear(), srgb(), gamma(45_455)]), light, "iCCP before sRGB");
    assert_near(shown(stored, &[srgb(), gamma(100_000), chromaticities(P3)]), stored, "sRGB before gAMA");
}

#[test]
fn unusable_png_color_chunk_is_ignored_with_a_warning() {
    let image = color([200, 80, 40]);
    for (chunks, word) in [
        (vec![gamma(0)], "gamma"),
        (vec![gamma(u32::MAX)], "gamma"),
        (vec![chromaticities([0; 8])], "chromaticities"),
        (vec![chromaticities([31270, 32900, 64000, 33000, 64000, 33000, 64000, 33000])], "chromaticities"),
        (vec![chromaticities([u32::MAX; 8])], "chromaticities"),
        (vec![chunk(*b"cICP", &[12, 13, 1, 1])], "cICP"),
        (vec![chunk(*b"cICP", &[12, 13, 0, 0])], "cICP"),
    ] {
        let done = run(&with_chunks(&image, &chunks), &plan_for(Format::Png));
        assert!(done.warnings.iter().any(|warning| warning.contains(word)), "{word}: {:?}", done.warnings);
        assert_eq!(decode_png(&done.bytes).2, rgba(&image), "{word}");
    }
    // A chunk of the wrong length is ignored, like an unknown chunk.
    for wrong in [chunk(*b"cHRM", &[1; 31]), chunk(*b"cICP", &[1; 3]), chunk(*b"gAMA", &[1; 5])] {
        let done = run(&with_chunks(&image, &[wrong]), &plan_for(Format::Png));
        assert_eq!(decode_png(&done.bytes).2, rgba(&image));
    }
}

#[test]
fn hdr_png_is_mapped_to_srgb_like_an_hdr_avif() {
    let colors: [[u8; 3]; 3] = [[148, 148, 148], [200, 150, 110], [60, 90, 120]];
    for transfer in [16, 18] {
        for rgb in colors {
            let image = Image::new(32, 32, Channels::Rgb, rgb.repeat(1024));
            let png = with_chunks(&image, &[cicp(9, transfer)]);
            let quality = crate::modern::at_quality(Format::Avif, 98);
            let mut avif = run(&png_of(&image), &quality).bytes;
            overwrite_box(&mut avif, b"colr", 4, &[0, 9, 0, transfer]);
            let (png, avif) = (decoded_pixels(&png).2[500], decoded_pixels(&avif).2[500]);
            assert!(nearly_equal(&[png], &[avif], 10), "{rgb:?} with transfer {transfer}: {png:?}, {avif:?}");
            assert_ne!(png[..3], rgb, "the colours must change");
        }
    }
}

#[test]
fn gray_icc_profile_is_applied_to_a_gray_png_with_alpha() {
    // The PNG has one pixel, gray 128 with alpha 99, in a deflate block without compression.
    const HEADER: &[u8] = b"\0\0\0\x01\0\0\0\x01\x08\x04\0\0\0";
    const DATA: &[u8] = b"\x78\x01\x01\x03\0\xfc\xff\0\x80\x63\x01\x66\0\xe4";
    let profile = icc(&ColorProfile::new_gray_with_gamma(1.0));
    let pieces = [chunk(*b"IHDR", HEADER), profile, chunk(*b"IDAT", DATA), chunk(*b"IEND", b"")].concat();
    let done = run(&[b"\x89PNG\r\n\x1a\n", &pieces[..]].concat(), &plan_for(Format::Png));
    assert_eq!(done.warnings, Vec::<String>::new());
    assert_eq!(decode_png(&done.bytes).2, [[188, 188, 188, 99]]);
}

#[test]
fn color_chunks_of_a_png_change_the_encoded_colors_of_every_output_format() {
    let input = with_chunks(&Image::new(32, 32, Channels::Rgb, [128; 3072].to_vec()), &[gamma(100_000)]);
    for format in [Format::Jpeg, Format::Webp] {
        let pixel = decoded_pixels(&run(&input, &plan_for(format)).bytes).2[500];
        assert!(nearly_equal(&[pixel], &[[188, 188, 188, 255]], 2), "{format:?}: {pixel:?}");
    }
}
