//! Calls the encoder of libwebp. Its input is only pixels and settings that this crate produced and checked;
//! no byte of an input file reaches libwebp.

use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use libwebp_sys as sys;

/// The error for a libwebp library whose version differs from the version of its C headers. The error cannot
/// occur, because one package contains both.
const OTHER_VERSION: &str = "libwebp has another version than its header";

/// The settings of the libwebp encoder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    /// Whether every visible pixel keeps its colour and alpha.
    pub(super) lossless: bool,
    /// The quality, 1–100, if the file is lossy; the effort, 0–100, if the file is lossless.
    pub(super) quality: f32,
    /// The compression method, 0 (fast) to 6 (small).
    pub(super) method: u8,
    /// Whether chroma is reduced by an iterative method that keeps sharp edges between saturated colours, if
    /// the file is lossy.
    pub(super) sharp_yuv: bool,
}

/// Rows of pixels with straight alpha, without padding. A pixel is RGBA if `alpha` is true, else RGB.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pixels<'a> {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) data: &'a [u8],
    pub(super) alpha: bool,
}

/// Encodes one picture. The error is a message for the user of the API.
///
/// # Panics
/// Panics when the length of the buffer does not match the size, which is a bug of the caller.
pub(super) fn encode(pixels: Pixels<'_>, settings: Settings) -> Result<Vec<u8>, String> {
    let config = config(settings)?;
    // Lossless coding and the sharp conversion need ARGB pixels, other lossy coding needs YUV pixels. The
    // pixels are imported directly in the needed form, so that libwebp does not have to convert them twice.
    let mut picture = Picture::import(pixels, settings.lossless || settings.sharp_yuv)?;
    let mut writer = MaybeUninit::uninit();
    // SAFETY: `WebPMemoryWriterInit` writes every field of the struct to which its argument refers.
    let mut writer = unsafe {
        sys::WebPMemoryWriterInit(writer.as_mut_ptr());
        Writer(writer.assume_init())
    };
    picture.0.writer = Some(sys::WebPMemoryWrite);
    picture.0.custom_ptr = (&raw mut writer.0).cast();
    // SAFETY: the configuration was validated, the picture holds imported pixels, and `custom_ptr` points to
    // a live `WebPMemoryWriter`, as `WebPMemoryWrite` requires.
    let encoded = unsafe { sys::WebPEncode(&raw const config, &raw mut picture.0) };
    if encoded == 0 {
        return Err(format!("{:?}", picture.0.error_code));
    }
    if writer.0.mem.is_null() {
        return Err("libwebp wrote nothing".to_owned());
    }
    // SAFETY: the writer holds `size` initialised bytes at `mem`, which is not null, and no other code refers
    // to these bytes.
    Ok(unsafe { std::slice::from_raw_parts(writer.0.mem, writer.0.size) }.to_vec())
}

/// An encoder that receives an animation frame by frame.
pub(super) struct AnimationEncoder {
    raw: NonNull<sys::WebPAnimEncoder>,
    config: sys::WebPConfig,
}

impl AnimationEncoder {
    /// Begins an animation that plays `plays` times. 0 means that it repeats endlessly.
    pub(super) fn new(width: u32, height: u32, plays: u16, settings: Settings) -> Result<Self, String> {
        let config = config(settings)?;
        let (columns, rows) = sides(width, height)?;
        let version = sys::WebPGetMuxABIVersion();
        let mut options = MaybeUninit::uninit();
        // SAFETY: if `WebPAnimEncoderOptionsInitInternal` does not return 0, it has written every field of
        // the struct.
        let mut options = unsafe {
            if sys::WebPAnimEncoderOptionsInitInternal(options.as_mut_ptr(), version) == 0 {
                return Err(OTHER_VERSION.to_owned());
            }
            options.assume_init()
        };
        options.anim_params.loop_count = plays.into();
        // SAFETY: `options` is initialised, and libwebp only reads it during the call.
        let raw = unsafe { sys::WebPAnimEncoderNewInternal(columns, rows, &raw const options, version) };
        let raw = NonNull::new(raw).ok_or("libwebp cannot begin an animation")?;
        Ok(Self { raw, config })
    }

    /// Adds a frame that is shown from `time_ms` milliseconds after the start on.
    ///
    /// # Panics
    /// Panics when the length of the buffer does not match the size, which is a bug of the caller.
    pub(super) fn add(&mut self, pixels: Pixels<'_>, time_ms: u32) -> Result<(), String> {
        // The pixels are imported as ARGB, because the encoder of libwebp compares frames in this form.
        let mut picture = Picture::import(pixels, true)?;
        self.add_raw(&raw mut picture.0, time_ms)
    }

