//! The name servers, the search list and the hosts file of this machine. When a configuration file changes,
//! the file is read again.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use hickory_resolver::Hosts;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError as DnsNetError;
use hickory_resolver::system_conf::parse_resolv_conf;
use tokio::time::Instant;

use super::name_service::NameService;
use crate::name_server::NameServer;

/// The shortest time between two checks whether the files have changed.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Where the resolver finds its configuration.
#[derive(Debug, Clone)]
pub struct ResolverSettings {
    /// The name servers. If the list is empty, the name servers of the file `resolv_conf` are used, with the
    /// search list and the options of this file.
    pub name_servers: Vec<NameServer>,
    /// The path of `resolv.conf`.
    pub resolv_conf: PathBuf,
    /// The path of the hosts file. The names in the hosts file are not looked up in the DNS.
    pub hosts: PathBuf,
}

impl Default for ResolverSettings {
    fn default() -> Self {
        Self {
            name_servers: Vec::new(),
            resolv_conf: PathBuf::from("/etc/resolv.conf"),
            hosts: PathBuf::from("/etc/hosts"),
        }
    }
}

/// The configuration that is in use. The configuration is replaced when one of the files changes.
pub(super) struct System {
    settings: ResolverSettings,
    current: Mutex<Current>,
}

struct Current {
    names: Arc<NameService>,
    stamps: [Option<Stamp>; 2],
    checked_at: Instant,
}

/// The time of the last change of a file, and its length.
type Stamp = (SystemTime, u64);

impl System {
    /// Reads the configuration. A file that cannot be used is replaced by its default, with a warning.
    pub(super) fn new(settings: ResolverSettings) -> Self {
        let stamps = settings.stamps();
        let names = load(&settings).unwrap_or_else(|error| {
            tracing::warn!(%error, path = %settings.resolv_conf.display(), "the name servers cannot be read");
            NameService::local()
        });
        let current = Current { names: Arc::new(names), stamps, checked_at: Instant::now() };
        Self { settings, current: Mutex::new(current) }
    }

    /// Checks whether a file has changed, and returns the current configuration.
    pub(super) fn current(&self) -> Arc<NameService> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.checked_at.elapsed() >= CHECK_INTERVAL {
            current.checked_at = Instant::now();
            let stamps = self.settings.stamps();
            if stamps != current.stamps {
                current.stamps = stamps;
                match load(&self.settings) {
                    Ok(names) => {
                        tracing::info!("the name servers and the hosts file were read again after a change");
                        current.names = Arc::new(names);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the changed name servers cannot be read; the previous ones stay");
                    }
                }
            }
        }
        Arc::clone(&current.names)
    }
}

impl ResolverSettings {
    fn stamps(&self) -> [Option<Stamp>; 2] {
        [&self.resolv_conf, &self.hosts].map(|path| {
            let stamp = |metadata: Metadata| Some((metadata.modified().ok()?, metadata.len()));
            fs::metadata(path).ok().and_then(stamp)
        })
    }
}

/// Reads the files that the settings name.
fn load(settings: &ResolverSettings) -> Result<NameService, DnsNetError> {
    let hosts = read_hosts(&settings.hosts);
    if settings.name_servers.is_empty() {
        let (config, options) = read_resolv_conf(&settings.resolv_conf)?;
        return NameService::build(config, options, hosts);
    }
    let servers = settings.name_servers.iter().map(NameServer::config).collect();
    NameService::build(ResolverConfig::from_name_servers(servers), ResolverOpts::default(), hosts)
}

impl NameServer {
    fn config(&self) -> NameServerConfig {
        let with_port = |mut connection: ConnectionConfig| {
            connection.port = self.0.port();
            connection
        };
        let connections = vec![with_port(ConnectionConfig::udp()), with_port(ConnectionConfig::tcp())];
        NameServerConfig::new(self.0.ip(), true, connections)
    }
}

/// Reads `resolv.conf`. Without the file, or without a name server in it, the name server of this machine is
/// asked (resolv.conf(5)).
fn read_resolv_conf(path: &Path) -> Result<(ResolverConfig, ResolverOpts), DnsNetError> {
    let mut text = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        read => read?,
    };
    let is_name_server = |line: &[u8]| line.trim_ascii_start().starts_with(b"nameserver");
    if !text.split(|byte| *byte == b'\n').any(is_name_server) {
        text.extend_from_slice(b"\nnameserver 127.0.0.1\n");
    }
    parse_resolv_conf(text)
}

/// Reads the hosts file. A machine may have no hosts file.
fn read_hosts(path: &Path) -> Hosts {
    let mut hosts = Hosts::default();
    let read = fs::read(path).and_then(|text| hosts.read_hosts_conf(text.as_slice()));
    match read {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, path = %path.display(), "the hosts file cannot be read");
        }
        Ok(()) | Err(_) => {}
    }
    hosts
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn without_name_servers_in_resolv_conf_the_name_server_on_the_loopback_address_is_asked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("resolv.conf");
        for text in [None, Some(""), Some("search a.test")] {
            if let Some(text) = text {
                fs::write(&path, text).unwrap();
            }
            let (config, _) = read_resolv_conf(&path).unwrap();
            assert_eq!(config.name_servers()[0].ip, Ipv4Addr::LOCALHOST, "{text:?}");
        }
    }
}
