//! The settings with their types, one struct per section of `default.toml`: there every field is explained. Ranges
//! of numbers were checked before; here texts become addresses, paths and networks.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use pixaven_ledger::DeliveryLimits;
use pixaven_net::ProxyAddress;
use serde::de::{Deserialize, Deserializer, Error as _};
use url::Url;

/// `[server]`
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are the settings; default.toml explains them")]
pub struct Server {
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
    pub data_dir: PathBuf,
    /// Without a slash at its end.
    #[serde(deserialize_with = "base_url")]
    pub public_url: Option<String>,
    #[serde(deserialize_with = "file")]
    pub tls_cert: Option<PathBuf>,
    #[serde(deserialize_with = "file")]
    pub tls_key: Option<PathBuf>,
    #[serde(deserialize_with = "optional_address")]
    pub plain_listen: Option<SocketAddr>,
    pub drain_s: u64,
    pub max_connections: usize,
    pub header_read_timeout_s: u64,
    pub write_timeout_s: u64,
    pub body_read_timeout_s: u64,
}

impl Server {
    /// Certificate and key, when TLS is on.
    pub fn tls(&self) -> Option<(&Path, &Path)> {
        self.tls_cert.as_deref().zip(self.tls_key.as_deref())
    }
}

/// `[limits]`
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
    /// Those that concern pixels.
    pub fn imaging(&self) -> pixaven_imaging::Limits {
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
        }
    }
}

/// `[fetch]`
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are the settings; default.toml explains them")]
pub struct Fetch {
    pub deadline_s: u64,
    pub redirects: u32,
}

/// `[images]`
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are the settings; default.toml explains them")]
pub struct Images {
    pub workers: usize,
    pub memory_bytes: u64,
    pub cpu_s: u64,
    pub wall_s: u64,
    pub queue_count: usize,
    pub queue_bytes: u64,
}

/// `[jobs]`
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are the settings; default.toml explains them")]
pub struct Jobs {
    pub concurrency: usize,
    pub lease_s: u64,
}

/// `[webhooks]`
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
    pub per_address: u32,
    pub first_attempts_percent: u32,
    pub breaker_failures: u32,
    pub breaker_pause_s: u32,
    pub schedule_s: Vec<u32>,
    pub give_up_days: u32,
    pub retention_days: u32,
}

impl Webhooks {
    /// What is asked of receivers at once.
    pub fn fairness(&self) -> DeliveryLimits {
        DeliveryLimits {
            per_authority: self.per_authority,
            per_address: self.per_address,
            n_failures_to_open: self.breaker_failures,
            max_pause_ms: i64::from(self.breaker_pause_s) * 1_000,
            give_up_ms: Some(i64::from(self.give_up_days) * 24 * 60 * 60 * 1_000),
            ..DeliveryLimits::default()
        }
    }

    /// How many webhooks that were tried before may be sent at the same time; at least one.
    pub fn retry_concurrency(&self) -> usize {
        let kept = self.concurrency.saturating_mul(self.first_attempts_percent as usize) / 100;
        self.concurrency.saturating_sub(kept).max(1)
    }

    /// The pauses before the first (none), second, … attempt, in milliseconds.
    pub fn waits_ms(&self) -> Vec<i64> {
        std::iter::once(0).chain(self.schedule_s.iter().map(|&pause_s| i64::from(pause_s) * 1_000)).collect()
    }
}

/// `[results]`
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are the settings; default.toml explains them")]
pub struct Results {
    pub keep_hours: u32,
    pub sweep_interval_s: u64,
}

/// `[watermarks]`
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are the settings; default.toml explains them")]
pub struct Watermarks {
    pub account_count: u64,
    pub account_bytes: u64,
    pub cache_bytes: usize,
}

/// `[network]`
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are the settings; default.toml explains them")]
pub struct Network {
    pub allow: Vec<pixaven_net::Network>,
    #[serde(deserialize_with = "file")]
    pub extra_ca: Option<PathBuf>,
}

/// `[log]`
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are the settings; default.toml explains them")]
pub struct Log {
    pub level: LogLevel,
    pub format: LogFormat,
}

/// How severe a line must be to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the usual five")]
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

/// What a line looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

fn parse<T: FromStr, E: serde::de::Error>(text: &str, accepts: &str) -> Result<T, E> {
    text.parse().map_err(|_| E::custom(format!("must be {accepts}, got {text:?}")))
}

const ADDRESS: &str = "an IP address and a port, such as 127.0.0.1:8080";

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    parse(&String::deserialize(deserializer)?, ADDRESS)
}

fn optional_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Ok(None) } else { parse(&text, ADDRESS).map(Some) }
}

fn file<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(if text.is_empty() { None } else { Some(text.into()) })
}

fn proxy<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ProxyAddress>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(D::Error::custom) }
}

/// The address is not repeated in the message: it may hold a password where none belongs.
fn base_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    let plain = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    match Url::parse(&text) {
        Ok(url) if plain(&url) => Ok(Some(url.as_str().trim_end_matches('/').to_owned())),
        _ => Err(D::Error::custom("must be an http or https URL without user name, query and fragment")),
    }
}
