//! The list of the objects in a bucket, in the XML of S3.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use http_body_util::Full;
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};

use super::FakeObject;
use super::answers::{percent_decode, respond};

/// The number of objects in one answer. The number is small, so that tests meet answers with several pages.
const PAGE: usize = 3;

/// Answers `ListObjectsV2`: the objects whose keys begin with `prefix`, up to the next `delimiter`.
pub(super) fn list(objects: &BTreeMap<String, FakeObject>, request: &Parts) -> Response<Full<Bytes>> {
    let query = request.uri.query().unwrap_or_default();
    let of_query = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(known, _)| *known == name).map(|(_, value)| percent_decode(value))
    };
    let prefix = of_query("prefix").unwrap_or_default();
    let delimiter = of_query("delimiter");
    let after = of_query("continuation-token").unwrap_or_default();
    let (mut contents, mut prefixes, mut last) = (String::new(), BTreeSet::new(), String::new());
    let mut is_truncated = false;
    let found = objects.iter().filter(|(key, _)| key.starts_with(&prefix) && **key > after);
    for (n, (key, object)) in found.enumerate() {
        if n == PAGE {
            is_truncated = true;
            break;
        }
        last.clone_from(key);
        let rest = &key[prefix.len()..];
        if let Some(delimiter) = delimiter.as_deref().filter(|delimiter| !delimiter.is_empty())
            && let Some((directory, _)) = rest.split_once(delimiter)
        {
            prefixes.insert(format!("{prefix}{directory}{delimiter}"));
            continue;
        }
        contents += &format!(
            "<Contents><Key>{key}</Key><LastModified>{}</LastModified><ETag>&quot;1&quot;</ETag><Size>{}</Size></Contents>",
            iso_8601(object.modified),
            object.bytes.len()
        );
    }
    let prefixes: String = prefixes
        .iter()
        .map(|prefix| format!("<CommonPrefixes><Prefix>{prefix}</Prefix></CommonPrefixes>"))
        .collect();
    let next = match is_truncated {
        true => format!("<NextContinuationToken>{last}</NextContinuationToken>"),
        false => String::new(),
    };
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult><IsTruncated>{is_truncated}</IsTruncated>{next}{contents}{prefixes}</ListBucketResult>"
    );
    respond(StatusCode::OK, xml.into())
}

/// Formats a time as `2026-01-10T11:57:04Z`.
fn iso_8601(time: std::time::SystemTime) -> String {
    // The form of HTTP is `Sat, 10 Jan 2026 11:57:04 GMT`.
    let text = httpdate::fmt_http_date(time);
    let parts: Vec<&str> = text.split(' ').collect();
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|month| *month == parts[2]).unwrap_or(0) + 1;
    format!("{}-{month:02}-{}T{}Z", parts[3], parts[1], parts[4])
}
