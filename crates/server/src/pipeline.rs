//! THE DATA PATH, for the caller who waits and for the accepted job alike: obtain the bytes, process them in a
//! worker, keep the result.

use bytes::Bytes;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use pixaven_imaging::geometry::Rect;
use pixaven_imaging::{Facts, Format};
use pixaven_ledger::{AccountId, Clock, Content, StoredResult, UsageDelta};
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use crate::blobs::Blobs;
use crate::error::ApiError;
use crate::request::Spec;
use crate::sandbox::{Failure, Files, Patience, Sandbox};
use crate::source::{Source, Sources};
use crate::telemetry::with_causes;
use crate::watermarks::Watermarks;

/// What RFC 3986 does not let stand in a path segment.
const NOT_IN_A_SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The parts every image passes through. Cheap to clone.
#[derive(Clone)]
pub struct Pipeline {
    /// Where images come from.
    pub sources: Sources,
    /// Where they are processed.
    pub sandbox: Sandbox,
    /// What is laid over images.
    pub watermarks: Watermarks,
    /// Where results lie.
    pub blobs: Blobs,
    /// How long results are kept.
    pub keep_results_ms: i64,
    /// What time it is.
    pub clock: Clock,
}

/// A processed image.
pub struct Done {
    /// About the input.
    pub input: Facts,
    /// Where faces are in the upright input, if the request asked for them.
    pub faces: Option<Vec<Rect>>,
    /// The input's file name.
    pub input_name: String,
    /// About the output.
    pub output: Facts,
    /// The output's file name.
    pub output_name: String,
    /// The output.
    pub bytes: Bytes,
    /// What was ignored or could not be honoured.
    pub warnings: Vec<String>,
}

impl Done {
    /// What this adds to an account's counters.
    pub fn usage(&self) -> UsageDelta {
        UsageDelta { requests: 1, input_bytes: self.input.bytes, output_bytes: self.output.bytes }
    }
}

impl Pipeline {
    /// Obtains and processes one image of an account.
    pub async fn run(
        &self,
        account: AccountId,
        spec: &Spec,
        source: Source,
        patience: Patience,
    ) -> Result<Done, Failure> {
        let found = match &spec.watermark {
            Some(watermark) => Some(self.watermarks.find(account, watermark, patience).await?),
            None => None,
        };
        let obtained = self.sources.obtain(source, patience).await?;
        let watermark = match found {
            Some(found) => Some(self.watermarks.obtain(found, &self.sources, patience).await?),
            None => None,
        };
        let files = Files {
            image: obtained.bytes.clone(),
            watermark: watermark.as_ref().map(|watermark| watermark.bytes.clone()),
        };
        let processed = self.sandbox.process(&files, &spec.plan, patience).await?;
        let input_name =
            obtained.name.unwrap_or_else(|| format!("image.{}", processed.input.format.extension()));
        let output_name = output_name(&input_name, processed.input.format, processed.output.format);
        let warnings = spec.warnings.iter().cloned().chain(processed.warnings).collect();
        Ok(Done {
            input: processed.input,
            faces: processed.faces,
            input_name,
            output: processed.output,
            output_name,
            bytes: processed.bytes.into(),
            warnings,
        })
    }

    /// Keeps a result, from `wait_ms` from now on. The row that lets it be found and swept, and holds it when it is small,
    /// is the caller's to write; without one, [`Pipeline::forget`] it.
    pub async fn keep(
        &self,
        id: Uuid,
        account: AccountId,
        done: &Done,
        wait_ms: i64,
    ) -> Result<StoredResult, ApiError> {
        let created_ms = self.clock.now_ms();
        let key = Blobs::new_result_key(id, &day(created_ms), done.output.format.extension());
        let content = self.blobs.keep(key, done.bytes.clone()).await?;
        Ok(StoredResult {
            id,
            account,
            name: done.output_name.clone(),
            content,
            media_type: done.output.format.media_type().to_owned(),
            bytes: done.output.bytes,
            sha1: done.output.sha1.clone(),
            created_ms,
            expires_ms: created_ms.saturating_add(wait_ms).saturating_add(self.keep_results_ms),
        })
    }

    /// Removes what was kept and whose row the ledger did not take.
    pub async fn forget(&self, content: &Content) {
        if let Err(error) = self.blobs.remove(content).await {
            tracing::warn!(
                ?content,
                error = with_causes(&error),
                "a file without a row could not be removed"
            );
        }
    }
}

/// The public address of a result: the id's first eight digits in four pairs, the rest of the id, the name.
pub fn result_url(base_url: &str, id: Uuid, name: &str) -> String {
    let id = id.to_string();
    let pairs = [&id[0..2], &id[2..4], &id[4..6], &id[6..8]].join("/");
    let name = utf8_percent_encode(name, NOT_IN_A_SEGMENT);
    format!("{}/dl/{pairs}/{}/{name}", base_url.trim_end_matches('/'), &id[9..])
}

/// The input's name with the output's extension; untouched when the format stays.
pub(crate) fn output_name(input_name: &str, input: Format, output: Format) -> String {
    match input_name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() && input == output => input_name.to_owned(),
        Some((stem, _)) if !stem.is_empty() => format!("{stem}.{}", output.extension()),
        _ => format!("{input_name}.{}", output.extension()),
    }
}

/// The UTC day of a moment, `2026-01-10`.
pub(crate) fn day(at_ms: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(at_ms.div_euclid(1000));
    let date = at.map_or(Date::MIN, OffsetDateTime::date);
    format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_id_gives_the_documented_path() {
        let id =
            Uuid::try_parse("9fccf4b5-cfab-4e92-9276-5d2028fcb6a0").expect("the id of the documentation");
        let expected = "http://h/dl/9f/cc/f4/b5/cfab-4e92-9276-5d2028fcb6a0/image.jpg";
        assert_eq!(result_url("http://h/", id, "image.jpg"), expected);
        assert!(result_url("http://h", id, "a b/ä?.jpg").ends_with("/a%20b%2F%C3%A4%3F.jpg"));
    }

    #[test]
    fn a_name_follows_the_format() {
        for (name, output, expected) in [
            ("image.jpg", Format::Jpeg, "image.jpg"),
            ("photo.JPEG", Format::Jpeg, "photo.JPEG"),
            ("photo.JPEG", Format::Webp, "photo.webp"),
            ("archive.tar.jpg", Format::Png, "archive.tar.png"),
            ("photo", Format::Jpeg, "photo.jpg"),
        ] {
            assert_eq!(output_name(name, Format::Jpeg, output), expected, "{name}");
        }
    }

    #[test]
    fn days_are_utc() {
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(1_767_225_599_999), "2025-12-31");
    }
}
