//! The configuration: `default.toml`, then the configuration file, then the environment, then the command line; each
//! layer overrides single settings of those before it. This is the only place that reads the process environment.
//!
//! No setting holds a secret: API keys and webhook secrets live in the ledger, TLS keys and a proxy's password in files that
//! are named here. So what is in force can be shown ([`Config::render`]).

mod layers;
mod reference;
mod sections;

use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use layers::{Layer, variable};
pub use reference::{Accepts, Section, Setting, sections};
pub use sections::{
    Fetch, Images, Jobs, Limits, Log, LogFormat, LogLevel, Network, Results, Server, Watermarks, Webhooks,
};

use layers::Layers;

/// The configuration file that is read when it lies in the working directory and no other is named.
const FILE_NAME: &str = "pixaven.toml";

/// Everything in force, checked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are the sections; default.toml explains them")]
pub struct Config {
    pub server: Server,
    pub limits: Limits,
    pub fetch: Fetch,
    pub images: Images,
    pub jobs: Jobs,
    pub webhooks: Webhooks,
    pub results: Results,
    pub watermarks: Watermarks,
    pub network: Network,
    pub log: Log,
    #[serde(skip)]
    layers: Layers,
}

/// What is put over the defaults.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// Variables of the environment; those not called `PIXAVEN_…` are skipped.
    pub environment: Vec<(String, String)>,
    /// Dotted keys and values of the command line.
    pub flags: Vec<(String, String)>,
}

/// Why there is no configuration; the text says where to look.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are the parts of the message")]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// The file is not TOML.
    #[error("the configuration file {} is not TOML", path.display())]
    Syntax { path: PathBuf, source: toml::de::Error },
    /// Nothing is called that.
    #[error("there is no setting {name}; the nearest is {nearest} ({layer})")]
    Unknown { name: String, nearest: String, layer: Layer },
    /// A value that cannot be.
    #[error("{key}: {message} ({layer})")]
    Invalid { key: String, message: String, layer: Layer },
}

/// The variables of the process.
///
/// What is not Unicode is skipped or replaced: no setting has such a name, and no file such a path.
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .collect()
}

/// `pixaven.toml` of the working directory, if it is there.
pub fn file_in_working_directory() -> Option<PathBuf> {
    Path::new(FILE_NAME).exists().then(|| FILE_NAME.into())
}

impl Config {
    /// Puts the layers together and checks the result.
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
        Self::typed(layers)
    }

    /// The defaults with some settings changed, by dotted key: for parts that bring their own configuration.
    pub fn with(flags: &[(&str, &str)]) -> Result<Self, Error> {
        let flags = flags.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        Self::load(Sources { flags, ..Sources::default() })
    }

    /// What is in force, as a configuration file that says where each value comes from.
    pub fn render(&self) -> String {
        self.layers.to_string()
    }

    fn typed(layers: Layers) -> Result<Self, Error> {
        let mut config: Self = serde_path_to_error::deserialize(layers.table()).map_err(|error| {
            let path = error.path().to_string();
            // An element of a list is `section.key[0]`.
            let key = path.split('[').next().unwrap_or(&path);
            let message = error.inner().message().to_owned();
            Error::Invalid { layer: layers.layer(key), key: key.to_owned(), message }
        })?;
        config.layers = layers;
        match config.contradiction() {
            None => Ok(config),
            Some((key, message)) => Err(Error::Invalid {
                key: key.to_owned(),
                message: message.to_owned(),
                layer: config.layers.layer(key),
            }),
        }
    }

    /// A setting that does not go with another, and why.
    fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        let Self { server, limits, fetch, images, jobs, webhooks, .. } = self;
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
        // A lease that ran out while its holder still worked would let a second one begin the same work.
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
