//! Encodes with libaom, which is written in C. The library sees only our own samples, never bytes of an input file.
#![expect(unsafe_code, reason = "every function of libaom takes raw pointers")]

use std::ffi::{CStr, c_int};
use std::mem::MaybeUninit;
use std::ptr;

use libaom_sys as aom;

use crate::{Coded, Picture, Sample};

/// See [`crate::TEN_BIT_PIXELS`]. An image of this size needs about 350 MiB.
pub(crate) const TEN_BIT_PIXELS: u64 = 9_000_000;

/// See [`crate::FULL_CHROMA_PIXELS`]. An image of this size needs about 400 MiB.
pub(crate) const FULL_CHROMA_PIXELS: u64 = 12_500_000;

/// See [`crate::ATTEMPT_PIXELS`].
pub(crate) const ATTEMPT_PIXELS: u64 = 16_000_000;

/// The default effort, and the largest number of pixels of an image with this effort. Larger images get effort 0.
pub(crate) const DEFAULT_EFFORTS: [(u8, u64); 2] = [(5, 16_000_000), (3, 40_000_000)];

/// The option `cpu-used` of libaom, from 0 (slowest) to 9, for each effort from 0 to 9.
pub(crate) const SPEEDS: [u8; 10] = [9, 8, 8, 7, 7, 6, 6, 5, 4, 3];

/// See [`crate::bytes_per_pixel`].
pub(crate) const fn bytes_per_pixel(has_ten_bits: bool, is_halved: bool) -> u64 {
    match (has_ten_bits, is_halved) {
        (true, _) => 41,
        (false, false) => 31,
        (false, true) => 19,
    }
}

/// The values of `base_q_idx` for the option `cq-level` of libaom, from 0 to 63 (`quantizer_to_qindex` in libaom).
const QUANTIZERS: [u8; 64] = [
    0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60, 64, 68, 72, 76, 80, 84, 88, 92, 96, 100,
    104, 108, 112, 116, 120, 124, 128, 132, 136, 140, 144, 148, 152, 156, 160, 164, 168, 172, 176, 180, 184,
    188, 192, 196, 200, 204, 208, 212, 216, 220, 224, 228, 232, 236, 240, 244, 249, 255,
];

/// The header of the open bitstream unit that begins a temporal unit. An AVIF file does not contain this unit.
const TEMPORAL_DELIMITER: [u8; 2] = [0x12, 0];

/// The first byte of an open bitstream unit that is a sequence header with a length.
const SEQUENCE_HEADER: u8 = 0x0a;

/// An open encoder. The value is in a box, because libaom stores pointers into it.
struct Encoder(Box<aom::aom_codec_ctx_t>);

impl Encoder {
    /// Opens an encoder of one image of the size of `picture`.
    fn open<S: Sample>(picture: &Picture<'_, S>) -> Result<Self, String> {
        let usage = aom::AOM_USAGE_ALL_INTRA;
        let mut config = MaybeUninit::<aom::aom_codec_enc_cfg_t>::zeroed();
        // SAFETY: the function returns a static value.
        let interface = unsafe { aom::aom_codec_av1_cx() };
        // SAFETY: `config` has the type that the function fills.
        let status = unsafe { aom::aom_codec_enc_config_default(interface, config.as_mut_ptr(), usage) };
        if status != aom::AOM_CODEC_OK {
            return Err("libaom cannot encode still pictures".to_owned());
        }
        // SAFETY: the type has only numbers and pointers, so all zeros are a valid value. The function above has
        // filled it.
        let mut config = unsafe { config.assume_init() };
        config.g_w = picture.width as u32;
        config.g_h = picture.height as u32;
        config.g_profile = u32::from(picture.chroma.is_some() && !picture.halved);
        config.g_bit_depth = u32::from(S::BIT_DEPTH);
        config.g_input_bit_depth = u32::from(S::BIT_DEPTH);
        config.g_threads = 1;
        config.g_limit = 1;
        config.g_lag_in_frames = 0;
        config.monochrome = u32::from(picture.chroma.is_none());
        config.rc_end_usage = aom::AOM_Q;
        config.rc_min_quantizer = 0;
        config.rc_max_quantizer = 63;
        // SAFETY: the type has only numbers and pointers, so all zeros are a valid value.
        let mut context = Box::new(unsafe { MaybeUninit::<aom::aom_codec_ctx_t>::zeroed().assume_init() });
        let is_high = S::BIT_DEPTH > 8;
        let flags = if is_high { aom::AOM_CODEC_USE_HIGHBITDEPTH as aom::aom_codec_flags_t } else { 0 };
        let version = aom::AOM_ENCODER_ABI_VERSION as c_int;
        // SAFETY: all pointers are valid during the call. The library copies the configuration.
        let status = unsafe {
            aom::aom_codec_enc_init_ver(&raw mut *context, interface, &raw const config, flags, version)
        };
        // On an error, the library has freed the encoder.
        if status == aom::AOM_CODEC_OK { Ok(Self(context)) } else { Err(message(status)) }
    }

