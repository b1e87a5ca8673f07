//! Conversion from the colours of a file to sRGB. The codecs extract the ICC profile from a file as bytes;
//! only this module interprets the profile.

mod cicp;
mod cielab;
mod described;
mod profile;

use std::sync::Arc;

use moxcms::{ColorProfile, DataColorSpace, ToneReprCurve, Transform8BitExecutor, TransformOptions};

pub(crate) use self::cicp::cicp_profile;
pub(crate) use self::cielab::CielabToSrgb;
pub(crate) use self::described::{Chromaticities, gamma_profile};
use self::profile::{evaluate, is_srgb};
use crate::{Channels, Image, Scratch};

/// The number of pixels that are converted in one step. It is small enough that the bytes of these pixels
/// before and after the conversion fit together into the first-level cache of the processor.
const CHUNK_PX: usize = 2048;

/// The channels of a decoded pixel, before colour conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// The pixel has one channel: gray.
    Gray,
    /// The pixel has the channels red, green and blue.
    Rgb,
    /// The pixel has the channels red, green, blue and straight alpha.
    Rgba,
    /// The pixel has the channels cyan, magenta, yellow and black. The value 0 means no ink.
    Cmyk,
}

impl From<Channels> for Layout {
    fn from(channels: Channels) -> Self {
        match channels {
            Channels::Gray => Self::Gray,
            Channels::Rgb => Self::Rgb,
            Channels::Rgba => Self::Rgba,
        }
    }
}

impl Layout {
    /// The number of bytes per pixel.
    pub(crate) fn count(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::Rgb => 3,
            Self::Rgba | Self::Cmyk => 4,
        }
    }
}

/// A decoded image whose colours are not yet converted to sRGB. `data` contains `width * height *
/// layout.count()` bytes.
#[derive(Debug)]
pub(crate) struct Raster {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) layout: Layout,
    pub(crate) data: Vec<u8>,
}

/// The conversion from the colours of a file to sRGB. It is prepared once per file and used for all frames of
/// the file.
pub(crate) struct ToSrgb(Conversion);

enum Conversion {
    /// No conversion is necessary: the pixels are in sRGB, or their colour space is unknown and is treated as
    /// sRGB.
    Identity,
    /// A table that maps each gray value of the file to a gray value in sRGB. If gray pixels are stored as
    /// RGB or RGBA, the table applies to each of the three colour channels.
    Gray(Box<[u8; 256]>),
    /// A transform for RGB, RGBA or CMYK pixels.
    Transform(Arc<Transform8BitExecutor>),
}

impl ToSrgb {
    /// Prepares the conversion of pixels in `layout` from the ICC profile `profile` to sRGB. `is_gray` states
    /// whether the file stores gray: some decoders deliver gray pixels with alpha as RGBA, and their profile
    /// is one for gray. If the profile cannot be used, it is ignored, and the second returned value is a
    /// warning for the user of the API.
    pub(crate) fn new(profile: Option<&[u8]>, layout: Layout, is_gray: bool) -> (Self, Option<String>) {
        let Some(bytes) = profile else { return (Self(Conversion::Identity), None) };
        match prepare(bytes, layout, is_gray) {
            Ok(conversion) => (Self(conversion), None),
            Err(reason) => {
                (Self(Conversion::Identity), Some(format!("the colour profile was ignored: {reason}")))
            }
        }
    }

    /// Converts an image from the colours of its file to sRGB.
    pub(crate) fn apply(&self, raster: Raster, scratch: &mut Scratch) -> Image {
        let Raster { width, height, layout, mut data } = raster;
        let channels = match layout {
            Layout::Gray => Channels::Gray,
            Layout::Rgb | Layout::Cmyk => Channels::Rgb,
            Layout::Rgba => Channels::Rgba,
        };
        if layout == Layout::Cmyk {
            let mut rgb = scratch.take(data.len() / 4 * 3);
            match &self.0 {
                Conversion::Transform(transform) => convert_cmyk(transform.as_ref(), &data, &mut rgb),
                _ => convert_cmyk_without_profile(&data, &mut rgb),
            }
            scratch.give(std::mem::replace(&mut data, rgb));
        } else {
            self.apply_in_place(&mut data, layout);
        }
        Image::new(width, height, channels, data)
    }

    /// Converts RGB, RGBA or gray pixels to sRGB in place. CMYK pixels cannot be converted in place, because
    /// a pixel has four bytes before and three bytes after the conversion.
    pub(crate) fn apply_in_place(&self, data: &mut [u8], layout: Layout) {
        match &self.0 {
            Conversion::Gray(table) if layout == Layout::Rgba => {
                for [colors @ .., _alpha] in data.as_chunks_mut::<4>().0 {
                    *colors = colors.map(|v| table[usize::from(v)]);
                }
            }
            Conversion::Gray(table) => data.iter_mut().for_each(|v| *v = table[usize::from(*v)]),
            Conversion::Transform(transform) => transform_in_place(transform.as_ref(), data, layout.count()),
            Conversion::Identity => {}
        }
    }
}

