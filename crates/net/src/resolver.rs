//! Looks up host names in the hosts file and in the DNS, as `resolv.conf` says.
//!
//! Callers that look up the same name at the same time share one lookup. A limited number of lookups runs at
//! the same time, and names whose name servers are silent do not delay other names (`slots.rs`).

mod answers;
mod liveness;
mod name_service;
mod provider;
mod query;
mod slots;
mod system;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub use system::ResolverSettings;

use crate::NetError;
use crate::deadline::Deadline;
use crate::lookup_failure::{LookupError, LookupFailure};
use answers::{Known, LookupResult};
use liveness::Treatment;
use name_service::NameService;
use query::Answer;
use slots::{Slot, Slots};
use system::System;

/// The time for which a failed lookup is remembered (RFC 9520), so that many callers do not repeat the lookup
/// at once. The time is short, because the next attempt should reach a receiver whose name has become
/// resolvable again.
const FAILURE_TTL: Duration = Duration::from_secs(1);

/// Looks up host names.
pub(crate) struct Resolver {
    system: System,
    slots: Arc<Slots>,
}

impl Resolver {
    /// Reads the configuration of the name servers. The function sends nothing to the name servers.
    pub(crate) fn new(settings: ResolverSettings) -> Self {
        Self { system: System::new(settings), slots: Arc::new(Slots::new()) }
    }

    /// Returns the addresses of a host name. The time in which the lookup waits for a free slot (`slots.rs`)
    /// postpones `deadline`.
    pub(crate) async fn look_up(&self, host: &str, deadline: &Deadline) -> Result<Arc<[IpAddr]>, NetError> {
        let names = self.system.current();
        if let Some(local) = names.local_addresses(host) {
            return match local {
                Ok(addresses) => Ok(addresses.into()),
                Err(failure) => Err(NetError::from_lookup(LookupError::Failed(failure))),
            };
        }
        let known = match names.answers.find(host) {
            Some(known) => known,
            None => {
                let slot = deadline.run_local_wait(Arc::clone(&self.slots).enter()).await;
                names.answers.find_or_start(host, run(Arc::clone(&names), host.to_owned(), slot))
            }
        };
        let result = match known {
            Known::Running(lookup) => lookup.await,
            Known::Ended(result) => result,
        };
        result.map_err(NetError::from_lookup)
    }

    /// Returns whether the addresses of a host name come from the DNS, and not from the hosts file.
    pub(crate) fn is_in_dns(&self, host: &str) -> bool {
        self.system.current().local_addresses(host).is_none()
    }

    /// The error of an exchange whose deadline passed before the lookup ended.
    pub(crate) async fn error_of_slow_lookup(&self) -> NetError {
        NetError::from_lookup(LookupError::Failed(self.reason_of_silence().await))
    }

    /// Returns the error of a host that did not answer because the network of this machine is down. `None` means
    /// that the name servers answer, so the network works.
    pub(crate) async fn network_fault(&self) -> Option<NetError> {
        let failure = self.reason_of_silence().await;
        let is_down = failure == LookupFailure::NameServersDown;
        is_down.then(|| NetError::from_lookup(LookupError::Failed(failure)))
    }

    async fn reason_of_silence(&self) -> LookupFailure {
        let names = self.system.current();
        names.liveness.reason_of(Treatment::Silence, query::probe_root(&names.client)).await
    }
}

/// Runs one lookup and remembers its result.
async fn run(names: Arc<NameService>, host: String, slot: Slot) -> LookupResult {
    let answer = match names.candidates(&host) {
        Ok(candidates) => tokio::select! {
            answer = query::ask(&names.client, &candidates, names.limit) => answer,
            () = slot.must_give_way() => Answer::Silence,
        },
        Err(failure) => Answer::Missing { failure, time_to_live: Duration::ZERO },
    };
    drop(slot);
    let (result, time_to_live) = judge(&names, answer).await;
    names.answers.keep(&host, &result, time_to_live);
    result
}

/// Decides whose fault a failed lookup is, and how long the result is remembered.
async fn judge(names: &NameService, answer: Answer) -> (LookupResult, Duration) {
    let treatment = match answer {
        Answer::Addresses { addresses, time_to_live } => {
            names.liveness.note_answer();
            return (Ok(addresses.into()), time_to_live);
        }
        Answer::Missing { failure, time_to_live } => {
            if failure != LookupFailure::InvalidName {
                names.liveness.note_answer();
            }
            return (Err(LookupError::Failed(failure)), time_to_live);
        }
        Answer::System(errno) => return (Err(LookupError::System(errno)), Duration::ZERO),
        Answer::Error(code) => Treatment::Error(code),
        Answer::Silence => Treatment::Silence,
    };
    let failure = names.liveness.reason_of(treatment, query::probe_root(&names.client)).await;
    let time_to_live = match failure {
        LookupFailure::NameServersDown => Duration::ZERO,
        _ => FAILURE_TTL,
    };
    (Err(LookupError::Failed(failure)), time_to_live)
}
