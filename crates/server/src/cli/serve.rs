//! `pixaven serve`: runs a server until a signal stops it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use pixaven_ledger::{Clock, Ledger};

use super::keys::create_key;
use super::secrets::active_secrets;
use crate::app::{App, Dependencies};
use crate::runtime::config::Config;
use crate::runtime::lifecycle::{StopSignal, StopSignals, forbid_dumps, raise_open_file_limit};
use crate::runtime::seal::Seal;

pub(super) async fn run(config: &Config) -> anyhow::Result<ExitCode> {
    raise_open_file_limit();
    forbid_dumps().context("this process could not be made undumpable")?;
    let worker_program =
        std::env::current_exe().context("the path of this program is needed for image workers")?;
    let app = App::build(config, Dependencies { clock: Clock::System, worker_program }).await?;
    let scheme = if config.server.tls().is_some() { "https" } else { "http" };
    let base_url = format!("{scheme}://{}", app.address()?);
    create_first_key(&app.ledger, &app.pipeline.seal, &base_url).await?;
    // The signal handlers are registered before the server accepts requests, because a signal must stop a
    // server that has accepted a request cleanly.
    let mut signals = StopSignals::register().context("signals cannot be received")?;
    let running = app.start(true);
    println!("listening on {base_url}");
    let signal = signals.received().await;
    // Nobody waits for a load balancer after Ctrl-C.
    let notice_s = if signal == StopSignal::Terminate { config.server.drain_notice_s } else { 0 };
    tracing::info!(notice_s, "stopping: no new work after the notice; a second signal ends at once");
    tokio::select! {
        ended = running.stop(Duration::from_secs(notice_s)) => {
            tracing::info!(ended, "stopped");
            Ok(ExitCode::SUCCESS)
        }
        _ = signals.received() => Ok(ExitCode::FAILURE),
    }
}

/// Creates and prints an API key if the ledger has none, because no client could use a server without an API
/// key. Also prints a `curl` command that sends a request with this key. The key cannot be shown again.
async fn create_first_key(ledger: &Ledger, seal: &Seal, base_url: &str) -> anyhow::Result<()> {
    if !ledger.keys().await?.is_empty() {
        return Ok(());
    }
    let key = create_key(ledger, seal, "first").await?;
    println!("API key: {}", key.reveal());
    for secret in active_secrets(ledger, seal).await? {
        println!("Webhook secret: {secret}");
    }
    println!("The key is shown only now. To try it:");
    println!();
    println!(
        "  curl -u {}: -F file=@photo.jpg -F 'data={{\"resize\":{{\"width\":300}}}}' {base_url}/1.0/upload",
        key.reveal()
    );
    println!();
    Ok(())
}
