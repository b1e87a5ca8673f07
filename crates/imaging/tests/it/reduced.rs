//! Decoders that deliver less than there is: the result is that of all pixels, in the same place.

use pixaven_imaging::plan::{Gravity, Kernel, Resize, ResizeMode};
use pixaven_imaging::{Format, Image, Plan};

use crate::pictures::{decode_png, file, photo, psnr_db, run, to};

fn resized(width: u32, height: u32) -> Plan {
    let resize = Resize {
        mode: ResizeMode::Exact,
        width: Some(width),
        height: Some(height),
        gravity: Gravity::Center,
        upscale: true,
        background: None,
        kernel: Kernel::Lanczos3,
    };
    Plan { resize: Some(resize), ..to(Format::Png) }
}

/// The same JPEG with an EXIF block that has only an orientation.
fn turned(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let block =
        [b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", &[orientation, 0, 0, 0, 0, 0, 0][..]]
            .concat();
    let length = (block.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &block, &jpeg[2..]].concat()
}

#[test]
fn a_reduced_jpeg_becomes_what_the_full_one_becomes() {
    // Sides that no scale divides: the last column and row of each reduced picture are made of less than others.
    let scene: Image = photo(805, 603);
    let jpeg = file(&scene, Format::Jpeg);
    let sizes = [(100, 75), (150, 112), (240, 181), (290, 220), (390, 290), (500, 370), (600, 440)];
    for orientation in [1, 2, 3, 6, 7, 8] {
        let jpeg = turned(&jpeg, orientation);
        let full = run(&jpeg, &to(Format::Png)).bytes;
        for (width, height) in sizes {
            let (width, height) = if orientation > 4 { (height, width) } else { (width, height) };
            let direct = run(&jpeg, &resized(width, height)).bytes;
            let detour = run(&full, &resized(width, height)).bytes;
            let (direct, detour) = (decode_png(&direct), decode_png(&detour));
            assert_eq!((direct.0, direct.1), (width, height));
            let likeness = psnr_db(&direct.2, &detour.2);
            assert!(likeness > 38.0, "{width}x{height}, orientation {orientation}: {likeness:.1} dB");
        }
    }
}
