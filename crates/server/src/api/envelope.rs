//! The envelope: the JSON object of every answer and of every webhook payload, and its one-line form for a
//! header. This module does no I/O.

use pixaven_imaging::FileInfo;
use pixaven_imaging::geometry::Rect;
use serde::Serialize;
use uuid::Uuid;

use super::error::ApiError;
use crate::work::error::WorkError;
use crate::work::payload::{FailurePayload, PayloadFormat};
use crate::work::pipeline::ProcessedImage;

#[derive(Serialize)]
struct SuccessEnvelope<'a> {
    success: bool,
    code: u16,
    id: Uuid,
    input: FileMembers<'a>,
    output: FileMembers<'a>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
}

#[derive(Serialize)]
struct FileMembers<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    name: &'a str,
    format: &'static str,
    width: u32,
    height: u32,
    colorspace: pixaven_imaging::Colorspace,
    interlaced: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    sampling: Option<&'a str>,
    depth: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    quality: Option<u8>,
    bytes: u64,
    sha1: &'a str,
    frames: u32,
    alpha: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    faces: Option<&'a [Rect]>,
}

impl<'a> FileMembers<'a> {
    fn new(facts: &'a FileInfo, name: &'a str, url: Option<&'a str>) -> Self {
        Self {
            url,
            name,
            format: facts.format.name(),
            width: facts.width,
            height: facts.height,
            colorspace: facts.colorspace,
            interlaced: facts.interlaced,
            sampling: facts.sampling.as_deref(),
            depth: facts.depth,
            quality: facts.quality,
            bytes: facts.bytes,
            sha1: &facts.sha1,
            frames: facts.frames,
            alpha: facts.alpha,
            faces: None,
        }
    }
}

#[derive(Serialize)]
struct FailureEnvelope<'a> {
    success: bool,
    code: u16,
    id: Uuid,
    error: &'static str,
    message: &'a str,
}

#[derive(Serialize)]
struct MembersEnvelope<'a, T: Serialize> {
    success: bool,
    code: u16,
    id: Uuid,
    #[serde(flatten)]
    rest: &'a T,
}

/// The envelope of a processed image. `url` is the download URL of the result.
pub fn success(id: Uuid, image: &ProcessedImage, url: &str) -> String {
    render(&SuccessEnvelope {
        success: true,
        code: 200,
        id,
        input: FileMembers {
            faces: image.faces.as_deref(),
            ..FileMembers::new(&image.input, &image.input_name, None)
        },
        output: FileMembers::new(&image.output, &image.output_name, Some(url)),
        warnings: &image.warnings,
    })
}

/// Renders the envelope of a failure.
pub fn failure(id: Uuid, error: &ApiError) -> String {
    let row = error.kind().row();
    render(&FailureEnvelope {
        success: false,
        code: row.status.as_u16(),
        id,
        error: row.word,
        message: error.message(),
    })
}

/// Renders the envelope of a success with the status `code`. `members` are the members of the JSON object
/// that only this kind of answer has.
pub fn with_members(id: Uuid, code: u16, rest: &impl Serialize) -> String {
    render(&MembersEnvelope { success: true, code, id, rest })
}

/// Converts JSON to one line of printable ASCII, for a header. Every other character becomes `\uXXXX`; a
/// character above U+FFFF becomes a surrogate pair.
pub fn ascii_line(json: &str) -> String {
    use std::fmt::Write as _;
    let mut line = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() && !c.is_ascii_control() {
            line.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(line, "\\u{unit:04x}").expect("writing to a string cannot fail");
            }
        }
    }
    line
}

/// Renders the payload of a webhook as an envelope.
pub struct EnvelopePayload;

impl PayloadFormat for EnvelopePayload {
    fn success(&self, id: Uuid, image: &ProcessedImage, url: &str) -> String {
        success(id, image, url)
    }

    fn failure(&self, id: Uuid, error: WorkError) -> FailurePayload {
        let error = ApiError::from(error);
        FailurePayload {
            json: failure(id, &error),
            error_word: error.kind().row().word,
            message: error.message().to_owned(),
        }
    }
}

fn render(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings and numbers can always be written as JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::error::ErrorKind;

    #[test]
    fn the_json_of_an_error_response_begins_with_the_members_success_code_and_id() {
        let json = failure(Uuid::nil(), &ApiError::new(ErrorKind::InvalidRequest, "resize.width must be …"));
        assert_eq!(
            json,
            r#"{"success":false,"code":422,"id":"00000000-0000-0000-0000-000000000000","error":"invalid_request","message":"resize.width must be …"}"#
        );
    }

    #[test]
    fn a_non_ascii_file_name_is_escaped_in_the_header_that_carries_the_json_envelope() {
        assert_eq!(
            ascii_line("{\"name\":\"caf\u{e9} \u{1f600}.jpg\"}"),
            r#"{"name":"caf\u00e9 \ud83d\ude00.jpg"}"#
        );
    }
}
