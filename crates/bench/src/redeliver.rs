//! The tool `redeliver`: measures the delivery of webhooks without image processing. The server first
//! delivers each webhook once, so that all webhooks are stored. The tool then starts a bulk resend of all
//! webhooks, and measures the time from the request of the resend to the arrival of the last webhook.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use futures_util::future::join_all;
use hyper::StatusCode;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::audit::Audit;
use crate::environment::{EnvironmentOptions, TestEnvironment};
use crate::load;
use crate::report::{Report, progress};
use crate::request_template::{InputMode, TestImage};
use crate::resource_usage::{self, ResourceUsage};
use crate::server::{Build, ServerArgs};

/// The rate at which requests are sent before the resend, in requests per second. This rate is lower than the
/// highest rate that the server sustains.
const STORE_PER_S: f64 = 700.0;

#[derive(Args)]
pub(crate) struct RedeliverArgs {
    /// The number of webhooks.
    #[arg(long, default_value_t = 50_000)]
    webhooks: u32,
    /// The number of receivers, each at an address of its own, because the server limits the webhooks in
    /// flight to each receiver.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u8).range(1..))]
    receivers: u8,
    /// Seconds without a new webhook after which the missing webhooks count as lost.
    #[arg(long, default_value_t = 60.0)]
    drain_seconds: f64,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Clone, Serialize)]
struct Figures {
    receivers: u8,
    /// Webhooks that were delivered before the resend.
    stored: usize,
    /// The counts of the deliveries by the resend. The first delivery of each webhook, which was before the
    /// resend, is not counted. The resend must deliver each webhook exactly once.
    #[serde(flatten)]
    audit: Audit,
    /// Seconds from the request of the resend to the arrival of the last webhook.
    seconds: f64,
    per_second: f64,
    /// Seconds of processor time of the server per 1,000 webhooks.
    cpu_s_per_1000: Option<f64>,
    /// Seconds of processor time of the load tool, including its receivers, per 1,000 webhooks.
    cpu_tools_s_per_1000: Option<f64>,
}

/// Stores webhooks and resends them. The report requires that the resend delivers each webhook exactly once
/// and unchanged.
pub(crate) async fn run(args: &RedeliverArgs) -> anyhow::Result<Report> {
    ensure!(args.webhooks > 0, "--webhooks is above zero");
    let (binary, image) = (args.server.binary(Build::Optimised).await?, TestImage::noop()?);
    let run = Run {
        options: EnvironmentOptions::new(&args.server, &binary, &image, InputMode::Fetch),
        webhooks: args.webhooks,
        receivers: args.receivers,
        drain: Duration::from_secs_f64(args.drain_seconds),
    };
    let figures = run.measure().await?;
    let Audit { lost, altered, duplicates, .. } = figures.audit;
    Ok(Report::new("redeliver", &figures)?
        .require("no stored webhook is lost", lost == 0)
        .require("every resend has the same body", altered == 0)
        .require("no webhook is resent twice", duplicates == 0))
}

struct Run<'a> {
    options: EnvironmentOptions<'a>,
    webhooks: u32,
    receivers: u8,
    drain: Duration,
}

impl Run<'_> {
    /// Lets the server store the webhooks, resends them, and measures the deliveries by the resend.
    async fn measure(&self) -> anyhow::Result<Figures> {
        let environment = self.options.start().await?;
        let accepted = self.store(&environment).await?;
        let TestEnvironment { server, receiver, api, .. } = environment;
        let n_stored = receiver.deliveries().len();
        ensure!(n_stored == accepted.len(), "{n_stored} of {} were stored", accepted.len());

        let cpu_before = (ResourceUsage::read(server.pid()), resource_usage::own_cpu_s());
        let start = Instant::now();
        api.resend_delivered().await?.ensure(StatusCode::ACCEPTED)?;
        receiver.wait_for_total(2 * n_stored, self.drain).await;
        let deliveries = receiver.deliveries();
        let (first_time, resent) = deliveries.split_at(n_stored);
        let last = resent.last().context("nothing was sent again")?;
        let seconds = (last.at - start).as_secs_f64();
        let cpu_s = ResourceUsage::read(server.pid())
            .zip(cpu_before.0)
            .map(|(now, before)| now.cpu_server_s - before.cpu_server_s);
        let cpu_tools_s = resource_usage::own_cpu_s().zip(cpu_before.1).map(|(now, before)| now - before);
        server.stop().await?;
        let per_1000 = |cpu_s| resource_usage::per_1000(cpu_s, resent.len());
        Ok(Figures {
            receivers: self.receivers,
            stored: first_time.len(),
            audit: Audit::new(&accepted, resent),
            seconds: resource_usage::hundredths(seconds),
            per_second: (resent.len() as f64 / seconds).round(),
            cpu_s_per_1000: cpu_s.map(per_1000),
            cpu_tools_s_per_1000: cpu_tools_s.map(per_1000),
        })
    }

    /// Sends requests whose webhooks are distributed evenly over all receivers, and waits until the webhooks
    /// are delivered. Returns the ids of the accepted requests.
    async fn store(&self, environment: &TestEnvironment) -> anyhow::Result<HashMap<Uuid, Instant>> {
        progress(format_args!("storing {} webhooks", self.webhooks));
        let seconds = Duration::from_secs_f64(f64::from(self.webhooks) / STORE_PER_S);
        let mut loads = Vec::new();
        for n in 1..=self.receivers {
            let url = environment.receiver.also_at(Ipv4Addr::new(127, 0, 0, n)).await?;
            let template = environment.template_for(self.options.image, json!({ "url": url }));
            loads.push(async move {
                let end = tokio::time::sleep(seconds);
                let rate = STORE_PER_S / f64::from(self.receivers);
                load::run(&environment.http, &template, rate, end).await.accepted
            });
        }
        let accepted = join_all(loads).await.into_iter().flatten().collect();
        environment.receiver.wait_for(&accepted, self.drain).await;
        Ok(accepted)
    }
}
