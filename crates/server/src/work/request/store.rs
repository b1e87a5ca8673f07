//! The checked form of the object `store`: the address of a bucket of the customer, its credentials, and the
//! attributes of the object.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderName;
use url::Url;

use super::table::{NO_ACL, PROVIDERS, Provider, Store};
use super::warnings::{Warnings, attribute_path};
use super::{RequestError, header_names};
use crate::work::redact::has_credentials;

/// The bucket of the customer in which a result is stored, and the attributes of the object. The `Debug` output
/// contains neither credentials nor values of headers and metadata.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreSpec {
    /// The URL of the bucket, without a slash at its end. The URL of an object is this URL, a slash and the
    /// percent-encoded key.
    pub bucket_url: String,
    /// The credentials of the bucket.
    pub credentials: BucketCredentials,
    /// The key of the object. `None` stands for the file name of the result.
    pub key: Option<String>,
    /// The access control list of the object, such as `public-read`. `None` if none is sent.
    pub acl: Option<&'static str>,
    /// The storage class or access tier of the object.
    pub class: Option<String>,
    /// The names and values to store with the object. The names are in lower case.
    pub metadata: Vec<(String, String)>,
    /// The HTTP headers with which the provider serves the object.
    pub headers: Vec<(HeaderName, String)>,
}

/// The credentials of a bucket, one variant for each protocol. The `Debug` output contains no credentials.
#[derive(Clone, PartialEq, Eq)]
pub enum BucketCredentials {
    /// The protocol of Amazon S3, signed with version 4.
    S3 {
        /// The access key.
        key: String,
        /// The secret of the access key.
        secret: String,
        /// The region that the signature names.
        region: String,
    },
    /// The protocol of Azure Blob Storage, signed with the shared key of an account.
    Azure {
        /// The name of the account.
        account: String,
        /// The key of the account, in Base64.
        key: String,
    },
}

impl fmt::Debug for BucketCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::S3 { .. } => "S3",
            Self::Azure { .. } => "Azure",
        })
    }
}

impl fmt::Debug for StoreSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bucket_url, credentials, key, acl, class, metadata, headers } = self;
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        f.debug_struct("StoreSpec")
            .field("bucket_url", bucket_url)
            .field("credentials", credentials)
            .field("key", key)
            .field("acl", acl)
            .field("class", class)
            .field("metadata", &header_names(metadata))
            .field("headers", &header_names(&headers))
            .finish()
    }
}

/// Checks the rules between the attributes of the object `store`. An attribute that has no effect with the
/// provider becomes a warning.
///
/// # Errors
/// If an attribute is missing that the provider requires, or if `endpoint` or the key of an account is unusable.
pub(super) fn store(mut store: Store, warnings: &mut Warnings) -> Result<StoreSpec, RequestError> {
    let Some(provider) = store.provider else { return Err(required("provider", None)) };
    let endpoint = store.endpoint.take().as_ref().map(check_endpoint).transpose()?;
    if matches!(provider, Provider::Azure | Provider::Cloudflare) && store.acl.is_some() {
        warn_no_effect("acl", provider, warnings);
        store.acl = None;
    }
    let acl = match provider {
        Provider::Azure | Provider::Cloudflare => None,
        _ => store.acl.or(Some("public-read")).filter(|acl| *acl != NO_ACL),
    };
    let (bucket_url, credentials) = match provider {
        Provider::Azure => azure(&mut store, endpoint)?,
        _ => s3(provider, &mut store, endpoint)?,
    };
    // Every attribute that the provider uses was taken out of `store`.
    let unused = [
        ("secret", store.secret.is_some()),
        ("bucket", store.bucket.is_some()),
        ("region", store.region.is_some()),
        ("account", store.account.is_some()),
        ("container", store.container.is_some()),
    ];
    for (name, _) in unused.into_iter().filter(|(_, is_present)| *is_present) {
        warn_no_effect(name, provider, warnings);
    }
    Ok(StoreSpec {
        bucket_url,
        credentials,
        key: store.path,
        acl,
        class: store.class,
        metadata: store.metadata.unwrap_or_default(),
        headers: store.headers.unwrap_or_default(),
    })
}

