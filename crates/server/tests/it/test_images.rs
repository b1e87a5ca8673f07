//! Generates images for tests.

use pixaven_imaging::plan::{Format, Output, TargetFormat};

/// Returns a JPEG of a generated landscape with 550×412 pixels, which is the size of the example in the
/// documentation.
pub(crate) fn documented_jpeg() -> Vec<u8> {
    test_image(550, 412, Format::Jpeg)
}

/// Returns a generated landscape, encoded in `format`. Width and height are in pixels.
pub(crate) fn test_image(width: u32, height: u32, format: Format) -> Vec<u8> {
    let pixels = pixaven_sample::landscape(width, height, 7);
    let image = pixaven_imaging::Image::new(width, height, pixaven_imaging::Channels::Rgb, pixels);
    let output = Output { format: TargetFormat::Format(format), ..Output::default() };
    pixaven_imaging::encode(image, format, &output).expect("generated pixels can be encoded")
}
