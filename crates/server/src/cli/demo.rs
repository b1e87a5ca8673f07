//! `pixaven demo`: demonstrates the server on one machine and checks each step. It starts a real server (this
//! binary as a child process) on a free port with its own data directory, an image origin and a webhook
//! receiver.
//!
//! This module is not part of a server. The demo takes the role of a customer's application.
#![expect(
    clippy::disallowed_methods,
    reason = "the demo takes the roles of client, origin and receiver: it connects to the loopback interface itself, and its tasks end with its runtime"
)]

mod client;
mod endpoints;
mod scenario;
mod server_process;
mod signature;
mod terminal;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use clap::Args;
use pixaven_imaging::plan::Output;
use pixaven_imaging::{Channels, Format, Image};
use pixaven_ledger::{Clock, Secret};
use tempfile::TempDir;

use self::client::Client;
use self::endpoints::Endpoints;
use self::server_process::ServerProcess;
use self::terminal::Terminal;
use super::keys::create_key;
use super::secrets::active_secrets;
use crate::app::open_ledger;
use crate::runtime::config::Config;
use crate::runtime::seal::Seal;

/// The longest time that the demo may take.
const TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Args)]
pub(super) struct DemoArgs {
    /// Leaves the server running afterwards, until Ctrl-C, and shows every webhook that arrives.
    #[arg(long)]
    keep: bool,
    /// An image file to use instead of the generated picture.
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
}

/// The parts of the demo that are not the server: its client, the image origin, the webhook receiver and the
/// output.
struct Demo {
    terminal: Terminal,
    client: Client,
    endpoints: Endpoints,
    key: String,
    /// The signing secret of the account.
    secret: Secret,
    /// The directory in which the demo leaves its pictures for the user.
    pictures: PathBuf,
}

/// Runs the demo. Returns the first check that failed as an error.
pub(super) async fn run(args: DemoArgs) -> anyhow::Result<()> {
    // The demo deletes the server's data at its end. It keeps the pictures if it succeeds, so that the user
    // can open them.
    let data_dir = temporary_directory("pixaven-data-")?;
    let (mut demo, server) = tokio::select! {
        result = start_and_run(args.image.as_deref(), data_dir.path()) => result?,
        signal = tokio::signal::ctrl_c() => {
            signal.context("signals cannot be received")?;
            bail!("interrupted");
        }
    };
    if args.keep {
        keep_running(&mut demo, &server).await?;
    }
    server.stop().await
}

/// Starts the server, the image origin and the webhook receiver, and runs the scenario of the demo. The
/// server still runs when this function returns.
async fn start_and_run(image: Option<&Path>, data_dir: &Path) -> anyhow::Result<(Demo, ServerProcess)> {
    let begin = Instant::now();
    let photo = load_or_generate_photo(image)?;
    let pictures = temporary_directory("pixaven-demo-")?;
    std::fs::write(pictures.path().join("original.jpg"), &photo).context("the picture cannot be written")?;
    let (key, secret) = create_account(data_dir).await?;
    let endpoints = Endpoints::start(photo).await.context("the neighbours cannot listen")?;
    let mut server = ServerProcess::start(data_dir).await?;
    let client = Client::new(server.address, key.clone());
    let terminal = Terminal::from_environment();
    let mut demo = Demo { terminal, client, endpoints, key, secret, pictures: pictures.path().to_owned() };
    print_addresses(&demo, &server, data_dir);

    let result = tokio::time::timeout(TIMEOUT, scenario::run(&mut demo)).await;
    let result = result.unwrap_or_else(|_elapsed| Err(anyhow!("the demo hangs")));
    let result = result.and_then(|()| match server.has_ended() {
        true => Err(anyhow!("the server ended by itself")),
        false => Ok(()),
    });
    result.map_err(|error| anyhow!("{error:#}\n\nThe server's log ends:\n{}", server.log_tail()))?;
    let _kept = pictures.keep();
    let terminal = &demo.terminal;
    terminal.blank_line();
    terminal.success(&format!("All of it happened as it should, in {:.1} s.", begin.elapsed().as_secs_f64()));
    terminal.field("pictures", &demo.pictures.display().to_string());
    Ok((demo, server))
}

fn temporary_directory(prefix: &str) -> anyhow::Result<TempDir> {
    tempfile::Builder::new().prefix(prefix).tempdir().context("no temporary directory can be made")
}

/// Returns the picture of the demo: the file that the user names, or a generated landscape of the same size
/// as the example image in the documentation of the API.
fn load_or_generate_photo(file: Option<&Path>) -> anyhow::Result<Bytes> {
    if let Some(file) = file {
        return Ok(std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?.into());
    }
    // The settings make a baseline JPEG, which is the kind that cameras write. 89 is the highest quality at
    // which the encoder still subsamples chroma (4:2:0).
    let output = Output { quality: Some(89), baseline: true, ..Output::default() };
    let image = Image::new(550, 412, Channels::Rgb, pixaven_sample::landscape(550, 412, 1));
    Ok(pixaven_imaging::encode(image, Format::Jpeg, &output)?.into())
}

/// Creates an API key before the server starts, as `pixaven keys create` does, and reads the signing secret
/// of the new account.
async fn create_account(data_dir: &Path) -> anyhow::Result<(String, Secret)> {
    let seal = Seal::open(&data_dir.join("seal.key"))?;
    let data_dir = data_dir.to_str().context("the temporary directory has no UTF-8 name")?;
    let config = Config::with(&[("server.data_dir", data_dir)])?;
    let ledger = open_ledger(&config, Clock::System).await?;
    let key = create_key(&ledger, &seal, "demo").await?;
    let secret = active_secrets(&ledger, &seal).await?.into_iter().next();
    ledger.close().await;
    Ok((key.reveal().to_owned(), secret.context("the account has no signing secret")?.into()))
}

/// Prints the addresses of the server, the origin and the receiver.
fn print_addresses(demo: &Demo, server: &ServerProcess, data_dir: &Path) {
    let terminal = &demo.terminal;
    terminal.title("pixaven demo", "a server, an image origin and a webhook receiver, all on this machine");
    terminal.field("server", &format!("http://{} (process {})", server.address, server.pid));
    terminal.field("data", &data_dir.display().to_string());
    terminal.field("origin", &demo.endpoints.url("/photo.jpg"));
    terminal.field("receiver", &demo.endpoints.url("/hooks/…"));
}

/// Prints every webhook that arrives, until Ctrl-C.
async fn keep_running(demo: &mut Demo, server: &ServerProcess) -> anyhow::Result<()> {
    let terminal = &demo.terminal;
    terminal.heading("The server stays until Ctrl-C");
    terminal.field("server", &format!("http://{}", server.address));
    terminal.field("key", &demo.key);
    terminal.field("image", &demo.endpoints.url("/photo.jpg"));
    terminal.field("webhook", &demo.endpoints.url("/hooks/yours"));
    loop {
        tokio::select! {
            webhook = demo.endpoints.next_webhook() => terminal.webhook(&webhook, None),
            signal = tokio::signal::ctrl_c() => return signal.context("signals cannot be received"),
        }
    }
}
