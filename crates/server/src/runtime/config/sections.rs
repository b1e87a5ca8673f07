//! The Rust types of the settings: one struct for each section of `default.toml`. The comments in
//! `default.toml` explain every field. The module `reference` checks the ranges of numbers. This module
//! converts texts to addresses, paths and networks.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use pixaven_imaging::TruncatedInput;
use pixaven_ledger::DeliveryLimits;
use pixaven_net::{AddressPolicy, ProxyAddress};
use serde::de::{Deserialize, Deserializer, Error as _};
use url::Url;

use crate::runtime::host_syntax;

/// The settings of the section `[server]`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are the settings; default.toml explains them")]
pub struct Server {
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
    pub data_dir: PathBuf,
    /// The base URL of result links, without a slash at its end.
    #[serde(deserialize_with = "base_url")]
    pub public_url: Option<String>,
    /// The hosts, each with an optional port, with which the links to results may begin. An empty list stands
    /// for the default hosts.
    #[serde(deserialize_with = "hosts")]
    pub hosts: Vec<String>,
    #[serde(deserialize_with = "file")]
    pub tls_cert: Option<PathBuf>,
    #[serde(deserialize_with = "file")]
    pub tls_key: Option<PathBuf>,
    #[serde(deserialize_with = "optional_address")]
    pub plain_listen: Option<SocketAddr>,
    pub drain_notice_s: u64,
    #[serde(deserialize_with = "file")]
    pub seal_key_file: Option<PathBuf>,
    pub drain_s: u64,
    pub max_connections: usize,
    pub max_connections_per_address: usize,
    pub trusted_proxies: Vec<pixaven_net::Network>,
    pub header_read_timeout_s: u64,
    pub write_timeout_s: u64,
    pub body_read_timeout_s: u64,
}

impl Server {
    /// Returns the paths of the certificate and of the private key, if TLS is configured.
    pub fn tls(&self) -> Option<(&Path, &Path)> {
        self.tls_cert.as_deref().zip(self.tls_key.as_deref())
    }
}

/// The settings of the section `[ledger]`.
#[derive(Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// The URL of a PostgreSQL database, which may contain a password. `None` stands for an SQLite file.
    #[serde(deserialize_with = "optional_text")]
    pub url: Option<String>,
}

/// The URL is not printed, because it may contain a password.
impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").finish_non_exhaustive()
    }
}

/// The settings of the section `[node]`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// The name of the node. `None` stands for the name of the machine.
    #[serde(deserialize_with = "optional_text")]
    pub name: Option<String>,
    /// What the node does. The list is not empty.
    #[serde(deserialize_with = "roles")]
    pub roles: Vec<Role>,
    /// How long a node without a sign of life keeps its work, in seconds.
    pub lease_s: u64,
}

/// A kind of work that a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Answers requests.
    Api,
    /// Processes the images of accepted requests.
    Jobs,
    /// Sends webhooks.
    Dispatch,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 3] = [Self::Api, Self::Jobs, Self::Dispatch];

    /// The word that stands for the role in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Jobs => "jobs",
            Self::Dispatch => "dispatch",
        }
    }
}

/// The settings of the section `[limits]`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are the settings; default.toml explains them")]
pub struct Limits {
    pub body_bytes: u64,
    pub json_bytes: usize,
    pub pixels: u64,
    pub input_side_px: u32,
    pub frames: u32,
    pub output_side_px: u32,
    pub scans: u32,
    pub parts: u32,
    pub metadata_bytes: u64,
}

impl Limits {
    /// Returns the limits that the imaging crate checks, together with the settings of other sections that it
    /// needs.
    pub fn imaging(&self, input: &Input, images: &Images) -> pixaven_imaging::Limits {
        let &Self {
            pixels,
            input_side_px,
            frames,
            output_side_px,
            scans,
            parts,
            metadata_bytes,
            body_bytes: _,
            json_bytes: _,
        } = self;
        pixaven_imaging::Limits {
            pixels,
            input_side_px,
            frames,
            output_side_px,
            scans,
            parts,
            metadata_bytes,
            memory_bytes: images.memory_bytes,
            truncated: input.truncated,
        }
    }
}

/// The settings of the section `[input]`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are the settings; default.toml explains them")]
pub struct Input {
    pub truncated: TruncatedInput,
}

/// The settings of the section `[fetch]`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are the settings; default.toml explains them")]
pub struct Fetch {
    pub deadline_s: u64,
    pub redirects: u32,
}

