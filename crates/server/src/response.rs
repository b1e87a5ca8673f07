//! The envelope of every answer and of every webhook, and its form in a header. Pure text, no HTTP types.

use pixaven_imaging::Facts;
use pixaven_imaging::geometry::Rect;
use serde::Serialize;
use uuid::Uuid;

use crate::error::ApiError;
use crate::pipeline::Done;

#[derive(Serialize)]
struct Success<'a> {
    success: bool,
    code: u16,
    id: Uuid,
    input: File<'a>,
    output: File<'a>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
}

#[derive(Serialize)]
struct File<'a> {
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

impl<'a> File<'a> {
    fn new(facts: &'a Facts, name: &'a str, url: Option<&'a str>) -> Self {
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
struct Failure<'a> {
    success: bool,
    code: u16,
    id: Uuid,
    error: &'static str,
    message: &'a str,
}

#[derive(Serialize)]
struct Plain<'a, T: Serialize> {
    success: bool,
    code: u16,
    id: Uuid,
    #[serde(flatten)]
    rest: &'a T,
}

/// A processed image. `url` is where the result lies, absent when the result itself is the answer.
pub fn success(id: Uuid, done: &Done, url: Option<&str>) -> String {
    render(&Success {
        success: true,
        code: 200,
        id,
        input: File { faces: done.faces.as_deref(), ..File::new(&done.input, &done.input_name, None) },
        output: File::new(&done.output, &done.output_name, url),
        warnings: &done.warnings,
    })
}

/// What went wrong.
pub fn failure(id: Uuid, error: &ApiError) -> String {
    let row = error.kind().row();
    render(&Failure {
        success: false,
        code: row.status.as_u16(),
        id,
        error: row.word,
        message: error.message(),
    })
}

/// An answer with a `code` of its own and further members.
pub fn plain(id: Uuid, code: u16, rest: &impl Serialize) -> String {
    render(&Plain { success: true, code, id, rest })
}

/// JSON as one line of ASCII, for a header: everything else becomes `\uXXXX`, beyond the basic plane as a pair.
pub fn ascii(json: &str) -> String {
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

fn render(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings and numbers can always be written as JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn a_failure_starts_with_success_code_and_id() {
        let json = failure(Uuid::nil(), &ApiError::new(Kind::InvalidRequest, "resize.width must be …"));
        assert_eq!(
            json,
            r#"{"success":false,"code":422,"id":"00000000-0000-0000-0000-000000000000","error":"invalid_request","message":"resize.width must be …"}"#
        );
    }

    #[test]
    fn a_header_line_is_ascii_whatever_the_name() {
        assert_eq!(
            ascii("{\"name\":\"caf\u{e9} \u{1f600}.jpg\"}"),
            r#"{"name":"caf\u00e9 \ud83d\ude00.jpg"}"#
        );
    }
}
