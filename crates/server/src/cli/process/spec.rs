//! Reads the specification of `pixaven process`: the JSON of a request, without the attributes that only a
//! server supports.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use serde_json::{Map, Value};

use crate::runtime::config::Config;
use crate::work::request::{self, RequestKind, Spec};

/// The attributes of a request that describe the source of the image or the answer. Only a server supports
/// these attributes.
const SERVER_ONLY: [&str; 6] = ["url", "headers", "response", "webhook", "store", "cdn"];
/// A placeholder for `watermark.id`. The parser of requests requires the id or the URL of a watermark, but
/// `pixaven process` never looks for a watermark with this id.
const PLACEHOLDER_ID: &str = "0000000000";

/// Reads the specification from `file`, or from standard input if `file` is `-`. Without a file, the
/// specification is empty.
pub(super) fn read_spec(file: Option<&Path>, has_watermark: bool, config: &Config) -> anyhow::Result<Spec> {
    let json = match file {
        None => b"{}".to_vec(),
        Some(file) => read_limited(file, config.limits.json_bytes)
            .with_context(|| format!("--spec: {} cannot be read", file.display()))?,
    };
    parse(&json, has_watermark).context("--spec")
}

/// Reads a file or standard input. Fails if it has more than `max_bytes`.
fn read_limited(file: &Path, max_bytes: usize) -> anyhow::Result<Vec<u8>> {
    let mut source: Box<dyn std::io::Read> = match file.to_str() {
        Some("-") => Box::new(std::io::stdin().lock()),
        _ => Box::new(std::fs::File::open(file)?),
    };
    let mut text = Vec::new();
    source.by_ref().take(max_bytes as u64 + 1).read_to_end(&mut text)?;
    ensure!(text.len() <= max_bytes, "it has more than the {max_bytes} bytes of limits.json_bytes");
    Ok(text)
}

fn parse(json: &[u8], has_watermark: bool) -> anyhow::Result<Spec> {
    let mut request = match serde_json::from_slice(json)? {
        Value::Object(request) => request,
        _ => bail!("it must be a JSON object"),
    };
    request.retain(|_, value| !value.is_null());
    if let Some(name) = SERVER_ONLY.into_iter().find(|&name| request.contains_key(name)) {
        bail!("{name} is for requests to a server; images come from INPUT and go to --out");
    }
    set_watermark_id(&mut request, has_watermark)?;
    let json = serde_json::to_vec(&request)?;
    Ok(request::parse(&json, RequestKind::Upload, false)?)
}

/// Prepares the object `watermark` for the parser of requests. The picture of the watermark comes from
/// `--watermark`, and the attributes of this object give its position and its size.
fn set_watermark_id(request: &mut Map<String, Value>, has_watermark: bool) -> anyhow::Result<()> {
    if !has_watermark {
        ensure!(!request.contains_key("watermark"), "watermark needs its picture: --watermark FILE");
        return Ok(());
    }
    let watermark = request.entry("watermark").or_insert_with(|| Value::Object(Map::new()));
    // A `watermark` that is not an object is left unchanged, because the parser of requests refuses it.
    let Value::Object(watermark) = watermark else { return Ok(()) };
    if let Some(name) =
        ["id", "url"].into_iter().find(|name| watermark.get(*name).is_some_and(|value| !value.is_null()))
    {
        bail!("watermark.{name} is for requests to a server; the picture is that of --watermark");
    }
    watermark.insert("id".to_owned(), PLACEHOLDER_ID.into());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(json: &str, has_watermark: bool) -> String {
        format!("{:#}", parse(json.as_bytes(), has_watermark).expect_err("the specification is refused"))
    }

    #[test]
    fn the_command_pixaven_process_refuses_an_attribute_that_only_requests_to_a_server_support() {
        let spec = parse(br#"{"resize": {"width": 3}, "webhook": null}"#, false)
            .expect("the specification is valid");
        assert_eq!(spec.plan.resize.and_then(|resize| resize.width), Some(3));
        assert_eq!(spec.warnings, Vec::<String>::new());
        for name in SERVER_ONLY {
            let message = refusal(&format!(r#"{{"{name}": {{}}}}"#), false);
            assert!(message.starts_with(&format!("{name} is for requests to a server")), "{message}");
        }
        assert_eq!(refusal("[]", false), "it must be a JSON object");
        assert!(refusal(r#"{"resize": {}}"#, false).contains("resize.width"));
    }

    #[test]
    fn the_watermark_of_the_command_pixaven_process_must_be_an_image_file_and_not_an_id_or_url() {
        let opacity = |json: &str| {
            let spec = parse(json.as_bytes(), true).expect("the specification is valid");
            spec.plan.watermark.map(|watermark| watermark.opacity)
        };
        assert_eq!(opacity("{}"), Some(100.0));
        assert_eq!(opacity(r#"{"watermark": {"opacity": 40, "id": null}}"#), Some(40.0));
        assert!(refusal(r#"{"watermark": {"opacity": 40}}"#, false).contains("--watermark FILE"));
        assert!(refusal(r#"{"watermark": {"id": "abcdefghij"}}"#, true).starts_with("watermark.id is for"));
        assert!(refusal(r#"{"watermark": 7}"#, true).starts_with("watermark must be an object"));
    }
}
