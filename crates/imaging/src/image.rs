//! Images in memory. Their channels are 8-bit sRGB values, their rows have no padding, and their alpha is
//! straight (not premultiplied).

use serde::{Deserialize, Serialize};

/// The layout of a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Channels {
    /// A pixel has one byte: gray.
    Gray,
    /// A pixel has three bytes: red, green and blue.
    Rgb,
    /// A pixel has four bytes: red, green, blue and straight alpha.
    Rgba,
}

impl Channels {
    /// The number of bytes per pixel.
    pub const fn count(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }

    /// Whether a pixel has alpha.
    pub const fn has_alpha(self) -> bool {
        matches!(self, Self::Rgba)
    }
}

/// A still picture. Both sides are at least 1 pixel long, and `data` contains `channels.count()` bytes for
/// each pixel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    width: u32,
    height: u32,
    channels: Channels,
    data: Vec<u8>,
}

impl Image {
    /// Creates an image from a buffer of exactly `width * height * channels.count()` bytes.
    ///
    /// # Panics
    /// When a side is zero or the buffer has another length. Both are bugs of the caller; no input file can
    /// cause them.
    pub fn new(width: u32, height: u32, channels: Channels, data: Vec<u8>) -> Self {
        assert!(width > 0 && height > 0, "an image has at least one pixel, got {width}x{height}");
        assert_eq!(
            data.len(),
            width as usize * height as usize * channels.count(),
            "buffer and size disagree"
        );
        Self { width, height, channels, data }
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The layout of a pixel.
    pub fn channels(&self) -> Channels {
        self.channels
    }

    /// The bytes of all pixels, row by row from the top.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Mutable access to the bytes of all pixels, row by row from the top.
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// Returns the buffer of the pixels, so that the caller can reuse it.
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }
}
