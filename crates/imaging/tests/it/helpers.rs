//! Synthetic test images, functions that encode and decode images, and comparisons of the results.

use pixaven_imaging::plan::{Output, TargetFormat};
use pixaven_imaging::{Channels, Format, Image, Limits, Plan, Processed, Scratch, process};

/// All formats that can be both read and written. The sides of icons are limited to 256 pixels.
pub(crate) const FORMATS: [Format; 11] = [
    Format::Jpeg,
    Format::Png,
    Format::Gif,
    Format::Webp,
    Format::Heic,
    Format::Avif,
    Format::Jxl,
    Format::Jp2,
    Format::Tiff,
    Format::Bmp,
    Format::Ico,
];

/// Encodes an image as PNG with the `png` crate, and not with the code under test.
pub(crate) fn png_of(image: &Image) -> Vec<u8> {
    png_with(image, |_| {})
}

/// Does the same as [`png_of`], but calls `change` on the PNG header before the header is written.
pub(crate) fn png_with(image: &Image, change: impl FnOnce(&mut png::Info<'static>)) -> Vec<u8> {
    let mut info = png::Info::with_size(image.width(), image.height());
    info.color_type = match image.channels() {
        Channels::Gray => png::ColorType::Grayscale,
        Channels::Rgb => png::ColorType::Rgb,
        Channels::Rgba => png::ColorType::Rgba,
    };
    change(&mut info);
    let mut bytes = Vec::new();
    let mut writer = png::Encoder::with_info(&mut bytes, info).unwrap().write_header().unwrap();
    writer.write_image_data(image.data()).unwrap();
    writer.finish().unwrap();
    bytes
}

/// A synthetic landscape that resembles a photograph.
pub(crate) fn photo(width: u32, height: u32) -> Image {
    Image::new(width, height, Channels::Rgb, pixaven_sample::landscape(width, height, 7))
}

/// A photograph whose alpha rises from 0 at the left edge to 255 at the right edge.
pub(crate) fn fading_photo(width: u32, height: u32) -> Image {
    let rgb = photo(width, height);
    let mut data = Vec::new();
    for (i, &[r, g, b]) in rgb.data().as_chunks::<3>().0.iter().enumerate() {
        data.extend([r, g, b, (i as u32 % width * 255 / (width - 1).max(1)) as u8]);
    }
    Image::new(width, height, Channels::Rgba, data)
}

/// An image of four quarters: red and green in the upper half, blue and white in the lower half. It looks
/// different in each of the eight EXIF orientations.
pub(crate) fn quarters(width: u32, height: u32) -> Image {
    let mut data = Vec::new();
    for y in 0..height {
        for x in 0..width {
            data.extend(match (x < width / 2, y < height / 2) {
                (true, true) => [230, 20, 20],
                (false, true) => [20, 200, 20],
                (true, false) => [20, 20, 220],
                (false, false) => [250, 250, 250],
            });
        }
    }
    Image::new(width, height, Channels::Rgb, data)
}

/// Creates a plan that encodes to the given format and has no operations.
pub(crate) fn plan_for(format: Format) -> Plan {
    Plan { output: Output { format: TargetFormat::Format(format), ..Output::default() }, ..Plan::default() }
}

/// Creates a plan that encodes losslessly to the given format and has no operations.
pub(crate) fn lossless_plan(format: Format) -> Plan {
    Plan {
        output: Output { format: TargetFormat::Format(format), lossless: true, ..Output::default() },
        ..Plan::default()
    }
}

/// Processes an input with the default limits.
pub(crate) fn run(input: &[u8], plan: &Plan) -> Processed {
    process(input, plan, &Limits::default(), &mut Scratch::default()).unwrap()
}

/// Encodes an input in `format` at each of the qualities. Returns the sizes of the files, in bytes.
pub(crate) fn sizes_at_qualities(input: &[u8], format: Format, qualities: [u8; 4]) -> [u64; 4] {
    qualities.map(|quality| {
        let output =
            Output { format: TargetFormat::Format(format), quality: Some(quality), ..Output::default() };
        let done = run(input, &Plan { output, ..Plan::default() });
        assert_eq!(done.output.quality, Some(quality));
        done.output.bytes
    })
}

/// Encodes an image with the code under test, at the default settings of the format.
pub(crate) fn encoded(image: &Image, format: Format) -> Vec<u8> {
    run(&png_of(image), &plan_for(format)).bytes
}

/// The size and the RGBA pixels of a file. The code under test converts the file to PNG, and the `png` crate
/// decodes the PNG.
pub(crate) fn decoded_pixels(input: &[u8]) -> (u32, u32, Vec<[u8; 4]>) {
    decode_png(&run(input, &plan_for(Format::Png)).bytes)
}

/// The size and the RGBA pixels of a PNG, decoded with the `png` crate and not with the code under test.
pub(crate) fn decode_png(bytes: &[u8]) -> (u32, u32, Vec<[u8; 4]>) {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    let mut reader = decoder.read_info().unwrap();
    let mut data = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut data).unwrap();
    let pixels = match info.color_type {
        png::ColorType::Grayscale => data.iter().map(|&v| [v, v, v, 255]).collect(),
        png::ColorType::GrayscaleAlpha => data.as_chunks().0.iter().map(|&[v, a]| [v, v, v, a]).collect(),
        png::ColorType::Rgb => data.as_chunks().0.iter().map(|&[r, g, b]| [r, g, b, 255]).collect(),
        png::ColorType::Rgba => data.as_chunks().0.to_vec(),
        png::ColorType::Indexed => unreachable!("the decoder expands palettes"),
    };
    (info.width, info.height, pixels)
}

/// The pixels of an image as RGBA.
pub(crate) fn rgba(image: &Image) -> Vec<[u8; 4]> {
    match image.channels() {
        Channels::Gray => image.data().iter().map(|&v| [v, v, v, 255]).collect(),
        Channels::Rgb => image.data().as_chunks().0.iter().map(|&[r, g, b]| [r, g, b, 255]).collect(),
        Channels::Rgba => image.data().as_chunks().0.to_vec(),
    }
}

/// Peak signal-to-noise ratio over all channels, in decibels. Infinite if the images are equal.
pub(crate) fn psnr_db(a: &[[u8; 4]], b: &[[u8; 4]]) -> f64 {
    assert_eq!(a.len(), b.len(), "both images must have the same size");
    let squares: u64 =
        a.as_flattened().iter().zip(b.as_flattened()).map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum();
    10.0 * (255.0f64.powi(2) * (a.len() * 4) as f64 / squares as f64).log10()
}

/// Whether the images differ by at most `tolerance` in every channel of every pixel.
pub(crate) fn nearly_equal(a: &[[u8; 4]], b: &[[u8; 4]], tolerance: u8) -> bool {
    a.len() == b.len()
        && a.as_flattened().iter().zip(b.as_flattened()).all(|(&a, &b)| a.abs_diff(b) <= tolerance)
}
