//! Tests of HEIC, AVIF, JPEG XL and JPEG 2000, for features that only these formats have. Tests for all
//! formats are in other modules.

mod corpus;
pub(crate) mod heif_boxes;
mod high_throughput;
mod sequence;

use pixaven_imaging::plan::{KeptMetadata, Output, Resize, ResizeMode, TargetFormat};
use pixaven_imaging::{Channels, Colorspace, Error, Format, Image, Limits, Plan, Scratch, process, sniff};

use crate::helpers::{
    decode_png, decoded_pixels, encoded, fading_photo, lossless_plan, nearly_equal, photo, plan_for, png_of,
    png_with, psnr_db, rgba, run,
};

pub(crate) const MODERN: [Format; 4] = [Format::Heic, Format::Avif, Format::Jxl, Format::Jp2];

pub(crate) fn at_quality(format: Format, quality: u8) -> Plan {
    let output = Output { format: TargetFormat::Format(format), quality: Some(quality), ..Output::default() };
    Plan { output, ..Plan::default() }
}

fn gray(width: u32, height: u32) -> Image {
    let data = (0..width * height).map(|i| (i % width * 255 / width) as u8).collect();
    Image::new(width, height, Channels::Gray, data)
}

#[test]
fn heic_avif_jxl_and_jp2_images_encoded_at_quality_90_decode_to_nearly_the_original_pixels() {
    for format in MODERN {
        for image in [photo(97, 61), fading_photo(97, 61), gray(97, 61)] {
            let done = run(&png_of(&image), &at_quality(format, 90));
            assert_eq!(sniff(&done.bytes), Some(format));
            let (width, height, result) = decoded_pixels(&done.bytes);
            assert_eq!((width, height), (97, 61), "{format:?}");
            // Only pixels with an alpha above 128 are compared, because the colours of nearly transparent
            // pixels are hardly visible.
            let visible: Vec<_> = rgba(&image).into_iter().zip(result).filter(|(a, _)| a[3] > 128).collect();
            let (before, after): (Vec<_>, Vec<_>) = visible.into_iter().unzip();
            let db = psnr_db(&after, &before);
            assert!(db > 32.0, "{format:?} of {:?}: {db:.1} dB", image.channels());
        }
    }
}

#[test]
fn encoding_as_heic_avif_jxl_or_jp2_keeps_the_alpha_channel_and_the_gray_colour_space() {
    for format in MODERN {
        let done = run(&png_of(&fading_photo(64, 32)), &plan_for(format));
        assert!(done.output.alpha, "{format:?}");
        let (_, _, result) = decoded_pixels(&done.bytes);
        for (i, pixel) in result.iter().enumerate() {
            let alpha = (i % 64 * 255 / 63) as u8;
            assert!(pixel[3].abs_diff(alpha) <= 24, "{format:?}: {} is not {alpha}", pixel[3]);
        }
        let done = run(&png_of(&gray(64, 32)), &plan_for(format)).output;
        let depth = if format == Format::Avif && cfg!(feature = "libaom") { 10 } else { 8 };
        assert_eq!((done.colorspace, done.depth, done.alpha), (Colorspace::Gray, depth, false), "{format:?}");
    }
}

#[test]
fn alpha_channel_of_an_opaque_image_is_dropped_in_heic_avif_and_jp2_output() {
    let opaque = Image::new(40, 30, Channels::Rgba, [200, 100, 50, 255].repeat(1200));
    for format in [Format::Heic, Format::Avif, Format::Jp2] {
        assert!(!run(&png_of(&opaque), &plan_for(format)).output.alpha, "{format:?}");
    }
}

#[test]
fn heic_avif_jxl_and_jp2_output_has_the_size_of_the_input_even_if_a_side_has_only_one_pixel() {
    for format in MODERN {
        for (width, height) in [(1, 1), (1, 9), (9, 1), (2, 3), (15, 17), (64, 65)] {
            for image in [photo(width, height), fading_photo(width, height), gray(width, height)] {
                let (w, h, _) = decoded_pixels(&run(&png_of(&image), &plan_for(format)).bytes);
                assert_eq!((w, h), (width, height), "{format:?}");
            }
        }
    }
}

#[test]
fn lossless_jxl_and_jp2_keep_every_pixel() {
    for format in [Format::Jxl, Format::Jp2] {
        for image in [photo(61, 47), fading_photo(61, 47), gray(61, 47)] {
            let done = run(&png_of(&image), &lossless_plan(format));
            assert_eq!(done.output.quality, None);
            assert!(decoded_pixels(&done.bytes).2 == rgba(&image), "{format:?} of {:?}", image.channels());
        }
    }
}

