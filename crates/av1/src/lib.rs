//! Encodes one image as AV1 on the calling thread. The encoder is rav1e or, with the cargo feature `libaom`, the C
//! library libaom, which makes smaller files in less time but needs `cmake` and `nasm` to build.
//!
//! rav1e is generic over the sample type, so each crate that calls rav1e compiles the encoder again. Therefore only
//! this crate calls an encoder. As the code of this crate rarely changes, the encoder is rarely compiled.

#[cfg(feature = "libaom")]
mod libaom;
#[cfg(not(feature = "libaom"))]
mod rust;

#[cfg(feature = "libaom")]
use libaom as encoder;
#[cfg(not(feature = "libaom"))]
use rust as encoder;

/// The largest number of pixels of an image whose samples should have ten bits. libaom then needs fewer bytes than
/// with eight bits, even for images of eight bits, because its predictions are more precise. For larger images, eight
/// bits save memory. rav1e always codes eight bits.
pub const TEN_BIT_PIXELS: u64 = encoder::TEN_BIT_PIXELS;

/// The largest number of pixels of an image that should have full chroma resolution at every quality. For larger
/// images of a low quality, chroma subsampling saves time and memory.
pub const FULL_CHROMA_PIXELS: u64 = encoder::FULL_CHROMA_PIXELS;

/// The largest number of pixels of an image that is worth an attempt when several formats are compared: with the
/// default effort it takes less than ten seconds, and a worker of 512 MiB can keep a copy of the image.
pub const ATTEMPT_PIXELS: u64 = encoder::ATTEMPT_PIXELS;

/// The memory that encoding needs for each pixel of a large image, in bytes, with the planes. It was measured with
/// images of 4 to 24 megapixels, and is rounded up.
#[must_use]
pub const fn bytes_per_pixel(has_ten_bits: bool, is_halved: bool) -> u64 {
    encoder::bytes_per_pixel(has_ten_bits, is_halved)
}

/// Keeps other crates from implementing [`Sample`]: the calls of libaom rely on the sizes of the two types.
mod private {
    pub trait Sealed {}
    impl Sealed for u8 {}
    impl Sealed for u16 {}
}

/// The type of a sample of a plane: `u8` for eight bits, `u16` for ten bits.
pub trait Sample: Copy + private::Sealed {
    /// The number of bits.
    const BIT_DEPTH: u8;

    /// Returns the sample with eight bits, rounded.
    fn with_eight_bits(self) -> u8;
}

impl Sample for u8 {
    const BIT_DEPTH: u8 = 8;

    fn with_eight_bits(self) -> u8 {
        self
    }
}

impl Sample for u16 {
    const BIT_DEPTH: u8 = 10;

    fn with_eight_bits(self) -> u8 {
        ((self + 2) >> 2).min(255) as u8
    }
}

/// The planes of an image in full range, with rows without padding. The chroma planes have either the size of the
/// luma plane, or half its columns and rows, rounded up.
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a, S> {
    /// The number of columns of the luma plane, 1 to 65,535.
    pub width: usize,
    /// The number of rows of the luma plane, 1 to 65,535.
    pub height: usize,
    /// The luma plane: `width * height` samples.
    pub luma: &'a [S],
    /// The two chroma planes (BT.601). `None` for a gray image.
    pub chroma: Option<[&'a [S]; 2]>,
    /// Whether the chroma planes have half the columns and rows of the luma plane.
    pub halved: bool,
}

/// An encoded image.
#[derive(Debug, Clone)]
pub struct Coded {
    /// The data of one temporal unit.
    pub data: Vec<u8>,
    /// The content of an `av1C` box.
    pub configuration: Vec<u8>,
    /// The number of bits of the encoded samples.
    pub bit_depth: u8,
}

impl<S> Picture<'_, S> {
    /// The number of columns and rows of a chroma plane.
    fn chroma_size(&self) -> (usize, usize) {
        let side = |side: usize| if self.halved { side.div_ceil(2) } else { side };
        (side(self.width), side(self.height))
    }

    /// # Panics
    /// If the length of a plane does not match the size of the image.
    fn check(&self) {
        let (width, height) = self.chroma_size();
        let matches = self.luma.len() == self.width * self.height
            && self.chroma.iter().flatten().all(|plane| plane.len() == width * height);
        assert!(matches, "the length of a plane does not match the size of the image");
    }
}

/// Encodes an image on the calling thread.
///
/// `quantizer` is the value `base_q_idx` of AV1, from 1 (best quality) to 255. The encoder may use a value near it.
/// A quantizer of 0 is raised to 1, because 0 would mean lossless coding, which needs other planes. `effort` is from
/// 0 (fastest) to 9 (smallest file).
///
/// # Errors
/// The error message of the encoder.
///
/// # Panics
/// If the length of a plane does not match the size of the image, which is a bug of the caller.
pub fn encode<S: Sample>(picture: Picture<'_, S>, quantizer: u8, effort: u8) -> Result<Coded, String> {
    picture.check();
    let speed = encoder::SPEEDS[usize::from(effort).min(encoder::SPEEDS.len() - 1)];
    encoder::encode(&picture, quantizer.max(1), speed)
}

/// Returns the effort for an image of `n_pixels` pixels if the request asks for none.
#[must_use]
pub fn default_effort(n_pixels: u64) -> u8 {
    let efforts = encoder::DEFAULT_EFFORTS.iter();
    efforts.copied().find(|&(_, max_pixels)| n_pixels <= max_pixels).map_or(0, |(effort, _)| effort)
}
