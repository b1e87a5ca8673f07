//! Pictures for tests, made by code.

use pixaven_imaging::plan::{Format, Output, TargetFormat};

/// A photo-like JPEG of the documented size, 550×412.
pub(crate) fn documented_jpeg() -> Vec<u8> {
    picture(550, 412, Format::Jpeg)
}

/// A photo-like picture in any format.
pub(crate) fn picture(width: u32, height: u32, format: Format) -> Vec<u8> {
    let pixels = pixaven_sample::landscape(width, height, 7);
    let image = pixaven_imaging::Image::new(width, height, pixaven_imaging::Channels::Rgb, pixels);
    let output = Output { format: TargetFormat::Format(format), ..Output::default() };
    pixaven_imaging::encode(image, format, &output).expect("our own pixels can be encoded")
}
