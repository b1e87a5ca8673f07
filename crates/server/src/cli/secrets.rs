//! `pixaven secrets`: the secrets with which webhooks are signed, for those who verify them.

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
    /// Makes a new secret and prints all that are in force, newest first.
    Rotate {
        /// How long the secrets before it stay in force, in seconds: a webhook carries a signature of each.
        #[arg(long, value_name = "SECONDS", default_value_t = 86_400, value_parser = clap::value_parser!(u32).range(..=2_592_000))]
        overlap: u32,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

pub(super) async fn run(args: SecretsArgs) -> anyhow::Result<()> {
    let ledger = match args.command {
        SecretsCommand::List { config } => open(config).await?,
        SecretsCommand::Rotate { overlap, config } => {
            let ledger = open(config).await?;
            if let Some(key) = ledger.keys().await?.into_iter().next() {
                let secret = Secret::from(generate_secret()?);
                ledger.rotate_secret(key.account, secret, i64::from(overlap) * 1_000).await?;
            }
            ledger
        }
    };
    let secrets = of_the_account(&ledger).await?;
    anyhow::ensure!(
        !secrets.is_empty(),
        "there is no secret before the first API key: see pixaven keys create"
    );
    for secret in secrets {
        println!("{secret}");
    }
    Ok(())
}

async fn open(config: ConfigArgs) -> anyhow::Result<Ledger> {
    open_ledger(&config.load([])?.server.data_dir, Clock::System).await
}

/// The active secrets of the account that the keys belong to, newest first.
pub(super) async fn of_the_account(ledger: &Ledger) -> anyhow::Result<Vec<String>> {
    let Some(key) = ledger.keys().await?.into_iter().next() else { return Ok(Vec::new()) };
    let account = ledger.account(key.account).await?;
    let secrets = account.map(|account| account.webhook_secrets).unwrap_or_default();
    Ok(secrets.iter().map(|secret| secret.expose().to_owned()).collect())
}
