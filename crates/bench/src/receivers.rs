//! The tool `receivers`: sends webhooks to many misbehaving receivers at the same time. The tool compares the
//! public history of each webhook with the documentation.

mod catalogue;
mod endpoint;
mod expected;
mod observed;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use pixaven_testkit::tls::CertificateAuthority;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use self::endpoint::RunningEndpoint;
use self::expected::{DEADLINE, Expected, RETRY_SCHEDULE_S};
use self::observed::Observed;
use crate::api_client::ApiClient;
use crate::environment::{EnvironmentOptions, TestEnvironment};
use crate::load;
use crate::report::{Report, Table};
use crate::request_template::{InputMode, TestImage};
use crate::resource_usage::{self, tenths};
use crate::server::{Build, ServerArgs};

/// The time limit within which a webhook must end, or must wait for an attempt that is due after the end of
/// the run.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(30);

/// The interval between two reads of a webhook's history.
const POLL_EVERY: Duration = Duration::from_millis(250);

/// The rate, in webhooks per second, and the duration of the load with ordinary webhooks before the first
/// measurement of memory.
const WARM_UP_RATE: f64 = 50.0;
const WARM_UP: Duration = Duration::from_secs(2);

/// The largest allowed growth of the server's memory in MiB: the peak memory of the whole run minus the
/// memory after the warm-up.
const MAX_GROWTH_MIB: f64 = 32.0;

/// The expected and the observed outcome of the webhooks to one receiver.
struct Comparison {
    name: &'static str,
    expected: Expected,
    observed: Observed,
    n_connections: usize,
}

#[derive(Debug, Clone, Serialize)]
struct Figures {
    receivers: usize,
    /// The names of the receivers whose webhooks had another outcome than expected.
    different: Vec<&'static str>,
    seconds: f64,
    /// The resident size of the server process in MiB: after the warm-up (`rss_warm_mib`), and the peak of
    /// the whole run (`peak_rss_mib`).
    rss_warm_mib: Option<f64>,
    peak_rss_mib: Option<f64>,
    growth_mib: Option<f64>,
    /// Returns whether the memory of the server grew by at most [`MAX_GROWTH_MIB`].
    is_flat: bool,
}

/// Sends webhooks to all receivers, and compares the outcome of each webhook with the documented outcome.
pub(crate) async fn run(args: &ServerArgs) -> anyhow::Result<Report> {
    let (image, authority) = (TestImage::noop()?, CertificateAuthority::new());
    let binary = args.binary(Build::SameProfile).await?;
    let settings = [settings(&authority), args.settings.clone()].concat();
    let options = EnvironmentOptions::new(args, &binary, &image, InputMode::Fetch);
    let environment = EnvironmentOptions { settings: &settings, ..options }.start().await?;
    warm_up(&environment).await;
    let warm_mib = resource_usage::rss_mib(environment.server.pid());

    let start = Instant::now();
    let comparisons = compare_all(&environment, &authority).await?;
    let seconds = start.elapsed().as_secs_f64();
    let peak_mib = resource_usage::peak_rss_mib(environment.server.pid());
    environment.server.stop().await?;

    let figures = Figures::new(&comparisons, seconds, warm_mib.zip(peak_mib));
    Ok(Report::new("receivers", &figures)?
        .table("webhooks", table(&comparisons))
        .require("every webhook becomes what the documentation says", figures.different.is_empty())
        .require("the server's memory grows by at most 32 MiB", figures.is_flat))
}

/// Settings of the server that make the run of the tool shorter: a short deadline of an attempt, and a short
/// pause before the second attempt. The pause before the third attempt is longer than the run.
fn settings(authority: &CertificateAuthority) -> Vec<String> {
    let [first, second] = RETRY_SCHEDULE_S;
    vec![
        format!("network.extra_ca={}", authority.pem_file().display()),
        format!("webhooks.deadline_s={}", DEADLINE.as_secs()),
        format!("webhooks.schedule_s={first},{second}"),
    ]
}

/// Sends ordinary webhooks, so that the server allocates its usual memory before the first measurement.
async fn warm_up(environment: &TestEnvironment) {
    let end = tokio::time::sleep(WARM_UP);
    let result = load::run(&environment.http, &environment.template, WARM_UP_RATE, end).await;
    environment.receiver.wait_for(&result.accepted, SETTLE_TIMEOUT).await;
}

