//! One configuration of the name servers: which names are looked up for a host, which hosts need no lookup,
//! and the answers that the name servers have given so far.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError as DnsNetError;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Hosts, Resolver};

use super::answers::Answers;
use super::liveness::Liveness;
use super::provider::{DnsClient, OneSocketPerQuery};
use super::slots::MAX_LOOKUPS;
use crate::lookup_failure::LookupFailure;

/// The longest time for one lookup, including all repetitions and the search list. `resolv.conf` can only
/// shorten this time: a webhook must not wait much longer for a name than for a connection.
const MAX_LOOKUP_TIME: Duration = Duration::from_secs(5);

/// The shortest timeout of a query. `resolv.conf` can name a timeout of zero seconds.
const MIN_TIMEOUT: Duration = Duration::from_secs(1);

/// One configuration of the name servers, with the answers of these name servers. After a change of the
/// configuration, the answers of the previous name servers are not reused.
pub(super) struct NameService {
    pub(super) client: DnsClient,
    pub(super) answers: Answers,
    pub(super) liveness: Liveness,
    /// The time for one lookup.
    pub(super) limit: Duration,
    search: Vec<Name>,
    n_dots: usize,
    hosts: Hosts,
}

impl NameService {
    /// The configuration of a machine without a usable `resolv.conf`: the name server of the machine itself
    /// (resolv.conf(5)).
    pub(super) fn local() -> Self {
        let server = NameServerConfig::udp_and_tcp(Ipv4Addr::LOCALHOST.into());
        let config = ResolverConfig::from_name_servers(vec![server]);
        Self::build(config, ResolverOpts::default(), Hosts::default())
            .expect("a client without TLS can always be built")
    }

    pub(super) fn build(
        config: ResolverConfig,
        mut system: ResolverOpts,
        hosts: Hosts,
    ) -> Result<Self, DnsNetError> {
        system.timeout = system.timeout.max(MIN_TIMEOUT);
        let n_tries = u32::try_from(system.attempts.max(1)).unwrap_or(u32::MAX);
        let limit = system.timeout.saturating_mul(n_tries).min(MAX_LOOKUP_TIME);
        let search = match (config.search(), config.domain()) {
            ([], domain) => domain.cloned().into_iter().collect(),
            (search, _) => search.to_vec(),
        };
        let n_dots = system.ndots;
        let mut builder = Resolver::builder_with_config(config, OneSocketPerQuery::default());
        *builder.options_mut() = client_options(system, limit);
        let client = builder.build()?;
        Ok(Self {
            client,
            answers: Answers::default(),
            liveness: Liveness::default(),
            limit,
            search,
            n_dots,
            hosts,
        })
    }

    /// The addresses of a name that the hosts file contains or that has a fixed meaning (RFC 6761). `None`
    /// means that the name must be looked up in the DNS.
    pub(super) fn local_addresses(&self, host: &str) -> Option<Result<Vec<IpAddr>, LookupFailure>> {
        let name = Name::from_str_relaxed(host).ok()?;
        let of_family = |family| self.hosts.lookup_static_host(&Query::query(name.clone(), family));
        let found = [of_family(RecordType::AAAA), of_family(RecordType::A)];
        let addresses: Vec<_> = found
            .iter()
            .flatten()
            .flat_map(|lookup| lookup.answers().iter().filter_map(|record| record.data.ip_addr()))
            .collect();
        if !addresses.is_empty() {
            return Some(Ok(addresses));
        }
        let top = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
        match top {
            "localhost" => Some(Ok(vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()])),
            "invalid" | "onion" => Some(Err(LookupFailure::NoSuchName)),
            _ => None,
        }
    }

    /// The names that are looked up for a host, in the order of the lookups: the host itself, and the host
    /// with each domain of the search list. If the host has at least `ndots` dots, the host itself is looked
    /// up before the names from the search list. If the host has fewer dots, the host itself is looked up
    /// after these names. A dot at the end means that the name is complete.
    pub(super) fn candidates(&self, host: &str) -> Result<Vec<Name>, LookupFailure> {
        let name = Name::from_str_relaxed(host).map_err(|_| LookupFailure::InvalidName)?;
        let mut complete = name.clone();
        complete.set_fqdn(true);
        if name.is_fqdn() {
            return Ok(vec![complete]);
        }
        // A domain of the search list is skipped if the host and the domain together are too long for a DNS
        // name.
        let in_domains = self.search.iter().filter_map(|domain| {
            let mut name = name.clone().append_domain(domain).ok()?;
            name.set_fqdn(true);
            Some(name)
        });
        let mut names: Vec<_> = in_domains.collect();
        let has_enough_dots = host.matches('.').count() >= self.n_dots;
        names.insert(if has_enough_dots { 0 } else { names.len() }, complete);
        Ok(names)
    }
}

