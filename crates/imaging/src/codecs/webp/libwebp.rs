//! The calls into libwebp's encoder: the only `unsafe` code of this crate. What it is given was made by us and checked
//! here; no byte of an input reaches it.

use std::mem::MaybeUninit;

use libwebp_sys as sys;

/// How to encode.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    /// Keep every visible pixel as it is.
    pub(super) lossless: bool,
    /// Lossy: quality, 1–100; lossless: effort, 0–100.
    pub(super) quality: u8,
    /// 0 (fast) to 6 (small).
    pub(super) method: u8,
}

/// A picture on libwebp's side, freed when dropped.
struct Picture(sys::WebPPicture);

impl Drop for Picture {
    fn drop(&mut self) {
        // SAFETY: the picture was initialised by `WebPPictureInit`, so its pointers are null or libwebp's own.
        unsafe { sys::WebPPictureFree(&raw mut self.0) };
    }
}

/// The growing output on libwebp's side, freed when dropped.
struct Writer(sys::WebPMemoryWriter);

impl Drop for Writer {
    fn drop(&mut self) {
        // SAFETY: the writer was initialised by `WebPMemoryWriterInit`, so its block is null or libwebp's own.
        unsafe { sys::WebPMemoryWriterClear(&raw mut self.0) };
    }
}

/// Encodes packed rows of red, green, blue and, with `alpha`, straight alpha. An error in words.
///
/// # Panics
/// When `pixels` has another length than the sides say: a bug of ours.
pub(super) fn encode(
    width: u32,
    height: u32,
    pixels: &[u8],
    alpha: bool,
    settings: Settings,
) -> Result<Vec<u8>, String> {
    let n_channels = if alpha { 4 } else { 3 };
    assert_eq!(pixels.len(), width as usize * height as usize * n_channels, "buffer and size disagree");
    let (Ok(columns), Ok(rows)) = (i32::try_from(width), i32::try_from(height)) else {
        return Err("the picture is too large".to_owned());
    };
    let stride = i32::try_from(width as usize * n_channels).map_err(|_| "the picture is too wide")?;
    let config = config(settings)?;
    let mut picture =
        Picture(sys::WebPPicture::new().map_err(|()| "libwebp has another version than its header")?);
    picture.0.width = columns;
    picture.0.height = rows;
    picture.0.use_argb = settings.lossless.into();
    let mut writer = MaybeUninit::uninit();
    // SAFETY: `WebPMemoryWriterInit` writes every field of the struct it is given.
    let mut writer = unsafe {
        sys::WebPMemoryWriterInit(writer.as_mut_ptr());
        Writer(writer.assume_init())
    };
    // SAFETY: `pixels` has `rows` rows of `stride` bytes (asserted above), and they are only read, before the call ends.
    let imported = unsafe {
        if alpha {
            sys::WebPPictureImportRGBA(&raw mut picture.0, pixels.as_ptr(), stride)
        } else {
            sys::WebPPictureImportRGB(&raw mut picture.0, pixels.as_ptr(), stride)
        }
    };
    if imported == 0 {
        return Err(format!("{:?}", picture.0.error_code));
    }
    picture.0.writer = Some(sys::WebPMemoryWrite);
    picture.0.custom_ptr = (&raw mut writer.0).cast();
    // SAFETY: the configuration was validated, the picture holds imported pixels, and `custom_ptr` points to a live
    // `WebPMemoryWriter`, which is what `WebPMemoryWrite` takes it for.
    let encoded = unsafe { sys::WebPEncode(&raw const config, &raw mut picture.0) };
    if encoded == 0 {
        return Err(format!("{:?}", picture.0.error_code));
    }
    if writer.0.mem.is_null() {
        return Err("libwebp wrote nothing".to_owned());
    }
    // SAFETY: the writer holds `size` initialised bytes at `mem`, not null, and nobody else refers to them.
    Ok(unsafe { std::slice::from_raw_parts(writer.0.mem, writer.0.size) }.to_vec())
}

fn config(settings: Settings) -> Result<sys::WebPConfig, String> {
    let mut config = sys::WebPConfig::new().map_err(|()| "libwebp has another version than its header")?;
    config.lossless = settings.lossless.into();
    config.quality = settings.quality.into();
    config.method = settings.method.into();
    config.alpha_quality = 100;
    // SAFETY: the configuration is initialised and only read.
    if unsafe { sys::WebPValidateConfig(&raw const config) } == 0 {
        return Err(format!("libwebp refuses {settings:?}"));
    }
    Ok(config)
}
