//! Asks the name servers for the IPv4 and IPv6 addresses of one name, and sorts their answers.

use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::{DnsError, NetError as DnsNetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RecordType};
use rustix::io::Errno;
use tokio::time::{Instant, sleep_until, timeout};

use super::liveness::Treatment;
use super::provider::DnsClient;
use crate::error::is_fault_of_this_machine;
use crate::lookup_failure::LookupFailure;

/// The time for which the lookup of one address family may continue after the lookup of the other address
/// family has found addresses. Some name servers never answer AAAA queries.
const FAMILY_DELAY: Duration = Duration::from_secs(1);

/// The longest time to live of addresses. If the name server names a shorter time to live, the shorter time
/// is used.
const MAX_TTL: Duration = Duration::from_secs(300);

/// The longest time to live of the answer that a name does not exist or has no address.
const MAX_NEGATIVE_TTL: Duration = Duration::from_secs(60);

/// The time to live of addresses when the lookup of the other address family failed.
const PARTIAL_TTL: Duration = Duration::from_secs(1);

/// The time for a lookup of the root, which every name server knows.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// What the name servers said about a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Addresses {
        addresses: Vec<IpAddr>,
        time_to_live: Duration,
    },
    /// The name does not exist or has no address.
    Missing {
        failure: LookupFailure,
        time_to_live: Duration,
    },
    /// The name servers answered with an error.
    Error(ResponseCode),
    /// No name server answered.
    Silence,
    /// A system call failed on this machine.
    System(Errno),
}

/// Looks up each of `names` until one of them has an address. `limit` is the time for the lookups of all
/// names together.
///
/// The first name without an answer ends the lookup, because the name servers would probably not answer for
/// further names either.
pub(super) async fn ask(client: &DnsClient, names: &[Name], limit: Duration) -> Answer {
    let ask_in_turn = async {
        let mut worst =
            Answer::Missing { failure: LookupFailure::NoSuchName, time_to_live: MAX_NEGATIVE_TTL };
        for name in names {
            match ask_for_both_families(client, name).await {
                missing @ Answer::Missing { .. } => worst = least_certain(worst, missing),
                Answer::Error(code) => worst = Answer::Error(code),
                ended => return ended,
            }
        }
        worst
    };
    timeout(limit, ask_in_turn).await.unwrap_or(Answer::Silence)
}

/// Looks up the root of the DNS. Every name server that works answers this lookup.
pub(super) async fn probe_root(client: &DnsClient) -> Treatment {
    let lookup = client.lookup(Name::root(), RecordType::NS);
    match timeout(PROBE_TIMEOUT, lookup).await {
        Err(_) => Treatment::Silence,
        Ok(result) => match Answer::from(result) {
            Answer::Addresses { .. } | Answer::Missing { .. } => Treatment::Answered,
            Answer::Error(code) => Treatment::Error(code),
            Answer::Silence | Answer::System(_) => Treatment::Silence,
        },
    }
}

/// Looks up A and AAAA at the same time. When one of the two lookups has found addresses, the other lookup
/// has [`FAMILY_DELAY`] left.
async fn ask_for_both_families(client: &DnsClient, name: &Name) -> Answer {
    let mut v6 = std::pin::pin!(client.lookup(name.clone(), RecordType::AAAA));
    let mut v4 = std::pin::pin!(client.lookup(name.clone(), RecordType::A));
    let (first, other) = tokio::select! {
        result = &mut v6 => {
            let first = Answer::from(result);
            let other = second_family(&first, v4).await;
            (first, other)
        }
        result = &mut v4 => {
            let first = Answer::from(result);
            let other = second_family(&first, v6).await;
            (first, other)
        }
    };
    merge(first, other)
}

async fn second_family(first: &Answer, lookup: impl Future<Output = DnsResult>) -> Answer {
    let ends_at = Instant::now() + FAMILY_DELAY;
    tokio::select! {
        result = lookup => Answer::from(result),
        () = sleep_until(ends_at), if matches!(first, Answer::Addresses { .. }) => Answer::Silence,
    }
}

/// Joins the answers for the two address families of one name.
fn merge(first: Answer, other: Answer) -> Answer {
    use Answer::{Addresses, Error, Missing, Silence, System};
    match (first, other) {
        (
            Addresses { mut addresses, time_to_live },
            Addresses { addresses: more, time_to_live: other_time },
        ) => {
            addresses.extend(more);
            Addresses { addresses, time_to_live: time_to_live.min(other_time) }
        }
        (found @ Addresses { .. }, Missing { .. }) | (Missing { .. }, found @ Addresses { .. }) => found,
        (Addresses { addresses, time_to_live }, _) | (_, Addresses { addresses, time_to_live }) => {
            Addresses { addresses, time_to_live: time_to_live.min(PARTIAL_TTL) }
        }
        (system @ System(_), _) | (_, system @ System(_)) => system,
        (Silence, _) | (_, Silence) => Silence,
        (error @ Error(_), _) | (_, error @ Error(_)) => error,
        (first @ Missing { .. }, other @ Missing { .. }) => least_certain(first, other),
    }
}

