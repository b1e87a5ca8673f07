//! Declares the objects that describe the result and its delivery: `output`, `response`, `webhook` and `cdn`.

use pixaven_imaging::plan::{KeptMetadata, TargetFormat};
use url::Url;

use super::object_schema;
use crate::work::request::ResponseMode;
use crate::work::request::headers::HeaderFields;
use crate::work::request::value_types::{Boolean, Choice, Integer, OutputFormat, WebUrl};

/// The encoding of a JPEG: `true` means baseline, `false` means progressive.
const ENCODING: Choice<bool> =
    Choice { keywords: &[("progressive", false), ("baseline", true)], unsupported: &[] };
const METADATA: Choice<KeptMetadata> = Choice {
    keywords: &[
        ("none", KeptMetadata::None),
        ("copyright", KeptMetadata::Copyright),
        ("all", KeptMetadata::All),
    ],
    unsupported: &[],
};
/// The highest value of `max_bytes`, in bytes. No result is larger than this value.
const MAX_RESULT_BYTES: u64 = 1_000_000_000;

object_schema! {
    /// Sets how the result is encoded.
    ///
    /// The format `auto` writes the smallest of AVIF (if this build writes AVIF), WebP, and JPEG or PNG, each
    /// as good as a JPEG of `quality`: each file is decoded and compared with the picture. A drawing is also
    /// written without loss. Of an animation, `auto` writes the smaller of WebP and APNG.
    ///
    /// At the same `quality`, a picture looks equally good as AVIF, HEIC, JPEG, JPEG 2000, JPEG XL and WebP. The
    /// scale is that of JPEG. From 93 on, WebP looks worse than JPEG, because it has half the chroma resolution.
    ///
    /// `target` is a score of the metric SSIMULACRA2, which replaces `quality`: 90 if no difference is visible, about
    /// 80 at `quality` 84, 70 at 65, and 50 if the loss is plain. The server encodes up to three times, and writes
    /// the file with the lowest quality that reaches `target`, with a tolerance of half a point. Parts of a picture
    /// stand for the whole if it has more than half a megapixel. If no file reaches `target`, the best one is written
    /// with a warning; `auto` then writes a lossless file. `target` is for single pictures in one of these six
    /// formats or `auto`. It cannot be combined with `quality`, `lossless: true` or `max_bytes`.
    ///
    /// `lossless` matters for formats with both kinds of compression, such as WebP. JPEG is never lossless.
    /// PNG is lossless unless the request has a `quality` below 100 or `lossless: false`, which means quality
    /// 90. Such a PNG has a palette of at most 256 colours. If no palette is good enough for the quality, the
    /// PNG is lossless.
    ///
    /// `effort` trades processor time for bytes. A lossless file has the same pixels at every effort. PNG uses
    /// effort 3 by default, and tries more filters from 6 on. WebP uses 5 by default, and from 7 on the
    /// slowest method of its encoder, which keeps edges between saturated colours sharp. AVIF uses less effort
    /// for larger pictures. An AVIF of quality 80, its default, looks as good as a JPEG of quality 80.
    ///
    /// `max_bytes` lowers the quality until the file fits, with at most three encodings. The search begins at
    /// `quality` or at the default quality. A lossy PNG is tried with palettes of 256, 128, 64, 32 and 16 colours
    /// instead. If no attempt fits, the smallest file is written with a warning. If the format has no quality, the
    /// request fails, and the message gives the size of the file.
    ///
    /// `metadata` is written to JPEG, PNG, APNG and WebP. For another format, a warning says that metadata
    /// was left out. `copyright` keeps the artist and the copyright of EXIF, the creators and the rights of
    /// XMP, and the author and the copyright of IPTC and of the texts of a PNG. `all` keeps EXIF and XMP,
    /// with corrected orientation, size and colour space, but without thumbnails and maker notes. Pixels are
    /// always converted to sRGB, and no colour profile is written.
    Output {
        format: TargetFormat = OutputFormat, "", "the file format; without it the format follows from the image's format";
        quality: u8 = Integer(1_u8, 100), "", "the quality; the default depends on the format";
        encoding: bool = ENCODING, "progressive", "JPEG: progressive, in scans of growing detail, or baseline, from top to bottom";
        lossless: bool = Boolean, "", "true keeps every pixel, if the format can do so; false allows loss in a PNG; the default depends on the format";
        effort: u8 = Integer(0_u8, 9), "", "from fast (0) to small (9); the default depends on the format";
        max_bytes: u64 = Integer(1_u64, MAX_RESULT_BYTES), "", "the largest file size in bytes; the quality is lowered until the file fits";
        target: u8 = Integer(30_u8, 95), "", "the wanted SSIMULACRA2 score, instead of `quality`";
        metadata: KeptMetadata = METADATA, "none", "which metadata of the image is kept";
        delay: u32 = Integer(10_u32, 60_000), "", "animations: milliseconds per frame; without it as in the image";
        plays as "loop": u16 =
            Integer(0_u16, u16::MAX), "", "animations: how often the animation plays, 0 for ever; without it as in the image";
    }
}

const RESPONSE_MODE: Choice<ResponseMode> =
    Choice { keywords: &[("json", ResponseMode::Json), ("binary", ResponseMode::Binary)], unsupported: &[] };

object_schema! {
    /// Chooses the kind of answer. The header `X-Pixaven-Binary` also requests a binary answer, with every
    /// value except `0` and `false`.
    ///
    /// A binary answer has the envelope in two headers, `X-Pixaven-Meta` and `X-Pixaven-Metadata`. The result
    /// is stored as with JSON, and `output.url` of the envelope names it. The answer to a failed request has
    /// an empty body and the same two headers.
    Response {
        mode: ResponseMode = RESPONSE_MODE, "json", "`json`: the body is the envelope; `binary`: the body is the result itself";
    }
}

object_schema! {
    /// With this object, the server answers at once and sends the result to a receiver later.
    Webhook {
        url: Url = WebUrl, "", "the URL of the receiver, which may contain credentials; required";
        delay: i64 = Integer(0_i64, 604_800), "0", "seconds from the end of processing to the first attempt";
        headers: Vec<(String, String)> = HeaderFields, "", "HTTP headers to add to each attempt";
        expires: i64 = Integer(1_i64, 5_184_000), "", "seconds after which the server stops trying, counted from the time at which the first attempt is due";
        retry: bool = Boolean, "true", "whether the server tries again after a failed attempt";
    }
}

object_schema! {
    /// Delivers the result through a CDN. Without a configured CDN, and together with `store`, this object has no
    /// effect.
    Cdn {
        push: bool = Boolean, "true", "whether the URL of the result points to the CDN";
    }
}
