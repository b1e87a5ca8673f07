//! Declares the object `store`, which names a bucket of the customer.

use http::HeaderName;
use url::Url;

use super::object_schema;
use crate::work::request::store_fields::{Metadata, ObjectHeaders, Text, is_host_part, is_object_key};
use crate::work::request::value_types::{Choice, WebUrl};

/// The service that a bucket belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::work::request) enum Provider {
    Aws,
    DigitalOcean,
    Google,
    Azure,
    Cloudflare,
    S3,
}

/// The keywords of the attribute `provider`.
pub(in crate::work::request) const PROVIDERS: &[(&str, Provider)] = &[
    ("aws", Provider::Aws),
    ("digitalocean", Provider::DigitalOcean),
    ("google", Provider::Google),
    ("azure", Provider::Azure),
    ("cloudflare", Provider::Cloudflare),
    ("s3", Provider::S3),
];
const PROVIDER: Choice<Provider> = Choice { keywords: PROVIDERS, unsupported: &[] };

/// The keyword of the attribute `acl` that sends no access control list.
pub(in crate::work::request) const NO_ACL: &str = "none";
const ACL: Choice<&str> = Choice {
    keywords: &[
        ("public-read", "public-read"),
        ("private", "private"),
        ("public-read-write", "public-read-write"),
        ("authenticated-read", "authenticated-read"),
        ("aws-exec-read", "aws-exec-read"),
        ("bucket-owner-read", "bucket-owner-read"),
        ("bucket-owner-full-control", "bucket-owner-full-control"),
        (NO_ACL, NO_ACL),
    ],
    unsupported: &[],
};

const ACCESS_KEY: Text = Text {
    expected: "a text of 1 to 256 printable ASCII characters without spaces and commas",
    is_valid: |text| text.len() <= 256 && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b','),
};
const SECRET: Text = Text {
    expected: "a text of 1 to 1024 printable ASCII characters",
    is_valid: |text| text.len() <= 1024 && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()),
};
const BUCKET: Text = Text {
    expected: "a name of 3 to 63 lower-case letters, digits, dots, hyphens and underscores that begins and ends with a letter or a digit",
    is_valid: |text| {
        let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = text.as_bytes();
        (3..=63).contains(&bytes.len())
            && bytes.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_'))
            && is_end(bytes.first())
            && is_end(bytes.last())
            && !text.contains("..")
    },
};
const CONTAINER: Text = Text {
    expected: "a name of 3 to 63 lower-case letters, digits and hyphens, or $root or $web",
    is_valid: |text| {
        let is_name = text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        matches!(text, "$root" | "$web")
            || (3..=63).contains(&text.len()) && is_name && !text.starts_with('-') && !text.ends_with('-')
    },
};
const ACCOUNT: Text = Text {
    expected: "a name of 1 to 64 lower-case letters, digits and dots",
    is_valid: |text| text.len() <= 64 && is_host_part(text),
};
const REGION: Text = Text {
    expected: "a name of 1 to 32 lower-case letters, digits and hyphens, such as eu-west-1",
    is_valid: |text| text.len() <= 32 && is_host_part(text) && !text.contains('.'),
};
const PATH: Text = Text {
    expected: "an object key of 1 to 1024 bytes without a slash at its ends, without the segments . and .. and without control characters",
    is_valid: is_object_key,
};
const CLASS: Text = Text {
    expected: "a name of 1 to 64 letters, digits, hyphens and underscores, such as STANDARD_IA",
    is_valid: |text| {
        text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    },
};

object_schema! {
    /// Stores the result in a bucket of the customer instead of on this server. `output.url` is then the URL of the
    /// object. An object that exists is replaced. The object cannot be combined with a binary answer.
    ///
    /// | provider | required attributes |
    /// | --- | --- |
    /// | `aws`, `digitalocean` | `key`, `secret`, `bucket`, `region` |
    /// | `google` | `key` and `secret` of an HMAC key, `bucket` |
    /// | `azure` | `account`, `key`, `container` |
    /// | `cloudflare` | `account`, `key`, `secret`, `bucket` |
    /// | `s3`, any service that speaks S3 | `endpoint`, `key`, `secret`, `bucket` |
    ///
    /// The server connects to a bucket only under the rules for images: `endpoint` must be a public address, unless
    /// the operator permits the network. A bucket that cannot be reached or that fails is tried again for some
    /// seconds; a job with a webhook is then repeated later. A bucket that refuses the object is not tried again.
    ///
    /// New buckets of `aws`, and buckets of `google` with uniform access, accept no ACL: set `acl` to `none` there.
    /// `azure` and `cloudflare` have no ACL of single objects.
    ///
    /// `key` and `secret` appear in no log, no history and no answer.
    Store {
        provider: Provider = PROVIDER, "", "the service of the bucket; required";
        key: String = ACCESS_KEY, "", "the access key; for `azure` the account key in Base64";
        secret: String = SECRET, "", "the secret of the access key; not for `azure`";
        bucket: String = BUCKET, "", "the name of the bucket; not for `azure`";
        region: String = REGION, "", "the region of the bucket; without it, `google` uses `auto` and `s3` uses `us-east-1`";
        account: String = ACCOUNT, "", "`azure`: the storage account; `cloudflare`: the account id";
        container: String = CONTAINER, "", "`azure`: the name of the container";
        endpoint: Url = WebUrl, "", "the URL of the service, without the bucket, instead of the provider's own";
        path: String = PATH, "", "the key of the object; without it the file name of the result";
        acl: &'static str = ACL, "public-read", "who may read the object; `none` leaves this to the bucket";
        class: String = CLASS, "", "the storage class, or the access tier of `azure`, as the provider writes it";
        metadata: Vec<(String, String)> = Metadata, "", "names and values to store with the object";
        headers: Vec<(HeaderName, String)> = ObjectHeaders, "", "HTTP headers of the object's downloads; `Content-Type` is by default that of the result";
    }
}
