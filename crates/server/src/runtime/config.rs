//! The configuration of the server. It has four layers: `default.toml`, the configuration file, the
//! environment and the command line. Each layer overrides single settings of the layers before it. This is
//! the only module that reads the environment of the process.
//!
//! API keys and webhook secrets are in the ledger, and settings only name the files with the TLS key and the
//! proxy's password. The only secret in a setting is the password in the URL of the database.
//! [`Config::render`] prints all effective values without this password.

mod layers;
mod reference;
mod sections;

use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use layers::{Layer, variable_name};
pub use reference::{AcceptedValues, Section, Setting, sections};
pub use sections::{
    Blobs, BlobsUrl, BucketService, Buckets, Cdn, Fetch, Images, Input, Jobs, Ledger, Limits, Log, LogFormat,
    LogLevel, Network, Node, Results, Role, Server, Watermarks, Webhooks,
};

use layers::Layers;

/// The name of the configuration file in the working directory. This file is read if the command line names
/// no other configuration file.
const DEFAULT_FILE_NAME: &str = "pixaven.toml";

/// The checked configuration, with the effective value of every setting.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are the sections; default.toml explains them")]
pub struct Config {
    pub server: Server,
    pub ledger: Ledger,
    pub node: Node,
    pub limits: Limits,
    pub input: Input,
    pub fetch: Fetch,
    pub blobs: Blobs,
    pub buckets: Buckets,
    pub images: Images,
    pub jobs: Jobs,
    pub webhooks: Webhooks,
    pub results: Results,
    pub cdn: Cdn,
    pub watermarks: Watermarks,
    pub network: Network,
    pub log: Log,
    #[serde(skip)]
    layers: Layers,
}

/// The three layers that override the defaults: the configuration file, the environment and the command line.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The path of the configuration file, or `None` if there is no such file.
    pub file: Option<PathBuf>,
    /// The names and values of the environment variables. Variables that are not called `PIXAVEN_…` are
    /// ignored.
    pub environment: Vec<(String, String)>,
    /// The settings from the command line, as pairs of a dotted key such as `server.listen` and a value.
    pub flags: Vec<(String, String)>,
}

/// The reason why the configuration is invalid. The message names the setting and the layer (file, variable
/// or command line) that sets it.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are the parts of the message")]
pub enum Error {
    /// The configuration file cannot be read from the disk.
    #[error("cannot read the configuration file {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// The text of the configuration file is not TOML.
    #[error("the configuration file {} is not TOML", path.display())]
    Syntax { path: PathBuf, source: toml::de::Error },
    /// A layer sets a setting that does not exist.
    #[error("there is no setting {name}; the nearest is {nearest} ({layer})")]
    Unknown { name: String, nearest: String, layer: Layer },
    /// A layer gives a setting a value that the setting does not accept.
    #[error("{key}: {message} ({layer})")]
    Invalid { key: String, message: String, layer: Layer },
}

/// Returns the environment variables of the process.
///
/// Variables whose names are not Unicode are left out, because no setting belongs to such a variable. In the
/// values, bytes that are not Unicode are replaced.
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .collect()
}

/// Returns the path of `pixaven.toml` in the working directory, if the file exists.
pub fn file_in_working_directory() -> Option<PathBuf> {
    Path::new(DEFAULT_FILE_NAME).exists().then(|| DEFAULT_FILE_NAME.into())
}

impl Config {
    /// Loads the configuration: applies the layers in their order and checks the effective values.
    pub fn load(sources: Sources) -> Result<Self, Error> {
        let mut layers = Layers::default();
        if let Some(path) = sources.file {
            match std::fs::read_to_string(&path) {
                Ok(text) => layers.apply_file(&path, &text)?,
                Err(source) => return Err(Error::Read { path, source }),
            }
        }
        layers.apply_environment(sources.environment)?;
        layers.apply_flags(sources.flags)?;
        Self::from_layers(layers)
    }

    /// Loads the defaults and overrides some settings, which are given as pairs of a dotted key and a value.
    /// Tests use this function.
    pub fn with(flags: &[(&str, &str)]) -> Result<Self, Error> {
        let flags = flags.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        Self::load(Sources { flags, ..Sources::default() })
    }

    /// Formats the effective values of all settings as a configuration file. A comment behind each value
    /// names the layer from which it comes.
    pub fn render(&self) -> String {
        self.layers.to_string()
    }

    /// Converts the effective values to their Rust types and checks the rules between settings.
    fn from_layers(layers: Layers) -> Result<Self, Error> {
        let mut config: Self = serde_path_to_error::deserialize(layers.table()).map_err(|error| {
            let path = error.path().to_string();
            // If the error is in an element of a list, the path is `section.key[0]`, and the key of the
            // setting is the part before the bracket.
            let key = path.split('[').next().unwrap_or(&path);
            let message = error.inner().message().to_owned();
            Error::Invalid { layer: layers.layer(key), key: key.to_owned(), message }
        })?;
        config.layers = layers;
        match config.conflict() {
            None => Ok(config),
            Some((key, message)) => Err(Error::Invalid {
                key: key.to_owned(),
                message: message.to_owned(),
                layer: config.layers.layer(key),
            }),
        }
    }

    /// Returns the key of a setting that contradicts another setting, with an explanation. Returns `None` if
    /// the settings do not contradict each other.
    fn conflict(&self) -> Option<(&'static str, &'static str)> {
        let Self { server, ledger, node, limits, fetch, images, jobs, webhooks, .. } = self;
        match (&server.tls_cert, &server.tls_key) {
            (Some(_), None) => return Some(("server.tls_cert", "needs server.tls_key")),
            (None, Some(_)) => return Some(("server.tls_key", "needs server.tls_cert")),
            (None, None) if server.plain_listen.is_some() => {
                return Some(("server.plain_listen", "needs server.tls_cert and server.tls_key"));
            }
            _ => {}
        }
        if server.plain_listen == Some(server.listen) && server.listen.port() != 0 {
            return Some(("server.plain_listen", "must differ from server.listen"));
        }
        if ledger.url.is_none() && !Role::ALL.iter().all(|role| node.roles.contains(role)) {
            return Some(("node.roles", "must be all roles, unless ledger.url is set"));
        }
        // A node renews its lease five times while it lasts, so four fifths are always left for an attempt.
        if ledger.url.is_some() && node.lease_s * 4 / 5 <= webhooks.deadline_s {
            return Some(("node.lease_s", "must be more than 5/4 of webhooks.deadline_s"));
        }
        // A lease must last longer than the work that it protects. If a lease expired during the work, a
        // second driver could begin the same work.
        if jobs.lease_s < 3 * (fetch.deadline_s + images.wall_s) {
            return Some(("jobs.lease_s", "must be at least three times fetch.deadline_s + images.wall_s"));
        }
        if images.queue_bytes < limits.body_bytes {
            return Some(("images.queue_bytes", "must be at least limits.body_bytes"));
        }
        if webhooks.proxy_credentials.is_some() && webhooks.proxy.is_none() {
            return Some(("webhooks.proxy_credentials", "needs webhooks.proxy"));
        }
        if webhooks.lease_s < 3 * webhooks.deadline_s {
            return Some(("webhooks.lease_s", "must be at least three times webhooks.deadline_s"));
        }
        None
    }
}

#[cfg(test)]
mod tests;
