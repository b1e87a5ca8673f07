//! `clock`: delays against a wall clock that lies. A server under libfaketime gets webhooks with delays of a second to a
//! week, is killed and stopped and started again, and its clock is set forward and back, while it runs and while it does
//! not. None may come early by that clock, twice, late, or not at all.

mod faketime;
mod lab;
mod timeline;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::api::Api;
use crate::audit::{self, Audit};
use crate::job::{Image, Way};
use crate::receiver::{Delivery, Receiver};
use crate::report::{self, progress};
use crate::server::{Build, Subject};
use crate::stage::{Setup, Stage};
use crate::stats::Percentiles;

use faketime::Faketime;
use lab::{Lab, system_now_ms};
use timeline::Timeline;

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 24 * HOUR_S;

/// How far the clock is set, one after the other, and what the server does meanwhile.
const JUMPS: [(i64, Meanwhile); 10] = [
    (HOUR_S, Meanwhile::Running),
    (HOUR_S, Meanwhile::Stopped),
    (-HOUR_S, Meanwhile::Running),
    (-HOUR_S, Meanwhile::Stopped),
    (-DAY_S, Meanwhile::Running),
    (-DAY_S, Meanwhile::Stopped),
    (7 * DAY_S, Meanwhile::Running),
    (60 * DAY_S, Meanwhile::Stopped),
    (-DAY_S, Meanwhile::Running),
    (HOUR_S, Meanwhile::Stopped),
];

/// As often as this the server is stopped for each jump, one time by SIGKILL and one time by SIGTERM.
const RESTARTS_PER_JUMP: usize = 2;

/// The longest delay. In the end the clock is set forward until all of them are over.
const MAX_DELAY_S: i64 = 7 * DAY_S;

/// From the moment at which a webhook was due to its arrival: what arrives this soon after a jump may have begun before it.
const WAY_MS: i64 = 1_000;

/// The clock of this program and that of the server are read at different moments.
const SLACK_MS: i64 = 50;

/// One in a hundred webhooks may be later than this.
const MAX_P99_MS: f64 = 5_000.0;

/// What the server does while its clock is set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meanwhile {
    Running,
    Stopped,
}

#[derive(Args)]
pub(crate) struct ClockArgs {
    /// Webhooks that are asked for before each restart.
    #[arg(long, default_value_t = 15)]
    per_round: u32,
    /// Decides the delays and the pauses.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long to wait for the next webhook after the load, in seconds, before the rest counts as lost.
    #[arg(long, default_value_t = 60.0)]
    drain_seconds: f64,
    #[command(flatten)]
    subject: Subject,
}

/// The figures of a run.
#[derive(Debug, Clone, Serialize)]
struct Report {
    command: &'static str,
    seed: u64,
    restarts: usize,
    jumps: usize,
    #[serde(flatten)]
    audit: Audit,
    /// Came before they were due by the server's clock.
    early: usize,
    /// Came again although nothing happened that could excuse it.
    twice: usize,
    /// Came again after a stop or a jump within a second of their arrival.
    repeated: usize,
    /// Are due at another time than the request asked for.
    misdated: usize,
    /// From the moment a webhook was due to its arrival: only the time at which it was due and the server ran.
    lateness_ms: Option<Percentiles>,
    took_s: f64,
}

/// Tries, and says whether the promise was kept.
pub(crate) async fn run(args: &ClockArgs) -> anyhow::Result<bool> {
    let (binary, image) = (args.subject.binary(Build::LikeThis).await?, Image::noop()?);
    let run = Run {
        setup: Setup::of(&args.subject, &binary, &image, Way::Fetch),
        per_round: args.per_round,
        seed: args.seed,
        drain: Duration::from_secs_f64(args.drain_seconds),
    };
    let report = run.measure().await?;
    report::print(&report)?;
    Ok(is_good(&report))
}

/// A run.
struct Run<'a> {
    setup: Setup<'a>,
    per_round: u32,
    seed: u64,
    drain: Duration,
}

/// A webhook that the server has promised.
struct Promise {
    accepted: Instant,
    at_ms: i64,
    /// By the server's clock.
    due_ms: i64,
}

/// What is to be found out.
#[derive(Default)]
struct Findings {
    promises: HashMap<Uuid, Promise>,
    n_misdated: usize,
}

