//! `pixaven demo`: the whole thing at work on one machine, each step checked. A real server (this binary, as a child
//! process) on a free port with a directory of its own; beside it an image origin and a webhook receiver.
//!
//! Nothing here is part of a server: the demo talks to it as a customer's application would.
#![expect(
    clippy::disallowed_methods,
    reason = "the demo plays the world around a server: it dials the loopback interface itself and ends with its runtime"
)]

mod child;
mod client;
mod neighbours;
mod receipt;
mod screen;
mod story;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use clap::Args;
use pixaven_imaging::plan::Output;
use pixaven_imaging::{Channels, Format, Image};
use pixaven_ledger::{Clock, Secret};
use tempfile::TempDir;

use self::child::Child;
use self::client::Client;
use self::neighbours::Neighbours;
use self::screen::Screen;
use super::keys::create_key;
use crate::app::open_ledger;

/// A demo that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Args)]
pub(super) struct DemoArgs {
    /// Leaves the server running afterwards, until Ctrl-C, and shows every webhook that arrives.
    #[arg(long)]
    keep: bool,
    /// A picture of yours instead of the painted one.
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
}

/// Everything on the stage.
struct Stage {
    screen: Screen,
    client: Client,
    neighbours: Neighbours,
    key: String,
    /// The account's signing secret, as its owner knows it.
    secret: Secret,
    /// Where the pictures are left for the viewer.
    pictures: PathBuf,
}

/// Runs the demo; an error is the first thing that was not as promised.
pub(super) async fn run(args: DemoArgs) -> anyhow::Result<()> {
    // The server's directory goes when the demo ends; the pictures of one that succeeded stay, to be looked at.
    let data = directory("pixaven-data-")?;
    let (mut stage, server) = tokio::select! {
        played = play(args.image.as_deref(), data.path()) => played?,
        signal = tokio::signal::ctrl_c() => {
            signal.context("signals cannot be received")?;
            bail!("interrupted");
        }
    };
    if args.keep {
        keep_running(&mut stage, &server).await?;
    }
    server.stop().await
}

/// Sets the stage and plays to the end; the server is still running then.
async fn play(image: Option<&Path>, data_dir: &Path) -> anyhow::Result<(Stage, Child)> {
    let begin = Instant::now();
    let photo = photo(image)?;
    let pictures = directory("pixaven-demo-")?;
    std::fs::write(pictures.path().join("original.jpg"), &photo).context("the picture cannot be written")?;
    let (key, secret) = account(data_dir).await?;
    let neighbours = Neighbours::start(photo).await.context("the neighbours cannot listen")?;
    let mut server = Child::start(data_dir).await?;
    let client = Client::new(server.address, key.clone());
    let screen = Screen::of_this_terminal();
    let mut stage = Stage { screen, client, neighbours, key, secret, pictures: pictures.path().to_owned() };
    introduce(&stage, &server, data_dir);

    let told = tokio::time::timeout(PATIENCE, story::tell(&mut stage)).await;
    let told = told.unwrap_or_else(|_elapsed| Err(anyhow!("the demo hangs")));
    let told = told.and_then(|()| match server.has_ended() {
        true => Err(anyhow!("the server ended by itself")),
        false => Ok(()),
    });
    told.map_err(|error| anyhow!("{error:#}\n\nThe server's log ends:\n{}", server.log_tail()))?;
    let _kept = pictures.keep();
    let screen = &stage.screen;
    screen.gap();
    screen.good(&format!("All of it happened as it should, in {:.1} s.", begin.elapsed().as_secs_f64()));
    screen.fact("pictures", &stage.pictures.display().to_string());
    Ok((stage, server))
}

fn directory(prefix: &str) -> anyhow::Result<TempDir> {
    tempfile::Builder::new().prefix(prefix).tempdir().context("no temporary directory can be made")
}

/// The picture to show: the viewer's, or a landscape of the size in the API's documentation.
fn photo(file: Option<&Path>) -> anyhow::Result<Bytes> {
    if let Some(file) = file {
        return Ok(std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?.into());
    }
    // As a camera writes it: baseline, and just good enough to keep 4:2:0.
    let output = Output { quality: Some(89), baseline: true, ..Output::default() };
    let image = Image::new(550, 412, Channels::Rgb, pixaven_sample::landscape(550, 412, 1));
    Ok(pixaven_imaging::encode(image, Format::Jpeg, &output)?.into())
}

/// Makes a key before the server starts, as `pixaven keys create` does, and reads the secret that came with it.
async fn account(data_dir: &Path) -> anyhow::Result<(String, Secret)> {
    let ledger = open_ledger(data_dir, Clock::System).await?;
    let key = create_key(&ledger, "demo").await?;
    let account = ledger.account_by_key(key.sha256()).await?.context("the new key is unknown")?;
    ledger.close().await;
    let secret = account.webhook_secrets.into_iter().next().context("the account has no signing secret")?;
    Ok((key.reveal().to_owned(), secret))
}

fn introduce(stage: &Stage, server: &Child, data_dir: &Path) {
    let screen = &stage.screen;
    screen.title("pixaven demo", "a server, an image origin and a webhook receiver, all on this machine");
    screen.fact("server", &format!("http://{} (process {})", server.address, server.pid));
    screen.fact("data", &data_dir.display().to_string());
    screen.fact("origin", &stage.neighbours.url("/photo.jpg"));
    screen.fact("receiver", &stage.neighbours.url("/hooks/…"));
}

/// Shows what arrives until Ctrl-C.
async fn keep_running(stage: &mut Stage, server: &Child) -> anyhow::Result<()> {
    let screen = &stage.screen;
    screen.heading("The server stays until Ctrl-C");
    screen.fact("server", &format!("http://{}", server.address));
    screen.fact("key", &stage.key);
    screen.fact("image", &stage.neighbours.url("/photo.jpg"));
    screen.fact("webhook", &stage.neighbours.url("/hooks/yours"));
    loop {
        tokio::select! {
            arrival = stage.neighbours.arrival() => screen.arrival(&arrival, None),
            signal = tokio::signal::ctrl_c() => return signal.context("signals cannot be received"),
        }
    }
}
