//! `pixaven ledger`: copies the ledger of a stopped server to PostgreSQL, and checks the rows of a ledger.

mod copy;

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use pixaven_ledger::{Store, check_ledger};

use super::ConfigArgs;
use crate::app::{ledger_file, ledger_file_in};
use crate::runtime::config::Config;

#[derive(Args)]
pub(super) struct LedgerArgs {
    #[command(subcommand)]
    command: LedgerCommand,
}

#[derive(Subcommand)]
enum LedgerCommand {
    /// Copies the ledger of a stopped server from SQLite to PostgreSQL, with history and pending work; a copy
    /// that was interrupted is continued.
    Copy(copy::CopyArgs),
    /// Checks that the rows of a ledger agree with each other, with or without a running server; exits with 1 if
    /// they do not.
    Check {
        /// The ledger; without it, the configured one.
        #[arg(long, value_name = "sqlite:PATH|postgres://…")]
        ledger: Option<LedgerAddress>,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

/// The address of a ledger on the command line: `sqlite:` and the path of a file or of a data directory, or
/// the URL of a PostgreSQL database.
#[derive(Clone)]
struct LedgerAddress(Store);

impl FromStr for LedgerAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self(Store::Postgres { url: text.to_owned() }));
        }
        let path = text.strip_prefix("sqlite:").filter(|path| !path.is_empty());
        let path = PathBuf::from(path.ok_or("a ledger is given as sqlite:PATH or postgres://…")?);
        Ok(Self(Store::Sqlite { path: if path.is_dir() { ledger_file_in(&path) } else { path } }))
    }
}

pub(super) async fn run(args: LedgerArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        LedgerCommand::Copy(args) => copy::run(args).await.map(|()| ExitCode::SUCCESS),
        LedgerCommand::Check { ledger, config } => {
            let store = match ledger {
                Some(LedgerAddress(store)) => store,
                None => configured_store(&config.load([])?),
            };
            check(store).await
        }
    }
}

async fn check(store: Store) -> anyhow::Result<ExitCode> {
    let name = match &store {
        Store::Sqlite { path } => {
            anyhow::ensure!(path.is_file(), "there is no ledger {}", path.display());
            path.display().to_string()
        }
        Store::Postgres { .. } => "in PostgreSQL".to_owned(),
    };
    let checked = check_ledger(store, |violation| println!("{}", violation.text)).await;
    match checked.with_context(|| format!("the ledger {name} cannot be checked"))? {
        0 => {
            println!("the ledger {name} is sound");
            Ok(ExitCode::SUCCESS)
        }
        n_violations => {
            println!("the ledger {name} breaks {n_violations} rules; see docs/operating.md");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Returns the place of the ledger of a configuration. Unlike the start of a server, this creates nothing.
fn configured_store(config: &Config) -> Store {
    match &config.ledger.url {
        Some(url) => Store::Postgres { url: url.clone() },
        None => Store::Sqlite { path: ledger_file(config) },
    }
}
