//! `pixaven secrets`: the secrets with which webhooks are signed, for those who verify them.

use clap::{Args, Subcommand};
use pixaven_ledger::{Clock, Ledger};

use super::ConfigArgs;
use crate::app::open_ledger;

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
}

pub(super) async fn run(args: SecretsArgs) -> anyhow::Result<()> {
    let SecretsCommand::List { config } = args.command;
    let ledger = open_ledger(&config.load([])?.server.data_dir, Clock::System).await?;
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

/// The active secrets of the account that the keys belong to, newest first.
pub(super) async fn of_the_account(ledger: &Ledger) -> anyhow::Result<Vec<String>> {
    let Some(key) = ledger.keys().await?.into_iter().next() else { return Ok(Vec::new()) };
    let account = ledger.account(key.account).await?;
    let secrets = account.map(|account| account.webhook_secrets).unwrap_or_default();
    Ok(secrets.iter().map(|secret| secret.expose().to_owned()).collect())
}