impl Run<'_> {
    /// Starts a server, plays with its clock, and looks at what came when.
    async fn measure(mut self) -> anyhow::Result<Report> {
        let begun = Instant::now();
        let faketime = Faketime::new()?;
        faketime.check().await?;
        self.setup.environment = faketime.environment();
        let stage = self.setup.start().await?;
        let Stage { installation, server, address, image_url, receiver, api, directory: _directory, .. } =
            stage;
        let data = json!({ "url": image_url, "webhook": { "url": receiver.url() } });
        let mut lab = Lab {
            faketime,
            installation,
            server: Some(server),
            port: address.port(),
            timeline: Timeline::new(system_now_ms()),
            random: fastrand::Rng::with_seed(self.seed),
        };
        let mut findings = Findings::default();
        for (by_s, meanwhile) in JUMPS {
            for is_killed in [true, false] {
                self.ask(&mut lab, &api, &data, &mut findings).await?;
                lab.pause().await;
                lab.stop(is_killed).await?;
                if is_killed && meanwhile == Meanwhile::Stopped {
                    lab.jump(by_s)?;
                }
                lab.start().await?;
            }
            if meanwhile == Meanwhile::Running {
                lab.pause().await;
                lab.jump(by_s)?;
            }
        }
        lab.pause().await;
        lab.jump(findings.latest_due_ms().saturating_sub(lab.wall_ms()).max(0) / 1_000 + 1)?;
        let accepted = findings.promises.iter().map(|(id, promise)| (*id, promise.accepted)).collect();
        receiver.wait_for(&accepted, self.drain).await;
        report::explain(&api, &audit::lost(&accepted, &receiver.deliveries())).await;
        lab.stop(false).await?;
        Ok(self.report(&lab.timeline, &findings, &receiver, &accepted, begun.elapsed()))
    }

    /// Has a few webhooks accepted, and notes when the server says they are due.
    async fn ask(
        &self,
        lab: &mut Lab,
        api: &Api,
        data: &Value,
        findings: &mut Findings,
    ) -> anyhow::Result<()> {
        for _ in 0..self.per_round {
            let delay_s = lab.delay_s();
            let asked_ms = lab.wall_ms();
            let mut data = data.clone();
            data["webhook"]["delay"] = json!(delay_s);
            let id = api.process(&data, None, None).await?.accepted()?;
            let (accepted, at_ms) = (Instant::now(), system_now_ms());
            let due_ms = due_ms(api, id).await?;
            let earliest_ms = asked_ms + delay_s * 1_000 - SLACK_MS;
            let latest_ms = lab.wall_ms() + delay_s * 1_000 + SLACK_MS;
            if !(earliest_ms..=latest_ms).contains(&due_ms) {
                progress(format_args!("{id} is due at {due_ms}, not from {earliest_ms} to {latest_ms}"));
                findings.n_misdated += 1;
            }
            findings.promises.insert(id, Promise { accepted, at_ms, due_ms });
        }
        Ok(())
    }

    fn report(
        &self,
        timeline: &Timeline,
        findings: &Findings,
        receiver: &Receiver,
        accepted: &HashMap<Uuid, Instant>,
        took: Duration,
    ) -> Report {
        let deliveries = receiver.deliveries();
        let mut firsts: HashMap<Uuid, &Delivery> = HashMap::new();
        let (mut n_twice, mut n_repeated, mut n_early) = (0, 0, 0);
        let mut lateness = Vec::new();
        for delivery in &deliveries {
            let Some(promise) = findings.promises.get(&delivery.id) else { continue };
            if let Some(first) = firsts.get(&delivery.id) {
                // Killed, or over its lease, between the arrival and the note of it: the one case of at least once.
                let is_explained = timeline.was_disturbed(real_ms(first.at) - WAY_MS, 2 * WAY_MS);
                *(if is_explained { &mut n_repeated } else { &mut n_twice }) += 1;
                continue;
            }
            firsts.insert(delivery.id, delivery);
            let at_ms = real_ms(delivery.at);
            if timeline.is_early(promise.due_ms - SLACK_MS, at_ms, WAY_MS) {
                progress(format_args!("{} came early: {:?}", delivery.id, delivery));
                n_early += 1;
            }
            let late_ms = timeline.lateness_ms(promise.due_ms, promise.at_ms, at_ms);
            lateness.push(Duration::from_millis(late_ms.unsigned_abs()));
        }
        Report {
            command: "clock",
            seed: self.seed,
            restarts: JUMPS.len() * RESTARTS_PER_JUMP,
            jumps: JUMPS.len() + 1,
            audit: Audit::of(accepted, &deliveries),
            early: n_early,
            twice: n_twice,
            repeated: n_repeated,
            misdated: findings.n_misdated,
            lateness_ms: Percentiles::of(lateness),
            took_s: (took.as_secs_f64() * 10.0).round() / 10.0,
        }
    }
}

/// Whether the promise was kept.
fn is_good(report: &Report) -> bool {
    let Audit { lost, altered, failed, .. } = report.audit;
    let in_time = report.lateness_ms.is_some_and(|lateness| lateness.p99 <= MAX_P99_MS);
    in_time && lost + altered + failed + report.early + report.twice + report.misdated == 0
}

impl Findings {
    /// When all that was promised is due.
    fn latest_due_ms(&self) -> i64 {
        self.promises.values().map(|promise| promise.due_ms).max().unwrap_or(0)
    }
}

/// When an accepted webhook is due, by the server's clock: waits until its image is processed.
async fn due_ms(api: &Api, id: Uuid) -> anyhow::Result<i64> {
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    loop {
        ticks.tick().await;
        let webhook = api.webhook(id).await?;
        if webhook["waits_for"] == "delay" {
            return wall_time_ms(&webhook["next_attempt"]);
        }
        let is_processed = webhook["status"] != "created";
        ensure!(!is_processed, "{id} did not wait for its delay: {webhook}");
    }
}

fn wall_time_ms(text: &Value) -> anyhow::Result<i64> {
    let text = text.as_str().context("no time")?;
    let at = OffsetDateTime::parse(text, &Rfc3339).with_context(|| format!("no time: {text}"))?;
    Ok(i64::try_from(at.unix_timestamp_nanos() / 1_000_000)?)
}

/// The time of this machine at a moment that is not long ago.
fn real_ms(at: Instant) -> i64 {
    system_now_ms() - i64::try_from(at.elapsed().as_millis()).unwrap_or(i64::MAX)
}
