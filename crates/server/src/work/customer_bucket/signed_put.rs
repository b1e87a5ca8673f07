//! Builds the request that stores an object: the URL, the headers and the signature. The crate `object_store`
//! computes the signatures.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::azure::{AzureAccessKey, AzureAuthorizer, AzureCredential};
use object_store::client::HttpRequest;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::NewObject;
use crate::work::error::Cause;
use crate::work::request::{BucketCredentials, StoreSpec};

/// The characters of an object key that are percent-encoded in its URL: all except the unreserved characters of
/// RFC 3986 and the slash. The signatures require exactly this form.
const ENCODED_IN_KEY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// A request that stores an object. The signature is valid for some minutes.
pub(super) struct SignedPut {
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl SignedPut {
    /// Builds and signs the request.
    ///
    /// # Errors
    /// If a value that the parser of requests has checked cannot be used in a request.
    pub(super) fn new(store: &StoreSpec, object: &NewObject<'_>) -> Result<Self, Cause> {
        let key = store.key.as_deref().unwrap_or(object.name);
        let url = format!("{}/{}", store.bucket_url, utf8_percent_encode(key, ENCODED_IN_KEY));
        let url = Url::parse(&url)?;
        let mut request: HttpRequest = Request::new(object.bytes.clone().into());
        *request.method_mut() = Method::PUT;
        *request.uri_mut() = url.as_str().parse()?;
        *request.headers_mut() = match &store.credentials {
            BucketCredentials::S3 { .. } => s3_headers(store, object)?,
            BucketCredentials::Azure { .. } => azure_headers(store, object)?,
        };
        match &store.credentials {
            BucketCredentials::S3 { key, secret, region } => {
                let credential =
                    AwsCredential { key_id: key.clone(), secret_key: secret.clone(), token: None };
                AwsAuthorizer::new(&credential, "s3", region).try_authorize(&mut request, None)?;
            }
            BucketCredentials::Azure { account, key } => {
                let credential = AzureCredential::AccessKey(AzureAccessKey::try_new(key)?);
                AzureAuthorizer::new(&credential, account).try_authorize(&mut request)?;
            }
        }
        let (head, _) = request.into_parts();
        Ok(Self { url, headers: head.headers, body: object.bytes.clone() })
    }
}

fn s3_headers(store: &StoreSpec, object: &NewObject<'_>) -> Result<HeaderMap, Cause> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_str(object.media_type)?);
    for (name, value) in &store.headers {
        headers.insert(name, HeaderValue::from_str(value)?);
    }
    if let Some(acl) = store.acl {
        headers.insert("x-amz-acl", HeaderValue::from_static(acl));
    }
    if let Some(class) = &store.class {
        headers.insert("x-amz-storage-class", HeaderValue::from_str(class)?);
    }
    add_metadata(&mut headers, "x-amz-meta-", store)?;
    Ok(headers)
}

fn azure_headers(store: &StoreSpec, object: &NewObject<'_>) -> Result<HeaderMap, Cause> {
    let mut headers = HeaderMap::new();
    headers.insert("x-ms-blob-type", HeaderValue::from_static("BlockBlob"));
    // The signature contains the length, which the HTTP client adds to the request.
    headers.insert(CONTENT_LENGTH, object.bytes.len().into());
    headers.insert("x-ms-blob-content-type", HeaderValue::from_str(object.media_type)?);
    for (name, value) in &store.headers {
        let name = HeaderName::try_from(format!("x-ms-blob-{name}"))?;
        headers.insert(name, HeaderValue::from_str(value)?);
    }
    if let Some(class) = &store.class {
        headers.insert("x-ms-access-tier", HeaderValue::from_str(class)?);
    }
    add_metadata(&mut headers, "x-ms-meta-", store)?;
    Ok(headers)
}

fn add_metadata(headers: &mut HeaderMap, prefix: &str, store: &StoreSpec) -> Result<(), Cause> {
    for (name, value) in &store.metadata {
        let name = HeaderName::try_from(format!("{prefix}{name}"))?;
        headers.insert(name, HeaderValue::from_str(value)?);
    }
    Ok(())
}
