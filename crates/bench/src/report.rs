//! What a run prints: progress for people on standard error, one line of JSON for programs on standard output.

use serde::Serialize;
use uuid::Uuid;

use crate::audit::Audit;
use crate::job::Job;
use crate::loopback::Client;
use crate::stats::Percentiles;
use crate::usage::Usage;

/// How much longer webhooks may take beside somebody else's backlog.
const MAX_RATIO: f64 = 2.0;

/// So many lost requests are looked up; the rest have the same cause.
const MAX_EXPLAINED: usize = 10;

/// The figures of a `webhooks` run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Webhooks {
    pub(crate) command: &'static str,
    pub(crate) rate: f64,
    pub(crate) seconds: f64,
    pub(crate) sent: usize,
    #[serde(flatten)]
    pub(crate) audit: Audit,
    pub(crate) refused: usize,
    pub(crate) rejected: usize,
    pub(crate) cut: usize,
    /// From the scheduled time to the end of the 202.
    pub(crate) accept_ms: Option<Percentiles>,
    /// From the end of the 202 to the arrival of the webhook.
    pub(crate) delivery_ms: Option<Percentiles>,
    /// Processor time of the server and its workers, from their start, for 1,000 accepted requests.
    pub(crate) cpu_s_per_1000: Option<f64>,
    /// Processor time of these tools, which the server did not have.
    pub(crate) cpu_tools_s: Option<f64>,
    #[serde(flatten)]
    pub(crate) usage: Option<Usage>,
}

/// The figures of a `kill9` run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Kill9 {
    pub(crate) command: &'static str,
    pub(crate) rounds: u32,
    pub(crate) rate: f64,
    pub(crate) seed: u64,
    pub(crate) sent: usize,
    #[serde(flatten)]
    pub(crate) audit: Audit,
    pub(crate) refused: usize,
    pub(crate) rejected: usize,
    pub(crate) cut: usize,
    pub(crate) duplicate_percent: f64,
    /// Kills that hit a server before it listened.
    pub(crate) killed_while_starting: u32,
    /// Workers that went on running after their server was killed.
    pub(crate) workers_left: usize,
    /// From the last kill to the last webhook that was owed.
    pub(crate) drain_s: f64,
}

/// The figures of a `redeliver` run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Redeliver {
    pub(crate) command: &'static str,
    pub(crate) receivers: u8,
    /// Webhooks delivered before they were to be sent again.
    pub(crate) stored: usize,
    #[serde(flatten)]
    pub(crate) audit: Audit,
    /// From the question to the last arrival.
    pub(crate) seconds: f64,
    pub(crate) per_second: f64,
    /// Processor time of the server for 1,000 webhooks.
    pub(crate) cpu_s_per_1000: Option<f64>,
    /// The same of these tools, the receiver among them.
    pub(crate) cpu_tools_s_per_1000: Option<f64>,
}

/// The figures of a `clock` run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Clock {
    pub(crate) command: &'static str,
    pub(crate) seed: u64,
    pub(crate) restarts: usize,
    pub(crate) jumps: usize,
    #[serde(flatten)]
    pub(crate) audit: Audit,
    /// Came before they were due by the server's clock.
    pub(crate) early: usize,
    /// Came again although nothing happened that could excuse it.
    pub(crate) twice: usize,
    /// Came again after a stop or a jump within a second of their arrival.
    pub(crate) repeated: usize,
    /// Are due at another time than the request asked for.
    pub(crate) misdated: usize,
    /// From the moment a webhook was due to its arrival: only the time at which it was due and the server ran.
    pub(crate) lateness_ms: Option<Percentiles>,
    pub(crate) took_s: f64,
}

/// The figures of a `receivers` run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Receivers {
    pub(crate) command: &'static str,
    pub(crate) receivers: usize,
    /// Those whose webhooks did not become what they should.
    pub(crate) different: Vec<&'static str>,
    pub(crate) seconds: f64,
    /// Resident size of the server process after ordinary webhooks, and the largest it ever had.
    pub(crate) rss_warm_mib: Option<f64>,
    pub(crate) peak_rss_mib: Option<f64>,
    pub(crate) growth_mib: Option<f64>,
    /// Whether it grew by no more than it may.
    pub(crate) is_flat: bool,
}

/// The figures of an `isolation` run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Isolation {
    pub(crate) command: &'static str,
    pub(crate) rate: f64,
    /// Webhooks that waited for the receiver that hangs, before it was measured and after.
    pub(crate) pending: (u64, u64),
    pub(crate) alone: Side,
    pub(crate) beside: Side,
    /// How much longer the other's webhooks took beside those.
    pub(crate) p50_ratio: Option<f64>,
    pub(crate) p99_ratio: Option<f64>,
}

/// One of its two measurements.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Side {
    #[serde(flatten)]
    pub(crate) audit: Audit,
    /// Requests that were not accepted.
    pub(crate) refused: usize,
    /// From the end of the 202 to the arrival of the webhook.
    pub(crate) delivery_ms: Option<Percentiles>,
}

impl Isolation {
    /// Compares.
    pub(crate) fn new(rate: f64, pending: (u64, u64), alone: Side, beside: Side) -> Self {
        let ratio = |of: fn(Percentiles) -> f64| {
            let (beside, alone) = (beside.delivery_ms.map(of)?, alone.delivery_ms.map(of)?);
            Some((beside / alone * 100.0).round() / 100.0)
        };
        let (p50_ratio, p99_ratio) = (ratio(|times| times.p50), ratio(|times| times.p99));
        Self { command: "isolation", rate, pending, alone, beside, p50_ratio, p99_ratio }
    }

    /// Whether the backlog was hardly felt, and nothing was lost on either side.
    pub(crate) fn is_isolated(&self) -> bool {
        let n_lost = |side: &Side| side.audit.lost + side.audit.failed + side.refused;
        let is_close = self.p99_ratio.is_some_and(|ratio| ratio <= MAX_RATIO);
        is_close && n_lost(&self.alone) + n_lost(&self.beside) == 0
    }
}

/// Says something to the person at the terminal.
pub(crate) fn progress(text: impl std::fmt::Display) {
    eprintln!("{text}");
}

/// Says what the server knows about requests that were lost, as far as it still answers.
pub(crate) async fn explain(client: &Client, job: &Job, lost: &[Uuid]) {
    for &id in lost.iter().take(MAX_EXPLAINED) {
        match client.send(job.history(id)).await {
            Ok((status, body)) => {
                progress(format_args!("lost {id}: {status} {}", String::from_utf8_lossy(&body)));
            }
            Err(error) => progress(format_args!("lost {id}: {error:#}")),
        }
    }
}

/// Prints the result.
pub(crate) fn print(report: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(report)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(p99: f64, lost: usize) -> Side {
        let audit =
            Audit { accepted: 9, delivered: 9, lost, duplicates: 0, altered: 0, orphans: 0, failed: 0 };
        Side { audit, refused: 0, delivery_ms: Some(Percentiles { p50: 1.0, p99, max: 99.0 }) }
    }

    #[test]
    fn who_is_isolated_hardly_waits_and_loses_nothing() {
        for (beside, lost, expected) in [(8.0, 0, true), (8.1, 0, false), (4.0, 1, false)] {
            let report = Isolation::new(100.0, (1, 1), side(4.0, 0), side(beside, lost));
            assert_eq!(report.is_isolated(), expected, "{beside} ms, {lost} lost");
        }
        let unmeasured = Side { delivery_ms: None, ..side(4.0, 0) };
        assert!(!Isolation::new(100.0, (1, 1), side(4.0, 0), unmeasured).is_isolated());
    }
}