    /// Sets an option whose type is an integer.
    fn set(&mut self, option: u32, value: i32) -> Result<(), String> {
        // SAFETY: the encoder is open, and all options that this module sets take one `int` or `unsigned`.
        let status = unsafe { aom::aom_codec_control(&raw mut *self.0, option as c_int, value) };
        self.check(status)
    }

    /// Encodes the only image, or, without an image, what is left. Returns the bytes that are complete.
    fn encode(&mut self, image: Option<&aom::aom_image_t>) -> Result<Vec<u8>, String> {
        let image = image.map_or(ptr::null(), ptr::from_ref);
        // SAFETY: the encoder is open. The planes of the image live until the end of the call.
        let status = unsafe { aom::aom_codec_encode(&raw mut *self.0, image, 0, 1, 0) };
        self.check(status)?;
        let (mut data, mut iterator) = (Vec::new(), ptr::null());
        loop {
            // SAFETY: the encoder is open, and `iterator` is changed only by this function.
            let packet = unsafe { aom::aom_codec_get_cx_data(&raw mut *self.0, &raw mut iterator) };
            // SAFETY: a pointer that is not null is valid until the next call of a function with this encoder.
            let Some(packet) = (unsafe { packet.as_ref() }) else { return Ok(data) };
            if packet.kind == aom::AOM_CODEC_CX_FRAME_PKT {
                // SAFETY: the field `frame` is the one that this kind of packet has. Its bytes are as valid as it.
                data.extend(unsafe {
                    std::slice::from_raw_parts(packet.data.frame.buf.cast(), packet.data.frame.sz)
                });
            }
        }
    }

