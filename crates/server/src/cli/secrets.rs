//! `pixaven secrets`: lists and rotates the signing secrets of webhooks. Receivers verify signatures with
//! these secrets.

use clap::{Args, Subcommand};
use pixaven_ledger::{Clock, Ledger, Secret};

use super::ConfigArgs;
use crate::app::{open_ledger, open_seal};
use crate::delivery::signing::generate_secret;
use crate::runtime::seal::{SIGNING_SECRET, Seal};

#[derive(Args)]
pub(super) struct SecretsArgs {
    #[command(subcommand)]
    command: SecretsCommand,
}

#[derive(Subcommand)]
enum SecretsCommand {
    /// Prints the active secrets, newest first; a webhook carries a signature of each.
    List {
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Makes a new secret and prints all active secrets, newest first.
    Rotate {
        /// How long the earlier secrets stay active, in seconds; a webhook carries a signature of each active
        /// secret.
        #[arg(long, value_name = "SECONDS", default_value_t = 86_400, value_parser = clap::value_parser!(u32).range(..=2_592_000))]
        overlap: u32,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

pub(super) async fn run(args: SecretsArgs) -> anyhow::Result<()> {
    let (config, overlap_s) = match args.command {
        SecretsCommand::List { config } => (config.load([])?, None),
        SecretsCommand::Rotate { overlap, config } => (config.load([])?, Some(overlap)),
    };
    let (ledger, seal) = (open_ledger(&config, Clock::System).await?, open_seal(&config)?);
    if let Some(overlap_s) = overlap_s
        && let Some(key) = ledger.keys().await?.into_iter().next()
    {
        let secret = Secret::from(seal.seal(SIGNING_SECRET, &generate_secret()?)?);
        ledger.rotate_secret(key.account, secret, i64::from(overlap_s) * 1_000).await?;
    }
    let secrets = active_secrets(&ledger, &seal).await?;
    anyhow::ensure!(
        !secrets.is_empty(),
        "there is no secret before the first API key: see pixaven keys create"
    );
    for secret in secrets {
        println!("{secret}");
    }
    Ok(())
}

/// Returns the active secrets of the account that owns the API keys, newest first. The list is empty if there
/// is no API key yet.
pub(super) async fn active_secrets(ledger: &Ledger, seal: &Seal) -> anyhow::Result<Vec<String>> {
    let Some(key) = ledger.keys().await?.into_iter().next() else { return Ok(Vec::new()) };
    let account = ledger.account(key.account).await?;
    let secrets = account.map(|account| account.webhook_secrets).unwrap_or_default();
    let unsealed = secrets.iter().map(|secret| seal.unseal(SIGNING_SECRET, secret.expose()));
    Ok(unsealed.collect::<Result<_, _>>()?)
}
