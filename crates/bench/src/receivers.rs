//! `receivers`: the server against receivers that misbehave in every way a receiver can, all at the same time. What
//! becomes of each webhook is read from the public history and compared with what the documentation says.

mod act;
mod endpoint;
mod outcome;
mod zoo;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use self::endpoint::{Authority, Endpoint};
use self::outcome::{DEADLINE, Expected, Got, PAUSES_S};
use crate::api::Api;
use crate::job::{Image, Way};
use crate::load;
use crate::report::{self, progress};
use crate::server::{Build, Subject};
use crate::stage::{Setup, Stage};
use crate::usage;

/// After this a webhook counts as stuck.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often the history is asked.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Ordinary webhooks before memory is looked at: so many a second, for so long.
const WARM_UP_RATE: f64 = 50.0;
const WARM_UP: Duration = Duration::from_secs(2);

/// How much more memory the server may ever have had in the end than after those.
const MAX_GROWTH_MIB: f64 = 32.0;

/// What became of the webhooks to one receiver.
struct Seen {
    name: &'static str,
    expected: Expected,
    got: Got,
    n_connections: usize,
}

/// The figures of a run.
#[derive(Debug, Clone, Serialize)]
struct Report {
    command: &'static str,
    receivers: usize,
    /// Those whose webhooks did not become what they should.
    different: Vec<&'static str>,
    seconds: f64,
    /// Resident size of the server process after ordinary webhooks, and the largest it ever had.
    rss_warm_mib: Option<f64>,
    peak_rss_mib: Option<f64>,
    growth_mib: Option<f64>,
    /// Whether it grew by no more than it may.
    is_flat: bool,
}

/// Tries all of them, and says whether everything became what it should.
pub(crate) async fn run(subject: &Subject) -> anyhow::Result<bool> {
    let report = compare(subject).await?;
    report::print(&report)?;
    Ok(report.different.is_empty() && report.is_flat)
}

/// Starts a server and all receivers, sends each its webhooks, and compares.
async fn compare(subject: &Subject) -> anyhow::Result<Report> {
    let (image, authority) = (Image::noop()?, Authority::new()?);
    let binary = subject.binary(Build::LikeThis).await?;
    let settings = [settings(&authority), subject.settings.clone()].concat();
    let setup = Setup { settings: &settings, ..Setup::of(subject, &binary, &image, Way::Fetch) };
    let stage = setup.start().await?;
    warm_up(&stage).await;
    let warm_mib = usage::rss_mib(stage.server.pid());

    let begun = Instant::now();
    let mut asked = JoinSet::new();
    for (at, row) in zoo::rows(&authority)?.into_iter().enumerate() {
        let endpoint = Endpoint::start(row.place).await?;
        let mut webhook = row.wishes;
        webhook["url"] = json!(endpoint.url);
        let data = json!({ "url": stage.image_url, "webhook": webhook });
        let api = Arc::clone(&stage.api);
        asked.spawn(async move {
            let got = last_of(row.n_webhooks, &api, &data).await.with_context(|| row.name)?;
            let n_connections = endpoint.n_connections();
            Ok((at, Seen { name: row.name, expected: row.expected, got, n_connections }))
        });
    }
    let seen: Result<Vec<_>, anyhow::Error> = asked.join_all().await.into_iter().collect();
    let mut seen = seen?;
    seen.sort_by_key(|(at, _)| *at);
    let seen: Vec<Seen> = seen.into_iter().map(|(_, seen)| seen).collect();

    let peak_mib = usage::peak_rss_mib(stage.server.pid());
    let seconds = begun.elapsed().as_secs_f64();
    stage.server.stop().await?;
    progress(render(&seen));
    Ok(report(&seen, seconds, warm_mib.zip(peak_mib)))
}

/// Short times, so that a run is short, and a pause that is long enough to be looked at.
fn settings(authority: &Authority) -> Vec<String> {
    let [first, second] = PAUSES_S;
    vec![
        format!("network.extra_ca={}", authority.file().display()),
        format!("webhooks.deadline_s={}", DEADLINE.as_secs()),
        format!("webhooks.schedule_s={first},{second}"),
    ]
}

/// Lets the server do what it does every day.
async fn warm_up(stage: &Stage) {
    let end = tokio::time::sleep(WARM_UP);
    let answers = load::run(&stage.client, &stage.job, WARM_UP_RATE, end).await;
    stage.receiver.wait_for(&answers.accepted, PATIENCE).await;
}

/// Sends webhooks one after the other and waits until each has come to rest. Returns what became of the last one.
async fn last_of(n_webhooks: u32, api: &Api, data: &Value) -> anyhow::Result<Got> {
    let mut got = at_rest(api, data).await?;
    for _ in 1..n_webhooks {
        got = at_rest(api, data).await?;
    }
    Ok(got)
}

async fn at_rest(api: &Api, data: &Value) -> anyhow::Result<Got> {
    let id = api.process(data, None, None).await?.accepted()?;
    let begun = Instant::now();
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        let webhook = api.webhook(id).await?;
        if let Some(got) = Got::read(&webhook)? {
            return Ok(got);
        }
        ensure!(begun.elapsed() < PATIENCE, "the webhook is stuck: {webhook}");
    }
}

fn report(seen: &[Seen], seconds: f64, rss_mib: Option<(f64, f64)>) -> Report {
    let growth_mib = rss_mib.map(|(warm, peak)| usage::tenths(peak - warm));
    Report {
        command: "receivers",
        receivers: seen.len(),
        different: seen.iter().filter(|seen| !seen.differences().is_empty()).map(|seen| seen.name).collect(),
        seconds: usage::tenths(seconds),
        rss_warm_mib: rss_mib.map(|(warm, _)| warm),
        peak_rss_mib: rss_mib.map(|(_, peak)| peak),
        growth_mib,
        is_flat: growth_mib.is_none_or(|growth| growth <= MAX_GROWTH_MIB),
    }
}

impl Seen {
    fn differences(&self) -> Vec<&'static str> {
        self.expected.differences(&self.got, self.n_connections)
    }
}

/// A line for each receiver; below one that is not as expected, in what.
fn render(seen: &[Seen]) -> String {
    let mut table = String::new();
    let mut line = |cells: [&str; 3]| {
        let [receiver, expected, got] = cells;
        writeln!(table, "{receiver:<36}{expected:<54}{got}").expect("writing to a string cannot fail");
    };
    line(["receiver", "expected", "got"]);
    for seen in seen {
        line([seen.name, &seen.expected.to_string(), &seen.got.to_string()]);
        let differences = seen.differences();
        if !differences.is_empty() {
            let (n, expected) = (seen.n_connections, seen.expected.n_connections);
            line(["", "DIFFERENT", &format!("{}; {n} connections of {expected}", differences.join(", "))]);
        }
    }
    table
}
