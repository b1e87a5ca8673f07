//! Measures how many images the server processes per second at its peak, and how many when it gets many times
//! more requests than it can process.

use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;
use tokio::task::JoinSet;

use super::OverloadArgs;
use super::client::{Outcome, Prepared};
use crate::environment::TestEnvironment;
use crate::percentiles::Percentiles;
use crate::report::progress;
use crate::request_template::generated;
use crate::resource_usage::{ResourceUsage, hundredths, tenths};

/// The number of requests in flight at the peak: enough that no image worker is ever without an image.
const N_AT_PEAK: usize = 8;
/// The share of each [`Turn`] that passes before images are counted.
const WARM_UP: f64 = 0.2;

#[derive(Debug, Serialize)]
pub(super) struct Figures {
    body_bytes: usize,
    /// Processed images per second with a few requests in flight.
    peak_per_s: f64,
    /// Requests per second under overload.
    sent_per_s: f64,
    /// Processed images per second under overload.
    overload_per_s: f64,
    /// The median ratio of the images processed per second under overload to those at the peak. On a small
    /// machine this ratio is too low, because the load tool uses processors that the server needs.
    ratio: f64,
    /// The median ratio of the images processed per second of processor time under overload to those at the
    /// peak. The processor time is that of the server and its workers, so that the ratio does not depend on
    /// the processor time that the load tool uses.
    pub(super) cpu_ratio: Option<f64>,
    refused: usize,
    /// Requests without a response, or with a response that is neither a result nor a refusal.
    pub(super) cut: usize,
    /// The time from the scheduled time of a request to the end of its refusal.
    pub(super) refused_ms: Option<Percentiles>,
    processed_ms: Option<Percentiles>,
}

pub(super) async fn measure(environment: &TestEnvironment, args: &OverloadArgs) -> anyhow::Result<Figures> {
    let image = photo(args.body_kib << 10)?;
    let operations = json!({ "resize": { "width": args.width } });
    let upload = Prepared::upload(environment, &image, &operations, args.expect);
    let turn = Duration::from_secs_f64(args.seconds);
    peak(&upload, turn / 2).await;
    let (mut peaks, mut overloads, mut ratios, mut cpu_ratios, mut all) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut sent_per_s = 0.0;
    let cpu_s = || {
        ResourceUsage::read(environment.server.pid()).map(|usage| usage.cpu_server_s + usage.cpu_workers_s)
    };
    for n in 1..=args.turns {
        let cpu_before = cpu_s();
        let at_peak = peak(&upload, turn).await;
        let cpu_between = cpu_s();
        let peak_per_s = processed_per_s(&at_peak);
        sent_per_s = peak_per_s * args.factor;
        let overloaded = overload(&upload, sent_per_s, turn).await;
        let overload_per_s = processed_per_s(&overloaded);
        progress(format_args!("turn {n}: {peak_per_s:.1}/s, under overload {overload_per_s:.1}/s"));
        if let (Some(before), Some(between), Some(after)) = (cpu_before, cpu_between, cpu_s()) {
            let per_cpu_s = |turn: &Turn, cpu_s: f64| n_processed(turn) as f64 / cpu_s;
            cpu_ratios.push(per_cpu_s(&overloaded, after - between) / per_cpu_s(&at_peak, between - before));
        }
        peaks.push(peak_per_s);
        overloads.push(overload_per_s);
        ratios.push(overload_per_s / peak_per_s);
        all.extend(overloaded.outcomes);
    }
    let latencies = |is_counted: fn(&Outcome) -> bool| {
        Percentiles::of(all.iter().filter(|o| is_counted(o)).map(|o| o.latency).collect())
    };
    Ok(Figures {
        body_bytes: image.len(),
        peak_per_s: tenths(median(peaks)),
        sent_per_s: tenths(sent_per_s),
        overload_per_s: tenths(median(overloads)),
        ratio: hundredths(median(ratios)),
        cpu_ratio: (!cpu_ratios.is_empty()).then(|| hundredths(median(cpu_ratios))),
        refused: all.iter().filter(|outcome| outcome.is_refusal()).count(),
        cut: all.iter().filter(|outcome| !outcome.is_refusal() && !outcome.is_success()).count(),
        refused_ms: latencies(Outcome::is_refusal),
        processed_ms: latencies(Outcome::is_success),
    })
}

/// Returns a photograph whose file has at least `n_bytes`. The width grows by a fifth until the file is large
/// enough.
fn photo(n_bytes: usize) -> anyhow::Result<Vec<u8>> {
    let mut width = 400;
    loop {
        let image = generated(width, width * 3 / 4)?;
        if image.len() >= n_bytes {
            return Ok(image);
        }
        width += width / 5;
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A period in which the server is either at its peak or under overload, with the outcomes of its requests.
struct Turn {
    start: Instant,
    /// For how long requests were sent.
    length: Duration,
    /// The outcomes of all requests, including the requests that ended after the period.
    outcomes: Vec<Outcome>,
}

/// Sends uploads for the time `length`, always with [`N_AT_PEAK`] requests in flight.
async fn peak(upload: &Prepared, length: Duration) -> Turn {
    let (start, mut pending, mut outcomes) = (Instant::now(), JoinSet::new(), Vec::new());
    while start.elapsed() < length {
        while pending.len() < N_AT_PEAK {
            pending.spawn(upload.clone().send(Instant::now()));
        }
        outcomes.extend(pending.join_next().await.and_then(Result::ok));
    }
    outcomes.extend(pending.join_all().await);
    Turn { start, length, outcomes }
}

/// Sends `rate` requests per second, even if the server has not answered earlier requests.
async fn overload(upload: &Prepared, rate: f64, length: Duration) -> Turn {
    let (start, mut pending, mut outcomes) = (Instant::now(), JoinSet::new(), Vec::new());
    for n in 0.. {
        let scheduled = start + Duration::from_secs_f64(f64::from(n) / rate);
        if scheduled > start + length {
            break;
        }
        tokio::time::sleep_until(scheduled.into()).await;
        pending.spawn(upload.clone().send(scheduled));
        while let Some(outcome) = pending.try_join_next() {
            outcomes.extend(outcome.ok());
        }
    }
    outcomes.extend(pending.join_all().await);
    Turn { start, length, outcomes }
}

/// Returns how many requests of a period got a processed image.
fn n_processed(turn: &Turn) -> usize {
    turn.outcomes.iter().filter(|outcome| outcome.is_success()).count()
}

/// Returns the images processed per second in a period, without the part [`WARM_UP`] at its beginning.
fn processed_per_s(turn: &Turn) -> f64 {
    let (from, to) = (turn.start + turn.length.mul_f64(WARM_UP), turn.start + turn.length);
    let is_counted = |outcome: &&Outcome| outcome.is_success() && outcome.at >= from && outcome.at < to;
    turn.outcomes.iter().filter(is_counted).count() as f64 / (to - from).as_secs_f64()
}
