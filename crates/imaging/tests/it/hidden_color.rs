//! Tests of the colours under transparent pixels: lossy encoders must not show an outline around a picture.

use pixaven_imaging::{Channels, Format, Image};

use crate::animation::{apng, decoded_frames};
use crate::helpers::{decoded_pixels, plan_for, png_of, run};

const SIDE: u32 = 96;
const COLOR: [u8; 3] = [230, 30, 40];

/// A disc of one colour on a transparent background, whose hidden colour is black. The edge of the disc is
/// smooth.
fn disc(center: f64) -> Image {
    let mut data = Vec::new();
    for (x, y) in (0..SIDE * SIDE).map(|i| (f64::from(i % SIDE), f64::from(i / SIDE))) {
        let coverage = (30.5 - (x - center).hypot(y - center)).clamp(0.0, 1.0);
        let alpha = (coverage * 255.0).round() as u8;
        let [r, g, b] = if alpha == 0 { [0; 3] } else { COLOR };
        data.extend([r, g, b, alpha]);
    }
    Image::new(SIDE, SIDE, Channels::Rgba, data)
}

/// The largest difference from the disc's own colour after the pixels were laid over this colour. It is 0 if
/// the colours of all visible pixels are right.
fn deviation(pixels: &[[u8; 4]]) -> u8 {
    let over = |pixel: &[u8; 4]| {
        let alpha = u32::from(pixel[3]);
        let mix = |(&v, under): (&u8, u8)| {
            let mixed = (u32::from(v) * alpha + u32::from(under) * (255 - alpha) + 127) / 255;
            (mixed as u8).abs_diff(under)
        };
        pixel.iter().zip(COLOR).map(mix).max().unwrap()
    };
    pixels.iter().map(over).max().unwrap()
}

#[test]
fn lossy_output_shows_no_outline_around_a_picture_with_black_hidden_colors() {
    let input = png_of(&disc(48.0));
    for format in [Format::Avif, Format::Heic, Format::Webp, Format::Jxl, Format::Jp2] {
        let (_, _, pixels) = decoded_pixels(&run(&input, &plan_for(format)).bytes);
        // Some formats code the alpha channel with loss.
        let (outside, inside) = (pixels[0][3], pixels[(48 * SIDE + 48) as usize][3]);
        assert!(outside <= 4 && inside >= 251, "{format:?}: {outside} {inside}");
        let deviation = deviation(&pixels);
        assert!(deviation <= 12, "{format:?}: {deviation}");
    }
}

#[test]
fn lossy_webp_animation_shows_no_outline_around_a_picture_with_black_hidden_colors() {
    let frames: Vec<(Image, u16)> = [40.0, 48.0, 56.0].map(|center| (disc(center), 50)).to_vec();
    let webp = run(&apng(&frames, 0), &plan_for(Format::Webp)).bytes;
    for (i, (pixels, _)) in decoded_frames(&webp).iter().enumerate() {
        let deviation = deviation(pixels);
        assert!(deviation <= 12, "frame {i}: {deviation}");
    }
}

#[test]
fn picture_without_a_visible_pixel_is_encoded_in_every_lossy_format() {
    let image = Image::new(20, 3, Channels::Rgba, [9, 8, 7, 0].repeat(60));
    for format in [Format::Avif, Format::Heic, Format::Webp, Format::Jxl, Format::Jp2] {
        let (width, height, pixels) = decoded_pixels(&run(&png_of(&image), &plan_for(format)).bytes);
        assert_eq!((width, height), (20, 3), "{format:?}");
        // The alpha plane of HEIC is coded with loss.
        assert!(pixels.iter().all(|pixel| pixel[3] <= 4), "{format:?}");
    }
}