/// The settings of the section `[blobs]`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are the settings; default.toml explains them")]
pub struct Blobs {
    /// The place of the files. `None` stands for a directory in the data directory.
    #[serde(deserialize_with = "blobs_url")]
    pub url: Option<BlobsUrl>,
    #[serde(deserialize_with = "base_url")]
    pub endpoint: Option<String>,
    pub region: String,
    #[serde(deserialize_with = "file")]
    pub credentials: Option<PathBuf>,
    pub deadline_s: u64,
}

/// The place of the server's own files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobsUrl {
    /// The files are in this directory.
    Directory(PathBuf),
    /// The files are objects in a bucket.
    Bucket {
        /// The service of the bucket.
        service: BucketService,
        /// The name of the bucket or container.
        bucket: String,
        /// The prefix of all keys, without slashes at its ends. It may be empty.
        prefix: String,
    },
}

/// The service of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketService {
    /// Amazon S3, or a service that speaks its protocol.
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage.
    Azure,
}

/// The settings of the section `[cdn]`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cdn {
    /// The base URL of results on the CDN, without a slash at its end.
    #[serde(deserialize_with = "base_url")]
    pub base_url: Option<String>,
}

/// The settings of the section `[buckets]`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are the settings; default.toml explains them")]
pub struct Buckets {
    pub deadline_s: u64,
    pub retry_s: u64,
}

/// The settings of the section `[images]`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are the settings; default.toml explains them")]
pub struct Images {
    pub workers: usize,
    pub express_workers: usize,
    pub memory_bytes: u64,
    pub cpu_s: u64,
    pub wall_s: u64,
    pub queue_count: usize,
    pub queue_max_wait_s: u64,
    pub queue_bytes: u64,
    #[serde(deserialize_with = "file")]
    pub fonts: Option<PathBuf>,
}

/// The settings of the section `[jobs]`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are the settings; default.toml explains them")]
pub struct Jobs {
    pub concurrency: usize,
    pub lease_s: u64,
}

/// The settings of the section `[webhooks]`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are the settings; default.toml explains them")]
pub struct Webhooks {
    pub concurrency: usize,
    pub deadline_s: u64,
    pub lease_s: u64,
    pub response_bytes: usize,
    #[serde(deserialize_with = "proxy")]
    pub proxy: Option<ProxyAddress>,
    #[serde(deserialize_with = "file")]
    pub proxy_credentials: Option<PathBuf>,
    pub per_authority: u32,
    pub per_authority_start: u32,
    pub per_address: u32,
    pub first_attempts_percent: u32,
    pub breaker_failures: u32,
    pub breaker_pause_s: u32,
    pub schedule_s: Vec<u32>,
    pub give_up_days: u32,
    pub retention_days: u32,
}

impl Webhooks {
    /// Returns the limits for the delivery of webhooks: concurrency limits, circuit breaker, and the time
    /// after which a webhook is given up.
    pub fn delivery_limits(&self) -> DeliveryLimits {
        // The result is half the deadline of an attempt. It fits into 32 bits, because the configuration
        // allows a deadline of at most 600 seconds.
        let max_latency_ms = u32::try_from(self.deadline_s * 1_000 / 2).unwrap_or(u32::MAX);
        DeliveryLimits {
            capacity: u32::try_from(self.concurrency).unwrap_or(u32::MAX),
            max_latency_ms,
            per_authority: self.per_authority,
            per_authority_start: self.per_authority_start,
            per_address: self.per_address,
            n_failures_to_open: self.breaker_failures,
            max_pause_ms: i64::from(self.breaker_pause_s) * 1_000,
            give_up_ms: Some(i64::from(self.give_up_days) * 24 * 60 * 60 * 1_000),
            ..DeliveryLimits::default()
        }
    }

    /// Returns how many retries of webhooks may be sent at the same time, which is at least one. The
    /// remaining permits of the setting `concurrency` are for first attempts only.
    pub fn retry_concurrency(&self) -> usize {
        let first_attempts_only = self.concurrency.saturating_mul(self.first_attempts_percent as usize) / 100;
        self.concurrency.saturating_sub(first_attempts_only).max(1)
    }

    /// Returns the pauses before the first, second, … attempt to deliver a webhook, in milliseconds. The
    /// pause before the first attempt is 0.
    pub fn pauses_ms(&self) -> Vec<i64> {
        std::iter::once(0).chain(self.schedule_s.iter().map(|&pause_s| i64::from(pause_s) * 1_000)).collect()
    }
}

/// The settings of the section `[results]`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are the settings; default.toml explains them")]
pub struct Results {
    pub keep_hours: u32,
    pub presign: bool,
    pub sweep_interval_s: u64,
}

/// The settings of the section `[watermarks]`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are the settings; default.toml explains them")]
pub struct Watermarks {
    pub account_count: u64,
    pub account_bytes: u64,
    pub cache_bytes: usize,
}

