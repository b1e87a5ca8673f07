//! The tool `limits`: sends pictures of 100 megapixels, the default of `limits.pixels`, in each format that
//! pixaven writes, and asks for a thumbnail and for a PNG of the full size. With the default limits each picture
//! must be served, or be refused at once by a message that names a setting, and no worker may use more memory
//! than `images.memory_bytes`.

mod exchange;
mod inputs;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use self::exchange::Exchange;
use self::inputs::{Input, Inputs};
use crate::percentiles::median;
use crate::report::{Report, Table, progress};
use crate::request_template::generated;
use crate::resource_usage::{ResourceUsage, hundredths};
use crate::server::{Build, Installation, ServerArgs, temporary_directory};

/// The longest acceptable time from the end of an upload to its refusal, in milliseconds.
const MAX_REFUSAL_MS: f64 = 50.0;

/// The default of `images.memory_bytes`.
const DEFAULT_MEMORY_BYTES: u64 = 512 << 20;

/// The number of small requests whose median time is compared with the time of a refusal.
const N_SMALL: usize = 11;

/// How often the memory of the workers is read. The system keeps the peak of each process until it ends.
const WATCH_INTERVAL: Duration = Duration::from_millis(5);

#[derive(Args)]
pub(crate) struct LimitsArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Keep the pictures in this directory, and use those that are there. Making them takes minutes.
    #[arg(long, value_name = "DIR")]
    inputs: Option<PathBuf>,
    /// Send only the pictures whose names contain this text.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// The width and the height of the pictures in pixels.
    #[arg(long, default_value_t = 10_000)]
    side: u32,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Wanted {
    Thumbnail,
    FullPng,
}

/// How one request ended.
#[derive(Debug, Serialize)]
struct Row {
    input: &'static str,
    input_mb: f64,
    wanted: Wanted,
    status: u16,
    /// The error word of a refusal.
    error: Option<String>,
    message: Option<String>,
    /// Milliseconds from the end of the upload to the end of the response.
    ms: f64,
    /// `ms` divided by the time of a small request.
    ratio: f64,
    peak_worker_mib: Option<f64>,
}

/// Sends all pictures.
pub(crate) async fn run(args: &LimitsArgs) -> anyhow::Result<Report> {
    let binary = args.server.binary(Build::Optimised).await?;
    let mut inputs = Inputs::new(args.inputs.as_deref(), args.side)?;
    let small = generated(550, 412)?;
    let mut rows = Vec::new();
    for input in inputs::all().into_iter().filter(|input| input.name.contains(&args.only)) {
        let file = inputs.file(input)?;
        for wanted in [Wanted::Thumbnail, Wanted::FullPng] {
            // Each request has a server of its own, so that the peak of a worker belongs to the request.
            let directory = temporary_directory(args.server.keep)?;
            let data_dir = directory.path().join("data");
            let installation = Installation::new(&binary, data_dir, &args.server.settings).await?;
            let row = measure(&installation, (input, &file), wanted, &small).await;
            let row = row.with_context(|| format!("the server's log ends:\n{}", installation.log_tail()))?;
            let Row { input, status, ms, .. } = &row;
            progress(format_args!("{input} {wanted:?}: {status} after {ms} ms"));
            rows.push(row);
        }
    }
    ensure!(!rows.is_empty(), "no picture has a name with {:?}", args.only);
    report(&rows, memory_mib(&args.server.settings)?)
}

/// The memory of a worker in MiB.
fn memory_mib(settings: &[String]) -> anyhow::Result<f64> {
    let given = settings.iter().rev().find_map(|setting| setting.strip_prefix("images.memory_bytes="));
    let n_bytes = given.map_or(Ok(DEFAULT_MEMORY_BYTES), str::parse).context("images.memory_bytes")?;
    Ok(n_bytes as f64 / f64::from(1 << 20))
}

