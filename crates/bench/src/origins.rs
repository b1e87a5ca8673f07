//! The tool `origins`: lets the server fetch from each hostile origin many times at once. The tool measures
//! whether every fetch ends at its deadline, how fast the server answers other requests meanwhile, and how
//! much memory the server needs and keeps.

mod probe;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use futures_util::future::join_all;
use pixaven_testkit::hostile_origins::{self, HostileOrigin};
use pixaven_testkit::tls::CertificateAuthority;
use serde::Serialize;
use serde_json::json;

use self::probe::Probe;
use crate::api_client::ApiClient;
use crate::environment::{EnvironmentOptions, TestEnvironment};
use crate::percentiles::Percentiles;
use crate::report::{Report, Table, progress};
use crate::request_template::{InputMode, TestImage};
use crate::resource_usage::{self, hundredths};
use crate::server::{Build, ServerArgs};

/// The time after the deadline of a fetch within which the answer to the client's request must arrive.
const MAX_EXCESS: Duration = Duration::from_secs(1);

/// The largest allowed p99 of the answers to `GET /healthz`, in milliseconds.
const MAX_HEALTH_P99_MS: f64 = 50.0;

/// The largest allowed p99 of the answers to `GET /healthz`, as a multiple of the p99 of an idle server. This
/// limit replaces [`MAX_HEALTH_P99_MS`] where it is the higher limit, because then the machine is busy.
const MAX_IDLE_RATIO: f64 = 2.0;

/// The largest allowed peak of the server's memory, in MiB, which is the default of `images.queue_bytes`.
const MAX_PEAK_MIB: f64 = 512.0;

/// The largest resident size of the server, in MiB, after the time [`REST`] without requests.
const MAX_RESTED_MIB: f64 = 100.0;

/// The time without requests before the memory that the server keeps is measured.
const REST: Duration = Duration::from_secs(30);