/// The settings of the section `[network]`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are the settings; default.toml explains them")]
pub struct Network {
    pub allow: Vec<pixaven_net::Network>,
    pub deny: Vec<pixaven_net::DenyRule>,
    pub ports: pixaven_net::PortRules,
    pub name_servers: Vec<pixaven_net::NameServer>,
    pub terse: bool,
    #[serde(deserialize_with = "file")]
    pub extra_ca: Option<PathBuf>,
}

impl Network {
    /// Returns the address policy: the rule that says to which hosts, addresses and ports the server may
    /// connect.
    pub fn policy(&self) -> AddressPolicy {
        AddressPolicy {
            allow: self.allow.clone(),
            deny: self.deny.clone(),
            ports: self.ports.clone(),
            is_terse: self.terse,
        }
    }
}

/// The settings of the section `[log]`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are the settings; default.toml explains them")]
pub struct Log {
    pub level: LogLevel,
    pub format: LogFormat,
}

/// The lowest severity of the events that are written to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the usual log levels")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl From<LogLevel> for tracing::Level {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

/// The format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Each event is one line of text for human readers.
    Text,
    /// Each event is one JSON object on one line.
    Json,
}

fn parse<T: FromStr, E: serde::de::Error>(text: &str, expected: &str) -> Result<T, E> {
    text.parse().map_err(|_| E::custom(format!("must be {expected}, got {text:?}")))
}

/// The phrase that describes the accepted values of a setting for an address. It completes the sentence "must
/// be …" of an error message.
const ADDRESS: &str = "an IP address and a port, such as 127.0.0.1:8080";

/// Converts the text of a setting to an IP address and a port.
fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    parse(&String::deserialize(deserializer)?, ADDRESS)
}

/// Converts the text of a setting to an IP address and a port. An empty text becomes `None`.
fn optional_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Ok(None) } else { parse(&text, ADDRESS).map(Some) }
}

/// Converts the text of a setting to the path of a file. An empty text becomes `None`.
fn file<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(if text.is_empty() { None } else { Some(text.into()) })
}

/// Converts the words of a setting to roles.
fn roles<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Role>, D::Error> {
    let words = Vec::<String>::deserialize(deserializer)?;
    let role = |word: &String| Role::ALL.into_iter().find(|role| role.as_str() == word);
    match words.iter().map(role).collect::<Option<Vec<_>>>() {
        Some(roles) if !roles.is_empty() => Ok(roles),
        _ => Err(D::Error::custom("must be a list of one or more of api, jobs, dispatch")),
    }
}

/// Converts an empty text to `None`.
fn optional_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// Converts the text of a setting to the address of a proxy. An empty text becomes `None`.
fn proxy<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ProxyAddress>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(D::Error::custom) }
}

/// Converts the text of a setting to the place of the server's own files. An empty text becomes `None`.
fn blobs_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BlobsUrl>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    let invalid = || {
        D::Error::custom(
            "must be s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or file:///directory",
        )
    };
    let url = Url::parse(&text).map_err(|_| invalid())?;
    let service = match url.scheme() {
        "s3" => BucketService::S3,
        "gs" => BucketService::Google,
        "az" => BucketService::Azure,
        "file" => return url.to_file_path().map(BlobsUrl::Directory).map(Some).map_err(|()| invalid()),
        _ => return Err(invalid()),
    };
    let has_more = !url.username().is_empty()
        || url.password().is_some()
        || url.port().is_some()
        || url.query().is_some()
        || url.fragment().is_some();
    match url.host_str().filter(|bucket| !bucket.is_empty() && !has_more) {
        Some(bucket) => {
            let (bucket, prefix) = (bucket.to_owned(), url.path().trim_matches('/').to_owned());
            Ok(Some(BlobsUrl::Bucket { service, bucket, prefix }))
        }
        None => Err(invalid()),
    }
}

/// Checks that every text in the list of a setting is a host with an optional port.
fn hosts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let hosts = Vec::<String>::deserialize(deserializer)?;
    match hosts.iter().find(|host| !host_syntax::is_valid(host)) {
        Some(host) => Err(D::Error::custom(format!("must be hosts with an optional port, got {host:?}"))),
        None => Ok(hosts),
    }
}

/// Converts the text of a setting to the base URL of result links. An empty text becomes `None`. The error
/// message does not repeat the URL, because the URL may contain a password.
fn base_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    let is_base = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    match Url::parse(&text) {
        Ok(url) if is_base(&url) => Ok(Some(url.as_str().trim_end_matches('/').to_owned())),
        _ => Err(D::Error::custom("must be an http or https URL without user name, query and fragment")),
    }
}
