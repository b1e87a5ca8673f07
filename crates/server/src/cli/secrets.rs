//! `pixaven secrets`: lists and rotates the signing secrets of webhooks. Receivers verify signatures with
//! these secrets.

use clap::{Args, Subcommand};
use pixaven_ledger::{Clock, Ledger, Secret};

use super::ConfigArgs;
use crate::app::open_ledger;
use crate::delivery::signing::generate_secret;

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
    let ledger = match args.command {
        SecretsCommand::List { config } => open_configured_ledger(config).await?,
        SecretsCommand::Rotate { overlap, config } => {
            let ledger = open_configured_ledger(config).await?;
            if let Some(key) = ledger.keys().await?.into_iter().next() {
                let secret = Secret::from(generate_secret()?);
                ledger.rotate_secret(key.account, secret, i64::from(overlap) * 1_000).await?;
            }
            ledger
        }
    };
    let secrets = active_secrets(&ledger).await?;
    anyhow::ensure!(
        !secrets.is_empty(),
        "there is no secret before the first API key: see pixaven keys create"
    );
    for secret in secrets {
        println!("{secret}");
    }
    Ok(())
}

async fn open_configured_ledger(config: ConfigArgs) -> anyhow::Result<Ledger> {
    open_ledger(&config.load([])?, Clock::System).await
}

/// Returns the active secrets of the account that owns the API keys, newest first. The list is empty if there
/// is no API key yet.
pub(super) async fn active_secrets(ledger: &Ledger) -> anyhow::Result<Vec<String>> {
    let Some(key) = ledger.keys().await?.into_iter().next() else { return Ok(Vec::new()) };
    let account = ledger.account(key.account).await?;
    let secrets = account.map(|account| account.webhook_secrets).unwrap_or_default();
    Ok(secrets.iter().map(|secret| secret.expose().to_owned()).collect())
}