/// Joins two answers that a name or an address family is missing. The result has the shorter time to live of
/// the two answers. If one answer says that a name exists without an address, the result says so as well,
/// even if the other answer says that a name does not exist.
fn least_certain(first: Answer, other: Answer) -> Answer {
    match (first, other) {
        (
            Answer::Missing { failure, time_to_live },
            Answer::Missing { failure: other_failure, time_to_live: other_time },
        ) => {
            let failure = if failure == LookupFailure::NoAddress { failure } else { other_failure };
            Answer::Missing { failure, time_to_live: time_to_live.min(other_time) }
        }
        (Answer::Missing { .. }, other) => other,
        (first, _) => first,
    }
}

type DnsResult = Result<Lookup, DnsNetError>;

impl From<DnsResult> for Answer {
    fn from(result: DnsResult) -> Self {
        let missing = |failure, negative_ttl: Option<u32>| {
            let seconds = u64::from(negative_ttl.unwrap_or(0));
            Self::Missing { failure, time_to_live: Duration::from_secs(seconds).min(MAX_NEGATIVE_TTL) }
        };
        match result {
            Ok(lookup) => {
                let addresses: Vec<_> =
                    lookup.answers().iter().filter_map(|record| record.data.ip_addr()).collect();
                let seconds = lookup.answers().iter().map(|record| record.ttl).min().unwrap_or(0);
                match addresses.is_empty() {
                    true => missing(LookupFailure::NoAddress, Some(seconds)),
                    false => Self::Addresses {
                        addresses,
                        time_to_live: Duration::from_secs(u64::from(seconds)).min(MAX_TTL),
                    },
                }
            }
            Err(DnsNetError::Dns(DnsError::NoRecordsFound(records))) => match records.response_code {
                ResponseCode::NXDomain => missing(LookupFailure::NoSuchName, records.negative_ttl),
                ResponseCode::NoError => missing(LookupFailure::NoAddress, records.negative_ttl),
                code => Self::Error(code),
            },
            Err(DnsNetError::Dns(DnsError::ResponseCode(code))) => Self::Error(code),
            Err(DnsNetError::Io(error)) => match Errno::from_io_error(&error) {
                Some(errno) if is_fault_of_this_machine(errno) => Self::System(errno),
                // An example of such an error is a name server that refuses TCP. Such a name server counts as
                // a name server that does not answer.
                _ => Self::Silence,
            },
            Err(DnsNetError::Timeout | DnsNetError::NoConnections | DnsNetError::Busy) => Self::Silence,
            // The answer is malformed or truncated.
            Err(_) => Self::Error(ResponseCode::FormErr),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(last_octets: &[u8], seconds: u64) -> Answer {
        Answer::Addresses {
            addresses: last_octets.iter().map(|octet| IpAddr::from([192, 0, 1, *octet])).collect(),
            time_to_live: Duration::from_secs(seconds),
        }
    }

    fn missing(failure: LookupFailure, seconds: u64) -> Answer {
        Answer::Missing { failure, time_to_live: Duration::from_secs(seconds) }
    }

    #[test]
    fn the_dns_answers_for_ipv4_and_ipv6_addresses_are_merged_into_one_answer() {
        use LookupFailure::{NoAddress, NoSuchName};
        let error = || Answer::Error(ResponseCode::ServFail);
        for (first, other, expected) in [
            (addresses(&[1], 60), addresses(&[2], 30), addresses(&[1, 2], 30)),
            (addresses(&[1], 60), missing(NoAddress, 5), addresses(&[1], 60)),
            (addresses(&[1], 60), Answer::Silence, addresses(&[1], 1)),
            (error(), addresses(&[1], 60), addresses(&[1], 1)),
            (addresses(&[1], 0), Answer::Silence, addresses(&[1], 0)),
            (missing(NoSuchName, 9), missing(NoAddress, 5), missing(NoAddress, 5)),
            (missing(NoAddress, 5), error(), error()),
            (error(), Answer::Silence, Answer::Silence),
            (Answer::Silence, Answer::System(Errno::MFILE), Answer::System(Errno::MFILE)),
        ] {
            let text = format!("{first:?} and {other:?}");
            assert_eq!(merge(first, other), expected, "{text}");
        }
    }
}