    fn check(&self, status: aom::aom_codec_err_t) -> Result<(), String> {
        if status == aom::AOM_CODEC_OK {
            return Ok(());
        }
        // SAFETY: the encoder is open. A text that is not null lives until the next call with this encoder.
        let detail = unsafe {
            let text = aom::aom_codec_error_detail(&raw const *self.0);
            (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
        };
        Err(detail.unwrap_or_else(|| message(status)))
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: the encoder is open and is not used again.
        unsafe { aom::aom_codec_destroy(&raw mut *self.0) };
    }
}

/// Returns the text for an error code of libaom.
fn message(status: aom::aom_codec_err_t) -> String {
    // SAFETY: the function returns a static text for every number.
    unsafe { CStr::from_ptr(aom::aom_codec_err_to_string(status)) }.to_string_lossy().into_owned()
}

/// Encodes an image. See [`crate::encode`].
pub(crate) fn encode<S: Sample>(picture: &Picture<'_, S>, quantizer: u8, speed: u8) -> Result<Coded, String> {
    let mut encoder = Encoder::open(picture)?;
    let level = (1..QUANTIZERS.len()).min_by_key(|&level| QUANTIZERS[level].abs_diff(quantizer));
    let level = level.expect("the table has more than one row") as i32;
    for (option, value) in [
        (aom::AOME_SET_CPUUSED, i32::from(speed)),
        (aom::AOME_SET_CQ_LEVEL, level),
        (aom::AOME_SET_TUNING, aom::AOM_TUNE_SSIM as i32),
        (aom::AV1E_SET_COLOR_PRIMARIES, aom::AOM_CICP_CP_BT_709 as i32),
        (aom::AV1E_SET_TRANSFER_CHARACTERISTICS, aom::AOM_CICP_TC_SRGB as i32),
        (aom::AV1E_SET_MATRIX_COEFFICIENTS, aom::AOM_CICP_MC_BT_601 as i32),
        (aom::AV1E_SET_COLOR_RANGE, aom::AOM_CR_FULL_RANGE as i32),
        (aom::AV1E_SET_ROW_MT, 0),
    ] {
        encoder.set(option, value)?;
    }
    // The library reads two chroma planes of any content, even for a gray image.
    let gray = match picture.chroma {
        None => vec![picture.luma[0]; picture.width.div_ceil(2) * picture.height.div_ceil(2)],
        Some(_) => Vec::new(),
    };
    let image = image(picture, &gray);
    let mut data = encoder.encode(Some(&image))?;
    data.extend(encoder.encode(None)?);
    if data.starts_with(&TEMPORAL_DELIMITER) {
        data.drain(..TEMPORAL_DELIMITER.len());
    }
    let configuration = configuration(picture, &data)?;
    Ok(Coded { data, configuration, bit_depth: S::BIT_DEPTH })
}

/// Describes the planes of a picture to libaom. `gray` is used for both chroma planes of a gray picture.
fn image<S: Sample>(picture: &Picture<'_, S>, gray: &[S]) -> aom::aom_image_t {
    // SAFETY: the type has only numbers and pointers, so all zeros are a valid value.
    let mut image = unsafe { MaybeUninit::<aom::aom_image_t>::zeroed().assume_init() };
    let is_halved = picture.halved || picture.chroma.is_none();
    image.fmt = if is_halved { aom::AOM_IMG_FMT_I420 } else { aom::AOM_IMG_FMT_I444 };
    if S::BIT_DEPTH > 8 {
        image.fmt |= aom::AOM_IMG_FMT_HIGHBITDEPTH;
    }
    (image.w, image.h) = (picture.width as u32, picture.height as u32);
    (image.d_w, image.d_h) = (image.w, image.h);
    (image.x_chroma_shift, image.y_chroma_shift) = (u32::from(is_halved), u32::from(is_halved));
    image.bit_depth = u32::from(S::BIT_DEPTH);
    image.bps = (if is_halved { 12 } else { 24 }) * size_of::<S>() as c_int;
    image.monochrome = c_int::from(picture.chroma.is_none());
    image.range = aom::AOM_CR_FULL_RANGE;
    let [blue, red] = picture.chroma.unwrap_or([gray; 2]);
    // The library only reads the planes.
    image.planes = [picture.luma, blue, red].map(|plane| plane.as_ptr().cast::<u8>().cast_mut());
    let chroma_width = if is_halved { picture.width.div_ceil(2) } else { picture.width };
    image.stride = [picture.width, chroma_width, chroma_width].map(|width| (width * size_of::<S>()) as c_int);
    image
}

/// Returns the content of an `av1C` box (AV1 Codec ISO Media File Format Binding, section 2.3) for `data`, which
/// begins with a sequence header.
fn configuration<S: Sample>(picture: &Picture<'_, S>, data: &[u8]) -> Result<Vec<u8>, String> {
    // The open bitstream unit of the sequence header has a header byte, its length in one byte, and its content. The
    // content of a still picture begins with the profile (3 bits), two bits that are 1, and the level (5 bits).
    let &[SEQUENCE_HEADER, length, first, second, ..] = data else {
        return Err("the encoded image does not begin with a sequence header".to_owned());
    };
    let unit = data.get(..usize::from(length) + 2);
    let unit =
        unit.filter(|_| first & 0b11000 == 0b11000).ok_or("not the sequence header of a still picture")?;
    let level = ((first & 0b111) << 2) | (second >> 6);
    let is_gray = picture.chroma.is_none();
    let is_halved = picture.halved || is_gray;
    let mut flags = u8::from(S::BIT_DEPTH > 8) << 6;
    flags |= (u8::from(is_gray) << 4) | (u8::from(is_halved) << 3) | (u8::from(is_halved) << 2);
    let mut configuration = vec![0x81, (first & 0b1110_0000) | level, flags, 0];
    configuration.extend(unit);
    Ok(configuration)
}