/// Takes the attributes of a provider that speaks S3 out of `store`.
fn s3(
    provider: Provider,
    store: &mut Store,
    endpoint: Option<String>,
) -> Result<(String, BucketCredentials), RequestError> {
    let key = take(&mut store.key, "key", provider)?;
    if key.contains('/') {
        return Err(RequestError::Invalid("store.key must not have a slash".to_owned()));
    }
    let secret = take(&mut store.secret, "secret", provider)?;
    let bucket = take(&mut store.bucket, "bucket", provider)?;
    let region = match provider {
        Provider::Aws | Provider::DigitalOcean => take(&mut store.region, "region", provider)?,
        Provider::Cloudflare => "auto".to_owned(),
        Provider::Google => store.region.take().unwrap_or_else(|| "auto".to_owned()),
        Provider::S3 | Provider::Azure => store.region.take().unwrap_or_else(|| "us-east-1".to_owned()),
    };
    let account = match provider {
        Provider::Cloudflare => take(&mut store.account, "account", provider)?,
        _ => String::new(),
    };
    let bucket_url = match (provider, endpoint) {
        (_, Some(endpoint)) => format!("{endpoint}/{bucket}"),
        (Provider::Aws, None) => own_host(&bucket, &format!("s3.{region}.amazonaws.com")),
        (Provider::DigitalOcean, None) => own_host(&bucket, &format!("{region}.digitaloceanspaces.com")),
        (Provider::Google, None) => format!("https://storage.googleapis.com/{bucket}"),
        (Provider::Cloudflare, None) => format!("https://{account}.r2.cloudflarestorage.com/{bucket}"),
        (Provider::S3 | Provider::Azure, None) => return Err(required("endpoint", Some(provider))),
    };
    Ok((bucket_url, BucketCredentials::S3 { key, secret, region }))
}

/// Returns the URL of a bucket that has a host name of its own. A bucket whose name is no label of a host name
/// is a part of the path instead, because no certificate is valid for its host name.
fn own_host(bucket: &str, host: &str) -> String {
    if bucket.contains(['.', '_']) {
        format!("https://{host}/{bucket}")
    } else {
        format!("https://{bucket}.{host}")
    }
}

/// Takes the attributes of `azure` out of `store`.
fn azure(store: &mut Store, endpoint: Option<String>) -> Result<(String, BucketCredentials), RequestError> {
    let provider = Provider::Azure;
    let account = take(&mut store.account, "account", provider)?;
    let key = take(&mut store.key, "key", provider)?;
    if BASE64_STANDARD.decode(&key).is_err() {
        return Err(RequestError::Invalid("store.key must be the account key in Base64".to_owned()));
    }
    let container = take(&mut store.container, "container", provider)?;
    let service = endpoint.unwrap_or_else(|| format!("https://{account}.blob.core.windows.net"));
    Ok((format!("{service}/{container}"), BucketCredentials::Azure { account, key }))
}

/// Returns the URL of a service without a slash at its end.
fn check_endpoint(url: &Url) -> Result<String, RequestError> {
    if has_credentials(url) || url.query().is_some() || url.fragment().is_some() {
        return Err(RequestError::Invalid(
            "store.endpoint must be an http or https URL without user name, query and fragment".to_owned(),
        ));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn take(attribute: &mut Option<String>, name: &str, provider: Provider) -> Result<String, RequestError> {
    attribute.take().ok_or_else(|| required(name, Some(provider)))
}

fn required(name: &str, provider: Option<Provider>) -> RequestError {
    let attribute = attribute_path("store", name);
    RequestError::Invalid(match provider {
        None => format!("{attribute} is required"),
        Some(provider) => format!("{attribute} is required with the provider {}", keyword(provider)),
    })
}

fn warn_no_effect(name: &str, provider: Provider, warnings: &mut Warnings) {
    let attribute = attribute_path("store", name);
    warnings
        .add(format!("{attribute} has no effect with the provider {} and was ignored", keyword(provider)));
}

fn keyword(provider: Provider) -> &'static str {
    PROVIDERS.iter().find(|(_, known)| *known == provider).map_or("", |(keyword, _)| keyword)
}