/// Sends small requests and one large picture to a fresh server.
async fn measure(
    installation: &Installation,
    (input, file): (Input, &[u8]),
    wanted: Wanted,
    small: &[u8],
) -> anyhow::Result<Row> {
    let (server, address) = installation.start(0).await?;
    let send =
        async |image: &[u8], data: &Value| exchange::upload(address, &installation.key, image, data).await;
    let mut small_ms = Vec::new();
    for _ in 0..N_SMALL {
        let done = send(small, &Wanted::Thumbnail.data()).await?;
        ensure!(done.status == 200, "a small request got {}: {}", done.status, done.json);
        small_ms.push(done.ms);
    }
    let small_ms = median(small_ms).context("there are small requests")?;
    let mut peak: Option<f64> = None;
    let mut watch = async || {
        if let Some(usage) = ResourceUsage::read(server.pid()) {
            peak = Some(peak.unwrap_or(0.0).max(usage.peak_rss_worker_mib));
        }
        tokio::time::sleep(WATCH_INTERVAL).await;
    };
    let data = wanted.data();
    let mut sent = std::pin::pin!(send(file, &data));
    let done = loop {
        tokio::select! {
            done = &mut sent => break done?,
            () = watch() => {}
        }
    };
    watch().await;
    server.stop().await?;
    let Exchange { status, json, ms } = done;
    let text = |name: &str| json[name].as_str().map(str::to_owned);
    Ok(Row {
        input: input.name,
        input_mb: hundredths(file.len() as f64 / 1e6),
        wanted,
        status,
        error: text("error"),
        message: text("message"),
        ms: hundredths(ms),
        ratio: hundredths(ms / small_ms),
        peak_worker_mib: peak,
    })
}

impl Wanted {
    /// The JSON of the request.
    fn data(self) -> Value {
        match self {
            Self::Thumbnail => json!({ "resize": { "width": 64 }, "output": { "format": "png" } }),
            Self::FullPng => json!({ "output": { "format": "png" } }),
        }
    }
}

impl Row {
    fn is_served(&self) -> bool {
        self.status == 200
    }

    /// Whether the message of a refusal names the setting that limits the picture.
    fn names_a_setting(&self) -> bool {
        let message = self.message.as_deref().unwrap_or_default();
        matches!(self.status, 413 | 422) && ["limits.", "images."].iter().any(|name| message.contains(name))
    }
}

fn report(rows: &[Row], memory_mib: f64) -> anyhow::Result<Report> {
    let mut table =
        Table::new(&["picture", "MB", "wanted", "result", "ms", "/ small request", "worker MiB", "message"]);
    for row in rows {
        let wanted = match row.wanted {
            Wanted::Thumbnail => "64 px",
            Wanted::FullPng => "full PNG",
        };
        let result = if row.is_served() { "served" } else { row.error.as_deref().unwrap_or("no error word") };
        table.push(vec![
            row.input.to_owned(),
            format!("{:.1}", row.input_mb),
            wanted.to_owned(),
            result.to_owned(),
            format!("{:.1}", row.ms),
            format!("{:.1}", row.ratio),
            row.peak_worker_mib.map_or_else(|| "-".to_owned(), |mib| format!("{mib:.0}")),
            row.message.clone().unwrap_or_default(),
        ]);
    }
    let are_small = rows.iter().all(|row| row.peak_worker_mib.is_none_or(|mib| mib <= memory_mib));
    Ok(Report::new("limits", &json!({ "limit_mib": memory_mib, "requests": rows }))?
        .table("requests", table)
        .require(
            "every picture is served, or refused with the name of a setting",
            rows.iter().all(|row| row.is_served() || row.names_a_setting()),
        )
        .require(
            "refusals come within 50 ms of the upload",
            rows.iter().all(|row| row.is_served() || row.ms <= MAX_REFUSAL_MS),
        )
        .require("no worker uses more than images.memory_bytes", are_small))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, message: &str, ms: f64, peak: f64) -> Row {
        Row {
            input: "png",
            input_mb: 1.0,
            wanted: Wanted::FullPng,
            status,
            error: Some("image_too_large".to_owned()),
            message: Some(message.to_owned()),
            ms,
            ratio: 1.0,
            peak_worker_mib: Some(peak),
        }
    }

    #[test]
    fn limits_report_passes_only_with_quick_refusals_that_name_a_setting_and_with_small_workers() {
        let passes = |row: Row| report(&[row], 512.0).unwrap().passed();
        let message = "the image needs 700 MiB of 512 MiB (images.memory_bytes)";
        assert!(passes(refused(422, message, 4.0, 60.0)));
        assert!(!passes(refused(422, message, 51.0, 60.0)));
        assert!(!passes(refused(422, message, 4.0, 513.0)));
        assert!(!passes(refused(422, "the image is too large", 4.0, 60.0)));
        assert!(!passes(refused(500, message, 4.0, 60.0)));
    }

    #[test]
    fn memory_limit_of_a_worker_comes_from_the_settings_or_is_the_default() {
        assert_eq!(memory_mib(&[]).unwrap(), 512.0);
        assert_eq!(memory_mib(&["images.memory_bytes=67108864".to_owned()]).unwrap(), 64.0);
    }
}
