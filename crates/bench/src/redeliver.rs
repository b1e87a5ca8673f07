//! `redeliver`: delivery alone. Stores webhooks by having them delivered once, then asks for all of them to be sent
//! again, and measures from that question to the last arrival.

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
use crate::job::{Image, Way};
use crate::load;
use crate::report::{self, progress};
use crate::server::{Build, Subject};
use crate::stage::{Setup, Stage};
use crate::usage::{self, Usage};

/// How fast the webhooks are stored: below what the server can take.
const STORE_PER_S: f64 = 700.0;

#[derive(Args)]
pub(crate) struct RedeliverArgs {
    /// How many.
    #[arg(long, default_value_t = 50_000)]
    webhooks: u32,
    /// To how many receivers, each at an address of its own: how much one of them is asked at once is limited.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u8).range(1..))]
    receivers: u8,
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
    receivers: u8,
    /// Webhooks delivered before they were to be sent again.
    stored: usize,
    #[serde(flatten)]
    audit: Audit,
    /// From the question to the last arrival.
    seconds: f64,
    per_second: f64,
    /// Processor time of the server for 1,000 webhooks.
    cpu_s_per_1000: Option<f64>,
    /// The same of these tools, the receiver among them.
    cpu_tools_s_per_1000: Option<f64>,
}

/// Measures, and says whether each came again, once and alike.
pub(crate) async fn run(args: &RedeliverArgs) -> anyhow::Result<bool> {
    ensure!(args.webhooks > 0, "--webhooks is above zero");
    let (binary, image) = (args.subject.binary(Build::Optimised).await?, Image::noop()?);
    let run = Run {
        setup: Setup::of(&args.subject, &binary, &image, Way::Fetch),
        webhooks: args.webhooks,
        receivers: args.receivers,
        drain: Duration::from_secs_f64(args.drain_seconds),
    };
    let report = run.measure().await?;
    report::print(&report)?;
    Ok(report.audit.lost + report.audit.altered + report.audit.duplicates == 0)
}

/// One run.
struct Run<'a> {
    setup: Setup<'a>,
    webhooks: u32,
    receivers: u8,
    drain: Duration,
}

impl Run<'_> {
    /// Stores, sends again, and counts.
    async fn measure(&self) -> anyhow::Result<Report> {
        let stage = self.setup.start().await?;
        let accepted = self.store(&stage).await?;
        let Stage { server, receiver, api, .. } = stage;
        let n_stored = receiver.deliveries().len();
        ensure!(n_stored == accepted.len(), "{n_stored} of {} were stored", accepted.len());

        let (before, own_before) = (Usage::read(server.pid()), usage::own_cpu_s());
        let start = Instant::now();
        api.resend_delivered().await?.ensure(StatusCode::ACCEPTED)?;
        receiver.wait_for_more(2 * n_stored, self.drain).await;
        let deliveries = receiver.deliveries();
        let (first_time, again) = deliveries.split_at(n_stored);
        let last = again.last().context("nothing was sent again")?;
        let seconds = (last.at - start).as_secs_f64();
        let cpu =
            Usage::read(server.pid()).zip(before).map(|(now, before)| now.cpu_server_s - before.cpu_server_s);
        let cpu_tools = usage::own_cpu_s().zip(own_before).map(|(now, before)| now - before);
        server.stop().await?;
        let per_1000 = |cpu_s| usage::per_1000(cpu_s, again.len());
        Ok(Report {
            command: "redeliver",
            receivers: self.receivers,
            stored: first_time.len(),
            // Of the second round alone, in which each comes once.
            audit: Audit::of(&accepted, again),
            seconds: (seconds * 100.0).round() / 100.0,
            per_second: (again.len() as f64 / seconds).round(),
            cpu_s_per_1000: cpu.map(per_1000),
            cpu_tools_s_per_1000: cpu_tools.map(per_1000),
        })
    }

    /// Has webhooks delivered to each of the receivers in equal parts.
    async fn store(&self, stage: &Stage) -> anyhow::Result<HashMap<Uuid, Instant>> {
        progress(format_args!("storing {} webhooks", self.webhooks));
        let seconds = Duration::from_secs_f64(f64::from(self.webhooks) / STORE_PER_S);
        let mut loads = Vec::new();
        for n in 1..=self.receivers {
            let url = stage.receiver.also_at(Ipv4Addr::new(127, 0, 0, n)).await?;
            let job = stage.job_for(self.setup.image, json!({ "url": url }));
            loads.push(async move {
                let end = tokio::time::sleep(seconds);
                load::run(&stage.client, &job, STORE_PER_S / f64::from(self.receivers), end).await.accepted
            });
        }
        let accepted = join_all(loads).await.into_iter().flatten().collect();
        stage.receiver.wait_for(&accepted, self.drain).await;
        Ok(accepted)
    }
}
