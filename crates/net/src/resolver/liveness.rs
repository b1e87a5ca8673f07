//! Whether the name servers of this machine work at all. This decides whether a failed lookup is a fault of
//! the looked-up name or of this machine.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hickory_resolver::proto::op::ResponseCode;
use tokio::time::Instant;

use crate::lookup_failure::LookupFailure;

/// The time for which the latest observation of the name servers is used.
const OBSERVATION_LIFETIME: Duration = Duration::from_secs(1);

/// How the name servers reacted to a lookup: with an answer, with an error code, or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    /// The name servers answered that the name exists or does not exist.
    Answered,
    /// The name servers answered with an error code such as SERVFAIL.
    Error(ResponseCode),
    /// The name servers did not answer.
    Silence,
}

/// The latest observations of the name servers.
#[derive(Default)]
pub(super) struct Liveness {
    last_answer: Mutex<Option<Instant>>,
    /// The time and the result of the latest probe, a lookup of the root of the DNS. The lock is held during
    /// a probe, so that many failed lookups share one probe.
    last_probe: tokio::sync::Mutex<Option<(Instant, Treatment)>>,
}

impl Liveness {
    /// Records that a name server answered a lookup without an error.
    pub(super) fn note_answer(&self) {
        *self.last_answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Finds the reason of a failed lookup, which the name servers answered with an error or not at all.
    ///
    /// If the name servers have recently answered another lookup, the failure is a fault of the name. If the
    /// name servers have not recently answered a lookup, `probe` looks up the root of the DNS. If the name
    /// servers answer the probe with the same error as the lookup of the name, or do not answer the probe,
    /// the failure is a fault of the name servers of this machine: a local forwarder without a network, for
    /// example, answers every lookup with SERVFAIL.
    pub(super) async fn reason_of(
        &self,
        treatment: Treatment,
        probe: impl Future<Output = Treatment>,
    ) -> LookupFailure {
        let of_the_name = match treatment {
            Treatment::Error(_) => LookupFailure::ServerError,
            Treatment::Answered | Treatment::Silence => LookupFailure::Unanswered,
        };
        if self.has_recent_answer() {
            return of_the_name;
        }
        match self.treatment_of_root(probe).await {
            Treatment::Silence => LookupFailure::NameServersDown,
            of_root if of_root == treatment => LookupFailure::NameServersDown,
            Treatment::Answered | Treatment::Error(_) => of_the_name,
        }
    }

    fn has_recent_answer(&self) -> bool {
        let last_answer = *self.last_answer.lock().unwrap_or_else(PoisonError::into_inner);
        last_answer.is_some_and(|at| at.elapsed() < OBSERVATION_LIFETIME)
    }

    async fn treatment_of_root(&self, probe: impl Future<Output = Treatment>) -> Treatment {
        let mut last_probe = self.last_probe.lock().await;
        if let Some((at, treatment)) = *last_probe
            && at.elapsed() < OBSERVATION_LIFETIME
        {
            return treatment;
        }
        let treatment = probe.await;
        *last_probe = Some((Instant::now(), treatment));
        treatment
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;

    const SERVFAIL: Treatment = Treatment::Error(ResponseCode::ServFail);
    const REFUSED: Treatment = Treatment::Error(ResponseCode::Refused);

    #[tokio::test(start_paused = true)]
    async fn a_failed_dns_lookup_is_a_fault_of_the_name_servers_only_if_they_also_fail_for_the_root_domain() {
        use LookupFailure::{NameServersDown, ServerError, Unanswered};
        use Treatment::{Answered, Silence};
        for (of_name, of_root, expected) in [
            (Silence, Answered, Unanswered),
            (Silence, SERVFAIL, Unanswered),
            (Silence, REFUSED, Unanswered),
            (Silence, Silence, NameServersDown),
            (SERVFAIL, Answered, ServerError),
            (SERVFAIL, REFUSED, ServerError),
            (SERVFAIL, SERVFAIL, NameServersDown),
            (SERVFAIL, Silence, NameServersDown),
            (REFUSED, REFUSED, NameServersDown),
        ] {
            let reason = Liveness::default().reason_of(of_name, ready(of_root)).await;
            assert_eq!(reason, expected, "name: {of_name:?}, root: {of_root:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_probe_of_the_dns_root_is_sent_if_the_name_servers_recently_answered_another_lookup() {
        let liveness = Liveness::default();
        let no_probe = async { panic!("the root is not looked up") };
        liveness.note_answer();
        assert_eq!(liveness.reason_of(Treatment::Silence, no_probe).await, LookupFailure::Unanswered);
        tokio::time::advance(OBSERVATION_LIFETIME).await;
        let reason = liveness.reason_of(Treatment::Silence, ready(Treatment::Silence)).await;
        assert_eq!(reason, LookupFailure::NameServersDown, "the answer is too old");
    }

    #[tokio::test(start_paused = true)]
    async fn dns_lookups_that_fail_within_one_second_share_one_probe_of_the_dns_root() {
        let liveness = Liveness::default();
        liveness.reason_of(Treatment::Silence, ready(Treatment::Silence)).await;
        let no_probe = async { panic!("the earlier probe is still valid") };
        assert_eq!(liveness.reason_of(SERVFAIL, no_probe).await, LookupFailure::NameServersDown);
    }
}
