//! The file formats: their names, how to recognise them and what each becomes by default. How they are read and
//! written is in `codecs`.

use crate::codecs;
use crate::plan::Format;

/// What is known about a format without looking at a file.
struct Traits {
    /// Name in answers.
    name: &'static str,
    /// Name in requests.
    request_name: &'static str,
    extension: &'static str,
    media_type: &'static str,
    /// What an input of this format becomes when nothing is asked for.
    default_output: Format,
    /// Whether this build writes it.
    written: bool,
    /// Whether a file can have transparent pixels.
    alpha: bool,
    /// Whether a file that we write can have more than one frame.
    animated: bool,
}

/// THE FORMATS.
const fn traits(format: Format) -> Traits {
    use Format as F;
    const fn row(
        names: [&'static str; 4],
        default_output: Format,
        [written, alpha, animated]: [bool; 3],
    ) -> Traits {
        let [name, request_name, extension, media_type] = names;
        Traits { name, request_name, extension, media_type, default_output, written, alpha, animated }
    }
    match format {
        //        in answers, in requests, extension, media type                    becomes  written alpha  animated
        F::Jpeg => row(["JPEG", "jpeg", "jpg", "image/jpeg"], F::Jpeg, [true, false, false]),
        F::Png => row(["PNG", "png", "png", "image/png"], F::Png, [true, true, false]),
        F::Apng => row(["APNG", "apng", "apng", "image/apng"], F::Apng, [true, true, true]),
        F::Gif => row(["GIF", "gif", "gif", "image/gif"], F::Gif, [true, true, true]),
        F::Webp => row(["WebP", "webp", "webp", "image/webp"], F::Webp, [true, true, true]),
        F::Heic => row(["HEIC", "heic", "heic", "image/heic"], F::Heic, [true, true, false]),
        F::Avif => row(["AVIF", "avif", "avif", "image/avif"], F::Avif, [true, true, false]),
        F::Jxl => row(["JXL", "jxl", "jxl", "image/jxl"], F::Jxl, [true, true, false]),
        F::Jp2 => row(["JPEG 2000", "jp2", "jp2", "image/jp2"], F::Jp2, [true, true, false]),
        F::Tiff => row(["TIFF", "tiff", "tif", "image/tiff"], F::Jpeg, [true, true, false]),
        F::Ico => row(["ICO", "ico", "ico", "image/vnd.microsoft.icon"], F::Png, [true, true, false]),
        F::Psd => row(["PSD", "psd", "psd", "image/vnd.adobe.photoshop"], F::Jpeg, [false, true, false]),
        F::Bmp => row(["BMP", "bmp", "bmp", "image/bmp"], F::Jpeg, [true, true, false]),
        F::Svg => row(["SVG", "svg", "svg", "image/svg+xml"], F::Png, [false, true, false]),
        F::Mp4 => row(["MP4", "mp4", "mp4", "video/mp4"], F::Mp4, [true, false, true]),
        F::Webm => row(["WebM", "webm", "webm", "video/webm"], F::Webm, [true, false, true]),
    }
}

impl Format {
    /// Every format, read or written.
    pub const ALL: [Self; 16] = [
        Self::Jpeg,
        Self::Png,
        Self::Apng,
        Self::Gif,
        Self::Webp,
        Self::Heic,
        Self::Avif,
        Self::Jxl,
        Self::Jp2,
        Self::Tiff,
        Self::Ico,
        Self::Psd,
        Self::Bmp,
        Self::Svg,
        Self::Mp4,
        Self::Webm,
    ];

    /// Every format that this build writes.
    pub fn written() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|&format| traits(format).written)
    }

    /// Name in answers, e.g. `JPEG`, `WebP`.
    pub fn name(self) -> &'static str {
        traits(self).name
    }

    /// Name in requests.
    pub fn request_name(self) -> &'static str {
        traits(self).request_name
    }

    /// File name extension without the dot.
    pub fn extension(self) -> &'static str {
        traits(self).extension
    }

    /// Media type for `Content-Type`.
    pub fn media_type(self) -> &'static str {
        traits(self).media_type
    }

    /// The format an input of this format becomes when none is asked for.
    pub fn default_output(self) -> Self {
        traits(self).default_output
    }

    /// Whether a file of this format can have transparent pixels.
    pub fn has_alpha(self) -> bool {
        traits(self).alpha
    }

    /// Whether a file of this format that we write can have more than one frame.
    pub fn is_animated(self) -> bool {
        traits(self).animated
    }
}