#[derive(Args)]
pub(crate) struct OriginsArgs {
    /// The number of fetches from the same origin at once.
    #[arg(long, default_value_t = 50)]
    fetches: usize,
    /// The deadline of a fetch, in seconds.
    #[arg(long, default_value_t = 15)]
    deadline_s: u64,
    /// Run only the origins whose name contains this text.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

/// The figures of one origin.
#[derive(Debug, Clone, Serialize)]
struct OriginFigures {
    origin: &'static str,
    /// The error words of the answers, and the number of answers with each error word.
    answers: String,
    is_expected: bool,
    /// The longest time from a request to its answer, in seconds.
    slowest_s: f64,
    health_ms: Option<Percentiles>,
    /// The response times of an idle server that got the same requests for `GET /healthz`.
    idle_ms: Option<Percentiles>,
    peak_rss_mib: f64,
}

#[derive(Debug, Clone, Serialize)]
struct Figures {
    origins: Vec<OriginFigures>,
    fetches: usize,
    /// The names of the origins with answers that are wrong.
    wrong: Vec<&'static str>,
    /// The longest time by which an answer came after the deadline, in seconds.
    deadline_excess_s: f64,
    /// The response times of `GET /healthz` during the fetches from all origins.
    health_ms: Option<Percentiles>,
    idle_ms: Option<Percentiles>,
    /// The resident size of the server in MiB: before the fetches, its peak, and after a rest.
    rss_before_mib: f64,
    peak_rss_mib: f64,
    rss_rested_mib: f64,
}

impl OriginFigures {
    /// Returns whether the server answered `GET /healthz` in time during the fetches.
    fn is_healthy(&self) -> bool {
        self.health_ms
            .zip(self.idle_ms)
            .is_some_and(|(health, idle)| health.p99 <= MAX_HEALTH_P99_MS.max(MAX_IDLE_RATIO * idle.p99))
    }
}

/// Lets the server fetch from all hostile origins, one origin after the other.
pub(crate) async fn run(args: &OriginsArgs) -> anyhow::Result<Report> {
    let authority = CertificateAuthority::new();
    let (binary, image) = (args.server.binary(Build::Optimised).await?, TestImage::noop()?);
    let own = vec![
        format!("network.extra_ca={}", authority.pem_file().display()),
        format!("fetch.deadline_s={}", args.deadline_s),
    ];
    let settings = [own, args.server.settings.clone()].concat();
    let options = EnvironmentOptions::new(&args.server, &binary, &image, InputMode::Fetch);
    let options = EnvironmentOptions { settings: &settings, ..options };
    let (environment, idle) = (options.start().await?, options.start().await?);
    let is_chosen = |origin: &HostileOrigin| args.only.as_ref().is_none_or(|text| origin.name.contains(text));
    let origins: Vec<_> = hostile_origins::all(&authority).into_iter().filter(is_chosen).collect();
    ensure!(!origins.is_empty(), "--only: no origin has this text in its name");
    let figures = measure(args, &environment, idle.address, origins).await?;
    environment.server.stop().await?;
    idle.server.stop().await?;
    report(&figures)
}

async fn measure(
    args: &OriginsArgs,
    environment: &TestEnvironment,
    idle: SocketAddr,
    origins: Vec<HostileOrigin>,
) -> anyhow::Result<Figures> {
    let pid = environment.server.pid();
    let rss_before_mib = resource_usage::rss_mib(pid).unwrap_or_default();
    let (mut measured, mut all_health, mut all_idle) = (Vec::new(), Vec::new(), Vec::new());
    for origin in origins {
        let probe = Probe::start(environment.address, pid, idle);
        let figures = fetch_many(args.fetches, environment, origin).await?;
        let probed = probe.stop().await?;
        let health_ms = Percentiles::of(probed.health_times.clone());
        let idle_ms = Percentiles::of(probed.idle_times.clone());
        let figures = OriginFigures { health_ms, idle_ms, peak_rss_mib: probed.peak_rss_mib, ..figures };
        progress(format_args!(
            "{}: {}, slowest {} s, healthz p99 {} ms (idle server {} ms), {} MiB",
            figures.origin,
            figures.answers,
            figures.slowest_s,
            health_ms.map_or(0.0, |health| health.p99),
            idle_ms.map_or(0.0, |idle| idle.p99),
            figures.peak_rss_mib,
        ));
        all_health.extend(probed.health_times);
        all_idle.extend(probed.idle_times);
        measured.push(figures);
    }
    let peak_rss_mib = resource_usage::peak_rss_mib(pid).unwrap_or_default();
    progress(format_args!("resting for {} s", REST.as_secs()));
    tokio::time::sleep(REST).await;
    let slowest_s = measured.iter().map(|figures| figures.slowest_s).fold(0.0, f64::max);
    Ok(Figures {
        fetches: args.fetches,
        wrong: measured.iter().filter(|origin| !origin.is_expected).map(|origin| origin.origin).collect(),
        deadline_excess_s: hundredths((slowest_s - args.deadline_s as f64).max(0.0)),
        health_ms: Percentiles::of(all_health),
        idle_ms: Percentiles::of(all_idle),
        rss_before_mib,
        peak_rss_mib,
        rss_rested_mib: resource_usage::rss_mib(pid).unwrap_or_default(),
        origins: measured,
    })
}

/// Lets the server fetch from one origin `n` times at once. The figures of the probe are not set yet.
async fn fetch_many(
    n: usize,
    environment: &TestEnvironment,
    origin: HostileOrigin,
) -> anyhow::Result<OriginFigures> {
    let (name, expected) = (origin.name, origin.errors);
    let running = origin.start();
    let request = json!({ "url": running.url.as_str() });
    let fetches = (0..n).map(async |_| {
        let (start, api) = (Instant::now(), Arc::clone(&environment.api));
        let response = ApiClient::process(&api, &request, None, None).await;
        response
            .map(|response| (response.json["error"].as_str().unwrap_or("none").to_owned(), start.elapsed()))
    });
    let answers = join_all(fetches).await.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let mut counts = std::collections::BTreeMap::new();
    for (word, _) in &answers {
        *counts.entry(word.as_str()).or_insert(0) += 1;
    }
    let is_expected = counts.keys().all(|word| expected.contains(word));
    let slowest = answers.iter().map(|(_, time)| *time).max().unwrap_or_default();
    let counted: Vec<_> = counts.iter().map(|(word, n)| format!("{n} {word}")).collect();
    Ok(OriginFigures {
        origin: name,
        answers: counted.join(", "),
        is_expected,
        slowest_s: hundredths(slowest.as_secs_f64()),
        health_ms: None,
        idle_ms: None,
        peak_rss_mib: 0.0,
    })
}

fn report(figures: &Figures) -> anyhow::Result<Report> {
    let mut table =
        Table::new(&["origin", "answers", "slowest_s", "healthz p99 ms", "idle p99 ms", "peak MiB"]);
    for origin in &figures.origins {
        table.push(vec![
            origin.origin.to_owned(),
            origin.answers.clone(),
            origin.slowest_s.to_string(),
            origin.health_ms.map_or_else(String::new, |health| health.p99.to_string()),
            origin.idle_ms.map_or_else(String::new, |idle| idle.p99.to_string()),
            origin.peak_rss_mib.to_string(),
        ]);
    }
    let is_healthy = figures.origins.iter().all(OriginFigures::is_healthy);
    Ok(Report::new("origins", figures)?
        .table("origins", table)
        .require("every fetch ends as expected", figures.wrong.is_empty())
        .require(
            "every fetch ends 1 s after its deadline",
            figures.deadline_excess_s <= MAX_EXCESS.as_secs_f64(),
        )
        .require(
            "the p99 of /healthz during the fetches is at most 50 ms, or twice that of an idle server",
            is_healthy,
        )
        .require("the server needs at most 512 MiB", figures.peak_rss_mib <= MAX_PEAK_MIB)
        .require("the server keeps at most 100 MiB after 30 s", figures.rss_rested_mib <= MAX_RESTED_MIB))
}