/// Starts all receivers and sends webhooks to each of them. Returns the expected and the observed outcomes in
/// the order of the catalogue of receivers.
async fn compare_all(
    environment: &TestEnvironment,
    authority: &CertificateAuthority,
) -> anyhow::Result<Vec<Comparison>> {
    let mut pending = JoinSet::new();
    for (at, case) in catalogue::all_cases(authority)?.into_iter().enumerate() {
        let endpoint = RunningEndpoint::start(case.endpoint);
        let mut webhook = case.webhook_options;
        webhook["url"] = json!(endpoint.url);
        let data = json!({ "url": environment.image_url, "webhook": webhook });
        let api = Arc::clone(&environment.api);
        pending.spawn(async move {
            let observed = send_in_sequence(case.n_webhooks, &api, &data).await.with_context(|| case.name)?;
            let n_connections = endpoint.n_connections();
            Ok((at, Comparison { name: case.name, expected: case.expected, observed, n_connections }))
        });
    }
    let comparisons: Result<Vec<_>, anyhow::Error> = pending.join_all().await.into_iter().collect();
    let mut comparisons = comparisons?;
    comparisons.sort_by_key(|(at, _)| *at);
    Ok(comparisons.into_iter().map(|(_, comparison)| comparison).collect())
}

/// Sends webhooks one after the other. Each webhook is sent when the previous webhook has ended, or waits for
/// an attempt that is due after the end of the run. Returns the observed outcome of the last webhook.
async fn send_in_sequence(n_webhooks: u32, api: &ApiClient, data: &Value) -> anyhow::Result<Observed> {
    let mut observed = send_until_settled(api, data).await?;
    for _ in 1..n_webhooks {
        observed = send_until_settled(api, data).await?;
    }
    Ok(observed)
}

async fn send_until_settled(api: &ApiClient, data: &Value) -> anyhow::Result<Observed> {
    let id = api.process(data, None, None).await?.accepted_id()?;
    let start = Instant::now();
    let mut ticks = tokio::time::interval(POLL_EVERY);
    loop {
        ticks.tick().await;
        let webhook = api.webhook(id).await?;
        if let Some(observed) = Observed::read(&webhook)? {
            return Ok(observed);
        }
        ensure!(start.elapsed() < SETTLE_TIMEOUT, "the webhook is stuck: {webhook}");
    }
}

impl Comparison {
    fn differences(&self) -> Vec<&'static str> {
        self.expected.differences(&self.observed, self.n_connections)
    }
}

impl Figures {
    /// Computes the figures of the run. `rss_mib` holds the memory of the server after the warm-up, and its
    /// peak memory, both in MiB.
    fn new(comparisons: &[Comparison], seconds: f64, rss_mib: Option<(f64, f64)>) -> Self {
        let is_different = |comparison: &&Comparison| !comparison.differences().is_empty();
        let growth_mib = rss_mib.map(|(warm, peak)| tenths(peak - warm));
        Self {
            receivers: comparisons.len(),
            different: comparisons.iter().filter(is_different).map(|comparison| comparison.name).collect(),
            seconds: tenths(seconds),
            rss_warm_mib: rss_mib.map(|(warm, _)| warm),
            peak_rss_mib: rss_mib.map(|(_, peak)| peak),
            growth_mib,
            is_flat: growth_mib.is_none_or(|growth| growth <= MAX_GROWTH_MIB),
        }
    }
}

/// Creates a table with a row for each receiver. If the observed outcome differs from the expected outcome, a
/// second row lists the differences.
fn table(comparisons: &[Comparison]) -> Table {
    let mut table = Table::new(&["receiver", "expected", "got"]);
    for comparison in comparisons {
        let Comparison { name, expected, observed, n_connections } = comparison;
        table.push(vec![(*name).to_owned(), expected.to_string(), observed.to_string()]);
        let differences = comparison.differences();
        if !differences.is_empty() {
            let connections = format!("{n_connections} connections of {}", expected.n_connections);
            let text = format!("{}; {connections}", differences.join(", "));
            table.push(vec![String::new(), "DIFFERENT".to_owned(), text]);
        }
    }
    table
}
