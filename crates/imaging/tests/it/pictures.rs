//! Pictures for the tests, made by code, and ways to look at what came out.

use pixaven_imaging::plan::{Output, Target};
use pixaven_imaging::{Channels, Format, Image, Limits, Plan, Processed, Scratch, process};

/// All formats that are read and written. Icons have at most 256 pixels on a side.
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

/// A picture as a PNG file, written without the code under test.
pub(crate) fn png_of(image: &Image) -> Vec<u8> {
    png_with(image, |_| {})
}

/// A picture as a PNG file with what `change` puts into its header.
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

/// Something like a photograph.
pub(crate) fn photo(width: u32, height: u32) -> Image {
    Image::new(width, height, Channels::Rgb, pixaven_sample::landscape(width, height, 7))
}

/// A photograph that fades out from left to right.
pub(crate) fn fading(width: u32, height: u32) -> Image {
    let rgb = photo(width, height);
    let mut data = Vec::new();
    for (i, &[r, g, b]) in rgb.data().as_chunks::<3>().0.iter().enumerate() {
        data.extend([r, g, b, (i as u32 % width * 255 / (width - 1).max(1)) as u8]);
    }
    Image::new(width, height, Channels::Rgba, data)
}

/// Four coloured quarters: red, green / blue, white; no two orientations look alike.
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

/// A plan that does nothing but encode.
pub(crate) fn to(format: Format) -> Plan {
    Plan { output: Output { format: Target::Format(format), ..Output::default() }, ..Plan::default() }
}

/// A plan that does nothing but encode without loss.
pub(crate) fn lossless(format: Format) -> Plan {
    Plan {
        output: Output { format: Target::Format(format), lossless: true, ..Output::default() },
        ..Plan::default()
    }
}

/// Processes with the default limits and fresh buffers.
pub(crate) fn run(input: &[u8], plan: &Plan) -> Processed {
    process(input, plan, &Limits::default(), &mut Scratch::default()).unwrap()
}

/// A picture in some format, at that format's default settings.
pub(crate) fn file(image: &Image, format: Format) -> Vec<u8> {
    run(&png_of(image), &to(format)).bytes
}

/// The pixels of a file as red, green, blue, alpha, decoded by the code under test and handed over as PNG.
pub(crate) fn pixels(input: &[u8]) -> (u32, u32, Vec<[u8; 4]>) {
    decode_png(&run(input, &to(Format::Png)).bytes)
}

/// The pixels of a PNG, decoded without the code under test.
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
        png::ColorType::Indexed => unreachable!("expanded"),
    };
    (info.width, info.height, pixels)
}

/// The pixels of an image as red, green, blue, alpha.
pub(crate) fn rgba(image: &Image) -> Vec<[u8; 4]> {
    match image.channels() {
        Channels::Gray => image.data().iter().map(|&v| [v, v, v, 255]).collect(),
        Channels::Rgb => image.data().as_chunks().0.iter().map(|&[r, g, b]| [r, g, b, 255]).collect(),
        Channels::Rgba => image.data().as_chunks().0.to_vec(),
    }
}

/// Peak signal-to-noise ratio over all channels in decibels; infinite for equal pictures.
pub(crate) fn psnr_db(a: &[[u8; 4]], b: &[[u8; 4]]) -> f64 {
    assert_eq!(a.len(), b.len(), "two sizes");
    let squares: u64 =
        a.as_flattened().iter().zip(b.as_flattened()).map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum();
    10.0 * (255.0f64.powi(2) * (a.len() * 4) as f64 / squares as f64).log10()
}

/// Whether no channel of any pixel differs by more than `tolerance`.
pub(crate) fn close(a: &[[u8; 4]], b: &[[u8; 4]], tolerance: u8) -> bool {
    a.len() == b.len()
        && a.as_flattened().iter().zip(b.as_flattened()).all(|(&a, &b)| a.abs_diff(b) <= tolerance)
}
