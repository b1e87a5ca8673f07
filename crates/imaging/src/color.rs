//! From the colours of a file to sRGB: the only place that knows ICC profiles. Which profile a file carries is found by
//! its codec.

mod cicp;
mod profile;

use std::sync::Arc;

use moxcms::{ColorProfile, DataColorSpace, Transform8BitExecutor, TransformOptions};

pub(crate) use self::cicp::cicp_profile;
use self::profile::is_srgb;
use crate::{Channels, Image, Scratch};

/// Pixels converted at a time: input and output of a piece stay in the first-level cache.
const PIECE_PX: usize = 2048;

/// What the bytes of a decoded pixel mean before colour conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One byte.
    Gray,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, straight alpha.
    Rgba,
    /// Four inks, 0 = no ink.
    Cmyk,
}

impl Layout {
    /// Bytes per pixel.
    pub(crate) fn count(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::Rgb => 3,
            Self::Rgba | Self::Cmyk => 4,
        }
    }
}

/// A decoded picture in the colours of its file. `data.len() == width * height * layout.count()`.
#[derive(Debug)]
pub(crate) struct Raster {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) layout: Layout,
    pub(crate) data: Vec<u8>,
}

/// The way from one file's colours to sRGB, made once and used for all its frames.
pub(crate) struct ToSrgb(Kind);

enum Kind {
    /// The pixels are sRGB already, or are taken to be.
    Identity,
    /// Gray: a table.
    Gray(Box<[u8; 256]>),
    /// Red, green, blue or the four inks.
    Transform(Arc<Transform8BitExecutor>),
}

impl ToSrgb {
    /// Prepares the conversion. A profile that cannot be used is left out, and the second value says so in words for the
    /// caller of the API.
    pub(crate) fn new(profile: Option<&[u8]>, layout: Layout) -> (Self, Option<String>) {
        let Some(bytes) = profile else { return (Self(Kind::Identity), None) };
        match prepare(bytes, layout) {
            Ok(kind) => (Self(kind), None),
            Err(reason) => (Self(Kind::Identity), Some(format!("the colour profile was ignored: {reason}"))),
        }
    }

    /// Converts a picture.
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
                Kind::Transform(transform) => inks_by_profile(transform.as_ref(), &data, &mut rgb),
                _ => inks_by_rule(&data, &mut rgb),
            }
            scratch.give(std::mem::replace(&mut data, rgb));
        } else {
            self.apply_in_place(&mut data, layout);
        }
        Image::new(width, height, channels, data)
    }

    /// Converts pixels that are no inks.
    pub(crate) fn apply_in_place(&self, data: &mut [u8], layout: Layout) {
        match &self.0 {
            Kind::Gray(table) => data.iter_mut().for_each(|v| *v = table[usize::from(*v)]),
            Kind::Transform(transform) => in_place(transform.as_ref(), data, layout.count()),
            Kind::Identity => {}
        }
    }
}

fn prepare(bytes: &[u8], layout: Layout) -> Result<Kind, String> {
    let profile = ColorProfile::new_from_slice(bytes).map_err(|error| error.to_string())?;
    let (space, from, to) = match layout {
        Layout::Gray => (DataColorSpace::Gray, moxcms::Layout::Gray, moxcms::Layout::Rgb),
        Layout::Rgb => (DataColorSpace::Rgb, moxcms::Layout::Rgb, moxcms::Layout::Rgb),
        Layout::Rgba => (DataColorSpace::Rgb, moxcms::Layout::Rgba, moxcms::Layout::Rgba),
        // The library's four-channel layout is named for its commonest use.
        Layout::Cmyk => (DataColorSpace::Cmyk, moxcms::Layout::Rgba, moxcms::Layout::Rgb),
    };
    if profile.color_space != space {
        return Err(format!("it is for {:?} pixels, the image has {space:?} ones", profile.color_space));
    }
    if space == DataColorSpace::Rgb && is_srgb(&profile) {
        return Ok(Kind::Identity);
    }
    let transform = profile
        .create_transform_8bit(from, &ColorProfile::new_srgb(), to, TransformOptions::default())
        .map_err(|error| error.to_string())?;
    if layout == Layout::Gray {
        return gray_table(transform.as_ref()).map(Kind::Gray);
    }
    Ok(Kind::Transform(transform))
}

/// A gray profile maps each of 256 values to a neutral colour: one table instead of a conversion per pixel, and the
/// picture stays gray.
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

/// Converts piece by piece through a small copy, so that no second picture is needed.
fn in_place(transform: &Transform8BitExecutor, data: &mut [u8], n_channels: usize) {
    let mut copy = vec![0; PIECE_PX * n_channels];
    for piece in data.chunks_mut(PIECE_PX * n_channels) {
        let copy = &mut copy[..piece.len()];
        copy.copy_from_slice(piece);
        transform.transform(copy, piece).expect("both sides are whole pixels of the layouts it was made for");
    }
}

fn inks_by_profile(transform: &Transform8BitExecutor, inks: &[u8], rgb: &mut [u8]) {
    for (from, to) in inks.chunks(PIECE_PX * 4).zip(rgb.chunks_mut(PIECE_PX * 3)) {
        transform.transform(from, to).expect("both sides are whole pixels of the layouts it was made for");
    }
}

/// Without a profile: each ink takes its share of the light, `r = (1 − c)·(1 − k)`, as browsers do.
fn inks_by_rule(inks: &[u8], rgb: &mut [u8]) {
    for (&[c, m, y, k], pixel) in inks.as_chunks::<4>().0.iter().zip(rgb.as_chunks_mut::<3>().0) {
        let light = 255 - u32::from(k);
        *pixel = [c, m, y].map(|ink| (((255 - u32::from(ink)) * light + 127) / 255) as u8);
    }
}
