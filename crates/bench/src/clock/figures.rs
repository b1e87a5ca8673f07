//! The figures of a run of the tool `clock`: how many webhooks arrived early, twice, late or never.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde::Serialize;
use uuid::Uuid;

use super::fake_clock_server::system_now_ms;
use super::timeline::Timeline;
use super::{Acceptances, JUMPS, RESTARTS_PER_JUMP, SLACK_MS, TRANSIT_MS};
use crate::audit::Audit;
use crate::percentiles::Percentiles;
use crate::report::{Report, progress};
use crate::resource_usage::tenths;
use crate::webhook_receiver::Delivery;

/// The largest allowed p99 of the time by which webhooks arrive late, in milliseconds.
const MAX_P99_MS: f64 = 5_000.0;

#[derive(Debug, Clone, Serialize)]
pub(super) struct Figures {
    seed: u64,
    restarts: usize,
    jumps: usize,
    #[serde(flatten)]
    audit: Audit,
    /// The number of webhooks that arrived before their due time by the server's clock.
    early: usize,
    /// The number of repeated deliveries of webhooks if the server was not stopped or started, and its clock
    /// did not jump, within one second of the first delivery. Such a repetition is an error.
    twice: usize,
    /// The number of repeated deliveries of webhooks if the server was stopped or started, or its clock
    /// jumped, within one second of the first delivery. Such a repetition is allowed.
    repeated: usize,
    /// The number of webhooks whose due time is not the time of their request plus their delay.
    misdated: usize,
    /// The lateness of each webhook in milliseconds: the time from its due time to its arrival, without the
    /// time in which the server did not run.
    lateness_ms: Option<Percentiles>,
    took_s: f64,
}

impl Figures {
    /// Computes the figures from all deliveries and the due times of the accepted webhooks.
    pub(super) fn new(
        seed: u64,
        timeline: &Timeline,
        acceptances: &Acceptances,
        deliveries: &[Delivery],
        took: Duration,
    ) -> Self {
        let mut firsts: HashMap<Uuid, &Delivery> = HashMap::new();
        let (mut n_twice, mut n_repeated, mut n_early) = (0, 0, 0);
        let mut lateness = Vec::new();
        for delivery in deliveries {
            let Some(webhook) = acceptances.webhooks.get(&delivery.id) else { continue };
            if let Some(first) = firsts.get(&delivery.id) {
                // At-least-once delivery allows this repetition: the webhook arrived, but then the server was
                // stopped or the lease of the webhook expired before the ledger had recorded the attempt.
                let is_explained = timeline.was_disturbed(real_ms(first.at) - TRANSIT_MS, 2 * TRANSIT_MS);
                *(if is_explained { &mut n_repeated } else { &mut n_twice }) += 1;
                continue;
            }
            firsts.insert(delivery.id, delivery);
            let at_ms = real_ms(delivery.at);
            if timeline.is_early(webhook.due_ms - SLACK_MS, at_ms, TRANSIT_MS) {
                progress(format_args!("{} came early: {:?}", delivery.id, delivery));
                n_early += 1;
            }
            let late_ms = timeline.lateness_ms(webhook.due_ms, webhook.accepted_ms, at_ms);
            lateness.push(Duration::from_millis(late_ms.unsigned_abs()));
        }
        Self {
            seed,
            restarts: JUMPS.len() * RESTARTS_PER_JUMP,
            jumps: JUMPS.len() + 1,
            audit: Audit::new(&acceptances.accepted(), deliveries),
            early: n_early,
            twice: n_twice,
            repeated: n_repeated,
            misdated: acceptances.n_misdated,
            lateness_ms: Percentiles::of(lateness),
            took_s: tenths(took.as_secs_f64()),
        }
    }

    /// Creates the report of the tool `clock` with its requirements.
    pub(super) fn report(&self) -> anyhow::Result<Report> {
        let Audit { lost, altered, failed, .. } = self.audit;
        let is_punctual = self.lateness_ms.is_some_and(|lateness| lateness.p99 <= MAX_P99_MS);
        Ok(Report::new("clock", self)?
            .require("99 % of the webhooks are at most 5 s late", is_punctual)
            .require("no accepted webhook is lost, altered or failed", lost + altered + failed == 0)
            .require("no webhook arrives before it is due", self.early == 0)
            .require("no webhook arrives twice without a stop or a jump", self.twice == 0)
            .require("every due time follows from the delay", self.misdated == 0))
    }
}

/// Converts a moment in the recent past to the time of the machine's wall clock, in milliseconds since 1970.
fn real_ms(at: Instant) -> i64 {
    system_now_ms() - i64::try_from(at.elapsed().as_millis()).unwrap_or(i64::MAX)
}
