//! Tests of decoders that can deliver a reduced image: after `resize`, the image must match the result of a
//! full-size decode, and must not be shifted.

use pixaven_imaging::plan::{Gravity, Kernel, Light, Resize, ResizeMode};
use pixaven_imaging::{Format, Image, Plan};

use crate::helpers::{decode_png, encoded, photo, plan_for, psnr_db, run};

/// Creates a plan that resizes the image to exactly this size and encodes it as PNG.
pub(crate) fn resized(width: u32, height: u32) -> Plan {
    let resize = Resize {
        mode: ResizeMode::Exact,
        width: Some(width),
        height: Some(height),
        gravity: Gravity::Center,
        upscale: true,
        background: None,
        kernel: Kernel::Lanczos3,
        light: Light::Srgb,
    };
    Plan { resize: Some(resize), ..plan_for(Format::Png) }
}

/// Inserts an EXIF block into the JPEG. The only entry of the block is the orientation.
fn turned(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let block =
        [b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", &[orientation, 0, 0, 0, 0, 0, 0][..]]
            .concat();
    let length = (block.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &block, &jpeg[2..]].concat()
}

#[test]
fn resized_jpeg_has_nearly_the_same_pixels_after_decoding_at_reduced_size_as_at_full_size() {
    // The sides of the image are not multiples of 2, 4 or 8. Therefore a pixel of the last column or row of a
    // reduced image covers fewer pixels of the full-size image than other pixels.
    let scene: Image = photo(805, 603);
    let jpeg = encoded(&scene, Format::Jpeg);
    let sizes = [(100, 75), (150, 112), (240, 181), (290, 220), (390, 290), (500, 370), (600, 440)];
    for orientation in [1, 2, 3, 6, 7, 8] {
        let jpeg = turned(&jpeg, orientation);
        let full = run(&jpeg, &plan_for(Format::Png)).bytes;
        for (width, height) in sizes {
            let (width, height) = if orientation > 4 { (height, width) } else { (width, height) };
            let reduced = run(&jpeg, &resized(width, height)).bytes;
            let full_size = run(&full, &resized(width, height)).bytes;
            let (reduced, full_size) = (decode_png(&reduced), decode_png(&full_size));
            assert_eq!((reduced.0, reduced.1), (width, height));
            let psnr = psnr_db(&reduced.2, &full_size.2);
            assert!(psnr > 38.0, "{width}x{height}, orientation {orientation}: {psnr:.1} dB");
        }
    }
}