#[test]
fn higher_quality_makes_heic_avif_jxl_and_jp2_files_larger_and_effort_changes_avif_and_jxl_sizes() {
    let input = png_of(&photo(128, 96));
    for format in MODERN {
        let sizes = [10, 40, 70, 90].map(|quality| run(&input, &at_quality(format, quality)).output.bytes);
        assert!(sizes.is_sorted() && sizes[3] > 2 * sizes[0], "{format:?}: {sizes:?}");
    }
    for format in [Format::Avif, Format::Jxl] {
        let [fast, small] = [0, 5].map(|effort| {
            let mut plan = at_quality(format, 60);
            plan.output.effort = Some(effort);
            run(&input, &plan).output.bytes
        });
        assert_ne!(fast, small, "{format:?}");
    }
}

#[test]
fn avif_has_no_chroma_subsampling_at_high_quality_nor_if_libaom_writes_it() {
    let input = png_of(&photo(64, 48));
    let sampling = |format, quality| run(&input, &at_quality(format, quality)).output.sampling;
    let at_60 = if cfg!(feature = "libaom") { "4:4:4" } else { "4:2:0" };
    assert_eq!(sampling(Format::Avif, 60).as_deref(), Some(at_60));
    assert_eq!(sampling(Format::Avif, 90).as_deref(), Some("4:4:4"));
    assert_eq!(sampling(Format::Heic, 90).as_deref(), Some("4:2:0"));
    assert_eq!(sampling(Format::Jxl, 90), None);
}

#[test]
fn exif_of_the_input_is_written_to_heic_avif_jxl_and_jp2_only_if_the_plan_keeps_all_metadata() {
    // This EXIF block has one entry: Artist, whose value of 12 bytes begins at offset 26.
    let head = b"II*\0\x08\0\0\0\x01\0\x3b\x01\x02\0\x0c\0\0\0\x1a\0\0\0\0\0\0\0";
    let artist = b"it is there\0";
    let exif = [&head[..], artist].concat();
    let input = png_with(&photo(20, 20), |info| info.exif_metadata = Some(exif.into()));
    let contains = |bytes: &[u8]| bytes.windows(artist.len()).any(|window| window == artist);
    for format in MODERN {
        let mut plan = plan_for(format);
        assert!(!contains(&run(&input, &plan).bytes), "{format:?}");
        plan.output.metadata = KeptMetadata::All;
        let first = run(&input, &plan).bytes;
        assert!(contains(&first), "{format:?}");
        // The code under test must also be able to read the metadata that it wrote.
        assert!(contains(&run(&first, &plan).bytes), "{format:?}");
    }
}

#[test]
fn jpeg_2000_decoded_at_a_reduced_resolution_looks_nearly_like_the_full_resolution_after_resize() {
    let input = encoded(&photo(300, 200), Format::Jp2);
    let resize = Resize {
        mode: ResizeMode::Auto,
        width: Some(70),
        height: Some(70),
        gravity: pixaven_imaging::plan::Gravity::Center,
        upscale: false,
        background: None,
        kernel: pixaven_imaging::plan::Kernel::Lanczos3,
        light: pixaven_imaging::plan::Light::Srgb,
    };
    let plan = Plan { resize: Some(resize), ..plan_for(Format::Png) };
    let done = run(&input, &plan);
    assert_eq!((done.input.width, done.input.height), (300, 200));
    assert_eq!((done.output.width, done.output.height), (70, 47));
    let whole = run(&run(&input, &plan_for(Format::Png)).bytes, &plan);
    let db = psnr_db(&decode_png(&done.bytes).2, &decode_png(&whole.bytes).2);
    assert!(db > 28.0, "{db:.1} dB");
}