/// The options of the DNS client. A lookup repeats its query when `timeout` has passed.
fn client_options(mut options: ResolverOpts, limit: Duration) -> ResolverOpts {
    let n_repetitions = options.attempts.clamp(1, 4);
    let n_queries = u32::try_from(n_repetitions + 1).expect("at most five");
    options.timeout = options.timeout.min(limit / n_queries);
    options.attempts = n_repetitions;
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    // The slots (`slots.rs`) limit the number of simultaneous lookups, so the number of queries on one TCP
    // connection needs no other limit.
    options.max_active_requests = 2 * MAX_LOOKUPS;
    options
}

#[cfg(test)]
mod tests {
    use hickory_resolver::system_conf::parse_resolv_conf;

    use super::*;

    fn service(resolv_conf: &str, hosts: &str) -> NameService {
        let (config, options) = parse_resolv_conf(resolv_conf).unwrap();
        let mut parsed = Hosts::default();
        parsed.read_hosts_conf(hosts.as_bytes()).unwrap();
        NameService::build(config, options, parsed).unwrap()
    }

    fn candidates(service: &NameService, host: &str) -> Vec<String> {
        service.candidates(host).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_option_ndots_decides_if_a_host_name_is_tried_before_or_after_the_search_list_is_applied() {
        let service = service("nameserver 127.0.0.1\nsearch a.test b.test\noptions ndots:2", "");
        assert_eq!(candidates(&service, "x.y.z"), ["x.y.z.", "x.y.z.a.test.", "x.y.z.b.test."]);
        assert_eq!(candidates(&service, "x.y"), ["x.y.a.test.", "x.y.b.test.", "x.y."]);
        assert_eq!(candidates(&service, "x."), ["x."]);
        let without_search = service_without_search();
        assert_eq!(candidates(&without_search, "x"), ["x."]);
    }

    fn service_without_search() -> NameService {
        service("nameserver 127.0.0.1\nsearch --", "")
    }

    #[test]
    fn looking_up_a_host_that_is_not_a_valid_dns_name_fails_with_the_error_invalid_name() {
        let service = service_without_search();
        for host in ["a..b", &format!("{}.test", "x".repeat(64)), &"a.".repeat(128)] {
            assert_eq!(service.candidates(host), Err(LookupFailure::InvalidName), "{host}");
        }
    }

    #[test]
    fn the_options_timeout_and_attempts_of_resolv_conf_limit_a_dns_lookup_to_at_most_five_seconds() {
        for (options, limit_ms, timeout_ms) in [
            ("", 5_000, 1_666),
            ("options timeout:0 attempts:0", 1_000, 500),
            ("options timeout:1 attempts:1", 1_000, 500),
            ("options timeout:1 attempts:3", 3_000, 750),
            ("options timeout:30 attempts:5", 5_000, 1_000),
        ] {
            let service = service(&format!("nameserver 127.0.0.1\n{options}"), "");
            assert_eq!(service.limit.as_millis(), limit_ms, "{options}");
            assert_eq!(service.client.options().timeout.as_millis(), timeout_ms, "{options}");
        }
    }

    #[test]
    fn host_names_in_the_hosts_file_and_reserved_host_names_are_resolved_without_a_dns_query() {
        let service = service("nameserver 127.0.0.1", "10.1.2.3 db db.test # comment\n::7 DB.test\n");
        let addresses = |host: &str| {
            let found = service.local_addresses(host)?;
            Some(found.map(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>()))
        };
        let texts = |texts: &[&str]| Some(Ok(texts.iter().map(ToString::to_string).collect::<Vec<_>>()));
        assert_eq!(addresses("db"), texts(&["10.1.2.3"]));
        assert_eq!(addresses("db.test."), texts(&["::7", "10.1.2.3"]));
        assert_eq!(addresses("localhost"), texts(&["::1", "127.0.0.1"]));
        assert_eq!(addresses("a.localhost."), texts(&["::1", "127.0.0.1"]));
        assert_eq!(addresses("a.invalid"), Some(Err(LookupFailure::NoSuchName)));
        assert_eq!(addresses("other.test"), None);
    }
}
