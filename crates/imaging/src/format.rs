//! The file formats: their names, how to recognise them and what each becomes by default. How they are read and
//! written is in `codecs`.

use crate::plan::Format;

impl Format {
    /// Name in answers, e.g. `JPEG`, `WebP`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Apng => "APNG",
            Self::Gif => "GIF",
            Self::Webp => "WebP",
        }
    }

    /// File name extension without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Apng => "apng",
            Self::Gif => "gif",
            Self::Webp => "webp",
        }
    }

    /// Media type for `Content-Type`.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Apng => "image/apng",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
        }
    }

    /// The format an input of this format becomes when none is asked for.
    pub fn default_output(self) -> Self {
        match self {
            Self::Jpeg | Self::Png | Self::Apng | Self::Gif | Self::Webp => self,
        }
    }

    /// Whether a file of this format can have transparent pixels.
    pub fn has_alpha(self) -> bool {
        !matches!(self, Self::Jpeg)
    }

    /// Whether a file of this format can have more than one frame.
    pub fn is_animated(self) -> bool {
        matches!(self, Self::Apng | Self::Gif | Self::Webp)
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
    } else {
        None
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
        (b"BM", "a BMP image"),
        (b"II*\0", "a TIFF image"),
        (b"MM\0*", "a TIFF image"),
        (b"II+\0", "a BigTIFF image"),
        (b"MM\0+", "a BigTIFF image"),
        (b"\0\0\x01\0", "an ICO image"),
        (b"8BPS", "a PSD image"),
        (b"\xff\x0a", "a JPEG XL image"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL image"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 image"),
        (b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
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
    } else if head.starts_with(b"<svg") || (head.starts_with(b"<?xml") && contains(&head, b"<svg")) {
        Some("an SVG image")
    } else if head.starts_with(b"<?xml") {
        Some("an XML document")
    } else if head.starts_with(b"{") || head.starts_with(b"[") {
        Some("a JSON document")
    } else {
        None
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

fn is_riff(input: &[u8], form: &[u8; 4]) -> bool {
    input.starts_with(b"RIFF") && input.get(8..12) == Some(form)
}