#[test]
fn avif_heic_jxl_or_jp2_image_that_declares_a_size_beyond_the_limits_is_refused() {
    for format in [Format::Avif, Format::Heic] {
        let mut input = encoded(&photo(16, 16), format);
        heif_boxes::overwrite_box(&mut input, b"ispe", 4, &[0, 0, 0x70, 0, 0, 0, 0x70, 0]);
        let error =
            process(&input, &plan_for(Format::Png), &Limits::default(), &mut Scratch::default()).unwrap_err();
        assert!(error.to_string().starts_with("the number of pixels"), "{error}");
    }
    let mut input = encoded(&photo(16, 16), Format::Jp2);
    let siz = input.windows(4).position(|window| window == b"\xff\x4f\xff\x51").unwrap();
    // The header is changed so that the image and its only tile have 28672 × 28672 pixels.
    for at in [siz + 8, siz + 24] {
        input[at..at + 8].copy_from_slice(&[0, 0, 0x70, 0, 0, 0, 0x70, 0]);
    }
    let error =
        process(&input, &plan_for(Format::Png), &Limits::default(), &mut Scratch::default()).unwrap_err();
    assert!(error.to_string().starts_with("the number of pixels"), "{error}");
    for format in MODERN {
        let input = encoded(&photo(50, 20), format);
        let at = |limits: Limits| process(&input, &plan_for(Format::Png), &limits, &mut Scratch::default());
        let base = Limits::default();
        assert!(at(Limits { pixels: 1000, input_side_px: 50, ..base }).is_ok(), "{format:?}");
        for limits in [Limits { pixels: 999, ..base }, Limits { input_side_px: 49, ..base }] {
            assert!(matches!(at(limits), Err(Error::Limit { .. })), "{format:?}");
        }
    }
}

#[test]
fn heif_file_with_too_many_boxes_is_refused() {
    for format in [Format::Avif, Format::Heic] {
        let input = encoded(&fading_photo(16, 16), format);
        let limits = Limits { parts: 9, ..Limits::default() };
        let error = process(&input, &plan_for(Format::Png), &limits, &mut Scratch::default()).unwrap_err();
        assert!(error.to_string().contains("parts of a file"), "{error}");
    }
}

#[test]
fn heif_brands_decide_whether_the_format_is_avif_or_heic() {
    let with = |brands: &[&[u8; 4]]| {
        let mut file = ((8 + 4 * brands.len() as u32).to_be_bytes()).to_vec();
        file.extend_from_slice(b"ftyp");
        brands.iter().for_each(|brand| file.extend_from_slice(*brand));
        sniff(&file)
    };
    assert_eq!(with(&[b"avif", b"\0\0\0\0", b"mif1"]), Some(Format::Avif));
    assert_eq!(with(&[b"mif1", b"\0\0\0\0", b"miaf", b"avif"]), Some(Format::Avif));
    assert_eq!(with(&[b"mif1", b"\0\0\0\0", b"heic"]), Some(Format::Heic));
    assert_eq!(with(&[b"mif1", b"\0\0\0\0"]), Some(Format::Heic));
    // The second field of the `ftyp` box is a version number, so `avif` in this field is not a brand.
    assert_eq!(with(&[b"isom", b"avif", b"mp42"]), None);
}

#[test]
fn colours_in_a_space_declared_by_cicp_code_points_are_converted_to_srgb() {
    let red = Image::new(32, 32, Channels::Rgb, [200, 60, 60].repeat(1024));
    for format in [Format::Avif, Format::Heic] {
        let input = run(&png_of(&red), &at_quality(format, 95)).bytes;
        assert!(nearly_equal(&decoded_pixels(&input).2, &rgba(&red), 4), "{format:?}");
        // If the file declares Display P3 instead of sRGB, the same values mean a more saturated red.
        let mut p3 = input.clone();
        heif_boxes::overwrite_box(&mut p3, b"colr", 4, &[0, 12]);
        let [r, g, ..] = decoded_pixels(&p3).2[500];
        assert!(r > 208 && g < 58, "{format:?}: {r} {g}");
        // If the file declares PQ instead of sRGB, a value of 60 % is brighter and a value of 24 % is darker,
        // so the contrast becomes higher.
        let mut pq = input;
        heif_boxes::overwrite_box(&mut pq, b"colr", 6, &[0, 16]);
        let [r, g, ..] = decoded_pixels(&pq).2[500];
        assert!(r > 230 && g < 60, "{format:?}: {r} {g}");
    }
}

#[test]
fn small_jpeg_2000_of_a_single_colour_keeps_the_colour() {
    for (width, height) in [(1, 1), (8, 8), (30, 20), (100, 80)] {
        let data = [250, 10, 20].repeat((width * height) as usize);
        let image = Image::new(width, height, Channels::Rgb, data);
        let (_, _, found) = decoded_pixels(&run(&png_of(&image), &at_quality(Format::Jp2, 80)).bytes);
        assert!(nearly_equal(&found, &rgba(&image), 4), "{width}x{height}: {:?}", found[0]);
    }
}