/// Recognises a readable format by the first bytes.
pub fn sniff(input: &[u8]) -> Option<Format> {
    if input.starts_with(b"\xff\xd8") {
        Some(Format::Jpeg)
    } else if input.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some(if png_is_animated(input) { Format::Apng } else { Format::Png })
    } else if input.starts_with(b"GIF87a") || input.starts_with(b"GIF89a") {
        Some(Format::Gif)
    } else if is_riff(input, b"WEBP") {
        Some(Format::Webp)
    } else if input.starts_with(b"BM") {
        Some(Format::Bmp)
    } else if codecs::is_icon(input) {
        Some(Format::Ico)
    } else if matches!(input.first_chunk(), Some(b"II*\0" | b"MM\0*" | b"II+\0" | b"MM\0+")) {
        Some(Format::Tiff)
    } else if input.starts_with(b"8BPS") {
        Some(Format::Psd)
    } else if codecs::svg::is_svg(input) {
        Some(Format::Svg)
    } else {
        codecs::sniff_boxes(input)
    }
}

/// Whether a PNG announces an animation: by an `acTL` chunk, which must come before the first picture data.
fn png_is_animated(input: &[u8]) -> bool {
    let mut at = 8;
    while let Some((length, kind)) = input.get(at..).and_then(|rest| rest.split_first_chunk::<4>()) {
        match kind.first_chunk() {
            Some(b"acTL") => return true,
            None | Some(b"IDAT" | b"IEND") => return false,
            Some(_) => at = at.saturating_add(12).saturating_add(u32::from_be_bytes(*length) as usize),
        }
    }
    false
}

/// Names what bytes that are no readable image look like, for the error message.
pub(crate) fn sniff_foreign(input: &[u8]) -> Option<&'static str> {
    const SIGNATURES: &[(&[u8], &str)] = &[
        (b"%PDF-", "a PDF document"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"\x1f\x8b", "gzip data"),
        (b"\0\0\x01\0", "an ICO image"),
        (b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
        (b"ID3", "an MP3 sound"),
        (b"OggS", "an Ogg stream"),
        (b"fLaC", "a FLAC sound"),
        (b"\x7fELF", "a program"),
        (b"MZ", "a program"),
    ];
    if let Some(&(_, name)) = SIGNATURES.iter().find(|(signature, _)| input.starts_with(signature)) {
        return Some(name);
    }
    if is_riff(input, b"WAVE") {
        return Some("a WAV sound");
    }
    if is_riff(input, b"AVI ") {
        return Some("an AVI video");
    }
    if input.get(4..8) == Some(b"ftyp") {
        return Some(match input.get(8..12) {
            Some(b"avif" | b"avis") => "an AVIF image",
            Some(b"heic" | b"heix" | b"hevc" | b"mif1" | b"msf1") => "a HEIC image",
            _ => "an MP4 video",
        });
    }
    sniff_text(input)
}

/// Names markup by its first tag.
fn sniff_text(input: &[u8]) -> Option<&'static str> {
    let start = input.trim_ascii_start();
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    let head = start[..start.len().min(512)].to_ascii_lowercase();
    if head.starts_with(b"<!doctype html") || head.starts_with(b"<html") {
        Some("an HTML page")
    } else if head.starts_with(b"<?xml") {
        Some("an XML document")
    } else if head.starts_with(b"{") || head.starts_with(b"[") {
        Some("a JSON document")
    } else {
        None
    }
}

fn is_riff(input: &[u8], form: &[u8; 4]) -> bool {
    input.starts_with(b"RIFF") && input.get(8..12) == Some(form)
}