    /// Finishes the animation. The last frame is shown until `end_ms` milliseconds after the start.
    pub(super) fn finish(mut self, end_ms: u32) -> Result<Vec<u8>, String> {
        self.add_raw(ptr::null_mut(), end_ms)?;
        let mut data = Data(sys::WebPData { bytes: ptr::null(), size: 0 });
        // SAFETY: the encoder is live, and `data` is an empty block for it to fill.
        let assembled = unsafe { sys::WebPAnimEncoderAssemble(self.raw.as_ptr(), &raw mut data.0) };
        if assembled == 0 || data.0.bytes.is_null() {
            return Err(self.error());
        }
        // SAFETY: the block holds `size` initialised bytes at an address that is not null, and no other code
        // refers to these bytes.
        Ok(unsafe { std::slice::from_raw_parts(data.0.bytes, data.0.size) }.to_vec())
    }

    /// Adds a picture to the animation. A null pointer marks the end of the animation.
    fn add_raw(&mut self, picture: *mut sys::WebPPicture, time_ms: u32) -> Result<(), String> {
        let time = i32::try_from(time_ms).map_err(|_| "the animation is too long")?;
        // SAFETY: the encoder is live; `picture` is null or a live picture with imported pixels, used during
        // the call.
        let added =
            unsafe { sys::WebPAnimEncoderAdd(self.raw.as_ptr(), picture, time, &raw const self.config) };
        if added == 0 { Err(self.error()) } else { Ok(()) }
    }

    /// Returns the message of the last error of the encoder.
    fn error(&self) -> String {
        // SAFETY: the encoder is live. The text belongs to the encoder, ends with a zero byte and is copied
        // before the next call of the encoder.
        unsafe { std::ffi::CStr::from_ptr(sys::WebPAnimEncoderGetError(self.raw.as_ptr())) }
            .to_string_lossy()
            .into_owned()
    }
}

impl Drop for AnimationEncoder {
    fn drop(&mut self) {
        // SAFETY: the encoder is live, and no other code has a pointer to it.
        unsafe { sys::WebPAnimEncoderDelete(self.raw.as_ptr()) };
    }
}

/// A picture in memory that libwebp allocated. The memory is freed when this value is dropped.
struct Picture(sys::WebPPicture);

impl Picture {
    /// Copies pixels into a picture of libwebp, in the form ARGB or YUV.
    fn import(pixels: Pixels<'_>, argb: bool) -> Result<Self, String> {
        let Pixels { width, height, data, alpha } = pixels;
        let n_channels = if alpha { 4 } else { 3 };
        assert_eq!(data.len(), width as usize * height as usize * n_channels, "buffer and size disagree");
        let stride = i32::try_from(width as usize * n_channels).map_err(|_| "the picture is too wide")?;
        let mut picture = Self(sys::WebPPicture::new().map_err(|()| OTHER_VERSION)?);
        (picture.0.width, picture.0.height) = sides(width, height)?;
        picture.0.use_argb = argb.into();
        // SAFETY: `data` has `height` rows of `stride` bytes (asserted above), only read before the call
        // ends.
        let imported = unsafe {
            if alpha {
                sys::WebPPictureImportRGBA(&raw mut picture.0, data.as_ptr(), stride)
            } else {
                sys::WebPPictureImportRGB(&raw mut picture.0, data.as_ptr(), stride)
            }
        };
        if imported == 0 { Err(format!("{:?}", picture.0.error_code)) } else { Ok(picture) }
    }
}

impl Drop for Picture {
    fn drop(&mut self) {
        // SAFETY: the picture was initialised by `WebPPictureInit`, so each of its pointers is null or refers
        // to memory of libwebp.
        unsafe { sys::WebPPictureFree(&raw mut self.0) };
    }
}

/// An output buffer of libwebp. Its memory is freed when this value is dropped.
struct Writer(sys::WebPMemoryWriter);

impl Drop for Writer {
    fn drop(&mut self) {
        // SAFETY: the writer was initialised by `WebPMemoryWriterInit`, so its block is null or was allocated
        // by libwebp.
        unsafe { sys::WebPMemoryWriterClear(&raw mut self.0) };
    }
}

/// A finished file in memory that libwebp allocated. The memory is freed when this value is dropped.
struct Data(sys::WebPData);

impl Drop for Data {
    fn drop(&mut self) {
        // SAFETY: the block is null or was allocated by libwebp for its caller.
        unsafe { sys::WebPFree(self.0.bytes.cast_mut().cast()) };
    }
}

/// Converts width and height to the C integers that libwebp takes.
fn sides(width: u32, height: u32) -> Result<(i32, i32), String> {
    match (i32::try_from(width), i32::try_from(height)) {
        (Ok(columns), Ok(rows)) => Ok((columns, rows)),
        _ => Err("the picture is too large".to_owned()),
    }
}

/// Creates a configuration of libwebp and lets libwebp validate it.
fn config(settings: Settings) -> Result<sys::WebPConfig, String> {
    let mut config = sys::WebPConfig::new().map_err(|()| OTHER_VERSION)?;
    config.lossless = settings.lossless.into();
    config.quality = settings.quality;
    config.method = settings.method.into();
    config.use_sharp_yuv = settings.sharp_yuv.into();
    config.alpha_quality = 100;
    // SAFETY: the configuration is initialised, and libwebp only reads it.
    if unsafe { sys::WebPValidateConfig(&raw const config) } == 0 {
        return Err(format!("libwebp refuses {settings:?}"));
    }
    Ok(config)
}
