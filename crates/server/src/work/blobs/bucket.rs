//! Builds the client of the bucket that holds the server's own files.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::signer::Signer;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};
use pixaven_net::Net;

use super::http::NetConnector;
use crate::runtime::config::BucketService;

/// The bucket that holds the server's own files.
pub struct BucketSettings {
    /// The service of the bucket.
    pub service: BucketService,
    /// The name of the bucket or container.
    pub bucket: String,
    /// The prefix of all keys. It may be empty.
    pub prefix: String,
    /// The URL of the service. `None` stands for the provider's own.
    pub endpoint: Option<String>,
    /// The region of the bucket. `None` stands for that of `variables`, or `us-east-1`.
    pub region: Option<String>,
    /// The names and values of the variables with the credentials. A later variable overrides an earlier one.
    /// Variables of other programs are ignored.
    pub variables: Vec<(String, String)>,
    /// The time limit of one request. A failed request is repeated for as long again.
    pub deadline: Duration,
}

/// The client of a bucket.
pub(super) struct Bucket {
    /// Reads and writes the objects below the prefix.
    pub(super) objects: Arc<dyn ObjectStore>,
    /// Signs the URLs of objects. Its paths begin with the prefix.
    pub(super) signer: Arc<dyn Signer>,
    /// The prefix of all keys.
    pub(super) prefix: Path,
}

impl Bucket {
    /// Builds a client that sends its requests through `net`. Opens no connection.
    pub(super) fn open(settings: &BucketSettings, net: Net) -> Result<Self, object_store::Error> {
        let connector = NetConnector { net, deadline: settings.deadline };
        let backoff = BackoffConfig { max_backoff: Duration::from_secs(2), ..BackoffConfig::default() };
        let retry = RetryConfig { backoff, max_retries: 10, retry_timeout: settings.deadline };
        let prefix = Path::parse(&settings.prefix)?;
        let place = |objects: Arc<dyn ObjectStore>, signer: Arc<dyn Signer>| Self {
            objects: Arc::new(PrefixStore::new(objects, prefix.clone())),
            signer,
            prefix: prefix.clone(),
        };
        match settings.service {
            BucketService::S3 => {
                let mut builder = AmazonS3Builder::new();
                for (name, value) in of_provider(settings, "AWS_") {
                    if let Ok(key) = name.parse() {
                        builder = builder.with_config(key, value);
                    }
                }
                if let Some(endpoint) = &settings.endpoint {
                    builder = builder.with_endpoint(endpoint).with_allow_http(true);
                }
                if let Some(region) = &settings.region {
                    builder = builder.with_region(region);
                }
                // Not every service that speaks S3 has a request that deletes many objects.
                let builder = builder.with_bucket_name(&settings.bucket).with_disable_bulk_delete(true);
                let built = Arc::new(builder.with_retry(retry).with_http_connector(connector).build()?);
                Ok(place(built.clone(), built))
            }
            BucketService::Google => {
                let mut builder = GoogleCloudStorageBuilder::new();
                for (name, value) in of_provider(settings, "GOOGLE_") {
                    if let Ok(key) = name.parse() {
                        builder = builder.with_config(key, value);
                    }
                }
                if let Some(endpoint) = &settings.endpoint {
                    builder = builder.with_base_url(endpoint);
                }
                let builder = builder.with_bucket_name(&settings.bucket);
                let built = Arc::new(builder.with_retry(retry).with_http_connector(connector).build()?);
                Ok(place(built.clone(), built))
            }
            BucketService::Azure => {
                let mut builder = MicrosoftAzureBuilder::new();
                for (name, value) in of_provider(settings, "AZURE_") {
                    if let Ok(key) = name.parse() {
                        builder = builder.with_config(key, value);
                    }
                }
                if let Some(endpoint) = &settings.endpoint {
                    builder = builder.with_endpoint(endpoint.clone()).with_allow_http(true);
                }
                let builder = builder.with_container_name(&settings.bucket);
                let built = Arc::new(builder.with_retry(retry).with_http_connector(connector).build()?);
                Ok(place(built.clone(), built))
            }
        }
    }
}

/// Returns the variables of one provider. Their names begin with `prefix` and are in lower case, as `object_store`
/// expects them.
fn of_provider<'a>(settings: &'a BucketSettings, prefix: &'a str) -> impl Iterator<Item = (String, &'a str)> {
    let own = settings.variables.iter().filter(move |(name, _)| name.starts_with(prefix));
    own.map(|(name, value)| (name.to_ascii_lowercase(), value.as_str()))
}