fn prepare(bytes: &[u8], layout: Layout, is_gray: bool) -> Result<Conversion, String> {
    let profile = ColorProfile::new_from_slice(bytes).map_err(|error| error.to_string())?;
    let layout = match layout {
        Layout::Rgb | Layout::Rgba if is_gray && profile.color_space == DataColorSpace::Gray => Layout::Gray,
        layout => layout,
    };
    let (space, from, to) = match layout {
        Layout::Gray => (DataColorSpace::Gray, moxcms::Layout::Gray, moxcms::Layout::Rgb),
        Layout::Rgb => (DataColorSpace::Rgb, moxcms::Layout::Rgb, moxcms::Layout::Rgb),
        Layout::Rgba => (DataColorSpace::Rgb, moxcms::Layout::Rgba, moxcms::Layout::Rgba),
        // The crate `moxcms` has no layout named CMYK. It uses its layout `Rgba` for every kind of pixel with
        // four channels.
        Layout::Cmyk => (DataColorSpace::Cmyk, moxcms::Layout::Rgba, moxcms::Layout::Rgb),
    };
    if profile.color_space != space {
        return Err(format!("it is for {:?} pixels, the image has {space:?} ones", profile.color_space));
    }
    if space == DataColorSpace::Rgb && is_srgb(&profile) {
        return Ok(Conversion::Identity);
    }
    if let (DataColorSpace::Gray, Some(curve)) = (space, lightness_curve(&profile)) {
        return lightness_table(curve).map(Conversion::Gray);
    }
    let transform = profile
        .create_transform_8bit(from, &ColorProfile::new_srgb(), to, TransformOptions::default())
        .map_err(|error| error.to_string())?;
    if layout == Layout::Gray {
        return gray_table(transform.as_ref()).map(Conversion::Gray);
    }
    Ok(Conversion::Transform(transform))
}

/// Returns the tone curve of a gray profile whose connection space is L*a*b*. The crate `moxcms` applies only
/// those gray tone curves whose connection space is XYZ.
fn lightness_curve(profile: &ColorProfile) -> Option<&ToneReprCurve> {
    let has_lut = profile.lut_a_to_b_perceptual.is_some() || profile.lut_a_to_b_colorimetric.is_some();
    profile.gray_trc.as_ref().filter(|_| profile.pcs == DataColorSpace::Lab && !has_lut)
}

/// Creates the table for a tone curve that gives the lightness L* of each gray value (ICC.1, 8.3.3).
fn lightness_table(curve: &ToneReprCurve) -> Result<Box<[u8; 256]>, String> {
    let convert = CielabToSrgb::new();
    let mut table = Box::new([0; 256]);
    for (i, value) in table.iter_mut().enumerate() {
        let lightness = evaluate(curve, i as f64 / 255.0).ok_or("its tone curve has an unknown type")?;
        let [_, green, _] = convert.color([lightness.clamp(0.0, 1.0) as f32 * 100.0, 0.0, 0.0]);
        *value = green;
    }
    Ok(table)
}

/// Creates the table for a gray profile, which maps each of the 256 gray values of the file to a gray value
/// in sRGB. A table is used because it is faster than a transform of each pixel, and because the image keeps
/// its gray layout.
fn gray_table(transform: &Transform8BitExecutor) -> Result<Box<[u8; 256]>, String> {
    let ramp: Vec<u8> = (0..=255).collect();
    let mut colors = vec![0; 256 * 3];
    transform.transform(&ramp, &mut colors).map_err(|error| error.to_string())?;
    let mut table = Box::new([0; 256]);
    for (value, &[_, green, _]) in table.iter_mut().zip(colors.as_chunks::<3>().0) {
        *value = green;
    }
    Ok(table)
}

/// Converts pixels in place, chunk by chunk: each chunk is first copied into a small buffer, because the
/// transform needs separate buffers for its input and its output. The small buffer avoids a copy of the whole
/// image.
fn transform_in_place(transform: &Transform8BitExecutor, data: &mut [u8], n_channels: usize) {
    let mut copy = vec![0; CHUNK_PX * n_channels];
    for chunk in data.chunks_mut(CHUNK_PX * n_channels) {
        let copy = &mut copy[..chunk.len()];
        copy.copy_from_slice(chunk);
        transform
            .transform(copy, chunk)
            .expect("both buffers hold whole pixels of the layouts of the transform");
    }
}

fn convert_cmyk(transform: &Transform8BitExecutor, cmyk: &[u8], rgb: &mut [u8]) {
    for (from, to) in cmyk.chunks(CHUNK_PX * 4).zip(rgb.chunks_mut(CHUNK_PX * 3)) {
        transform
            .transform(from, to)
            .expect("both buffers hold whole pixels of the layouts of the transform");
    }
}

/// Converts CMYK pixels of a file without an ICC profile: red is `(1 − cyan) · (1 − black)`, and green and
/// blue likewise, because browsers use this formula.
fn convert_cmyk_without_profile(cmyk: &[u8], rgb: &mut [u8]) {
    for (&[c, m, y, k], pixel) in cmyk.as_chunks::<4>().0.iter().zip(rgb.as_chunks_mut::<3>().0) {
        let light = 255 - u32::from(k);
        *pixel = [c, m, y].map(|ink| (((255 - u32::from(ink)) * light + 127) / 255) as u8);
    }
}
