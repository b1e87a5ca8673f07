//! Recognises the format of a file by its first bytes.

use super::Format;
use super::heif::heif_format;
use super::signature::{
    ICO_ENTRY_BYTES, ICO_HEADER_BYTES, JP2_CODESTREAM, JP2_CONTAINER, JXL_CODESTREAM, JXL_CONTAINER, PNG,
};
use super::svg::is_svg;
use crate::bytes::{u16_le, u32_le};

/// Recognises a format that this build reads. Returns `None` for every other file.
pub fn sniff(input: &[u8]) -> Option<Format> {
    sniff_binary(input).or_else(|| is_svg(input).then_some(Format::Svg))
}

/// Recognises every format except SVG, because an SVG file may have to be decompressed first.
pub(crate) fn sniff_binary(input: &[u8]) -> Option<Format> {
    if input.starts_with(b"\xff\xd8") {
        Some(Format::Jpeg)
    } else if input.starts_with(PNG) {
        Some(if png_is_animated(input) { Format::Apng } else { Format::Png })
    } else if input.starts_with(b"GIF87a") || input.starts_with(b"GIF89a") {
        Some(Format::Gif)
    } else if is_riff(input, b"WEBP") {
        Some(Format::Webp)
    } else if input.starts_with(b"BM") {
        Some(Format::Bmp)
    } else if is_icon(input) {
        Some(Format::Ico)
    } else if matches!(input.first_chunk(), Some(b"II*\0" | b"MM\0*" | b"II+\0" | b"MM\0+")) {
        Some(Format::Tiff)
    } else if input.starts_with(b"8BPS") {
        Some(Format::Psd)
    } else if input.starts_with(JXL_CONTAINER) || input.starts_with(JXL_CODESTREAM) {
        Some(Format::Jxl)
    } else if input.starts_with(JP2_CONTAINER) || input.starts_with(JP2_CODESTREAM) {
        Some(Format::Jp2)
    } else {
        heif_format(input)
    }
}

/// Whether a PNG has an `acTL` chunk, which announces an animation. The chunk must precede the first picture
/// data.
fn png_is_animated(input: &[u8]) -> bool {
    let mut at = PNG.len();
    while let Some((length, kind)) = input.get(at..).and_then(|rest| rest.split_first_chunk::<4>()) {
        match kind.first_chunk() {
            Some(b"acTL") => return true,
            None | Some(b"IDAT" | b"IEND") => return false,
            Some(_) => at = at.saturating_add(12).saturating_add(u32::from_be_bytes(*length) as usize),
        }
    }
    false
}

/// Whether the file begins like an icon or a cursor. The first four bytes are also common in files of other
/// formats. Therefore the first directory entry is checked too: its reserved byte must be zero, and its
/// picture must lie after the directory.
fn is_icon(input: &[u8]) -> bool {
    let starts = input.starts_with(b"\0\0\x01\0") || input.starts_with(b"\0\0\x02\0");
    let n_entries = usize::from(u16_le(input, 4).unwrap_or(0));
    let picture_at = u32_le(input, ICO_HEADER_BYTES + 12).map_or(0, |at| at as usize);
    starts
        && n_entries > 0
        && input.get(ICO_HEADER_BYTES + 3) == Some(&0)
        && picture_at >= ICO_HEADER_BYTES + ICO_ENTRY_BYTES * n_entries
}

/// Names the kind of a file that this build does not read, e.g. `a PDF document`, for the error message.
/// Returns `None` if the kind is unknown.
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
            Some(b"crx ") => "a CR3 raw photograph",
            Some(b"qt  ") => "a QuickTime video",
            Some(b"M4A " | b"M4B ") => "an MP4 sound",
            _ => "an MP4 video",
        });
    }
    sniff_text(input)
}

/// Names the kind of a text file, recognised by its first characters.
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

/// Whether the file is a RIFF container with the form type `form`.
fn is_riff(input: &[u8], form: &[u8; 4]) -> bool {
    input.starts_with(b"RIFF") && input.get(8..12) == Some(form)
}
