//! `pixaven ledger copy`: copies the ledger of a stopped server from SQLite to PostgreSQL.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use pixaven_ledger::{Clock, CopyOutcome, CopyStep, Store, copy_ledger};

use super::{ConfigArgs, LedgerAddress};
use crate::app::{ledger_file, lock_existing_data_directory};

/// The shortest time between two lines about the progress within one table.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Args)]
pub(super) struct CopyArgs {
    /// The ledger of the stopped server: a file or a data directory; without it, that of server.data_dir.
    #[arg(long, value_name = "sqlite:PATH")]
    from: Option<LedgerAddress>,
    /// The database, which must be empty or contain an interrupted copy of the same ledger; without it,
    /// ledger.url of the configuration. Other users of this machine can see the arguments of a command, but not
    /// its configuration.
    #[arg(long, value_name = "postgres://…")]
    to: Option<LedgerAddress>,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) async fn run(args: CopyArgs) -> anyhow::Result<()> {
    let config = args.config.load([])?;
    let from = match args.from {
        Some(LedgerAddress(Store::Sqlite { path })) => path,
        Some(LedgerAddress(Store::Postgres { .. })) => bail!("--from: only an SQLite ledger can be copied"),
        None => ledger_file(&config),
    };
    let to = match (args.to, config.ledger.url) {
        (Some(LedgerAddress(Store::Postgres { url })), _) => url,
        (Some(LedgerAddress(Store::Sqlite { .. })), _) => {
            bail!(
                "--to: a ledger can only be copied to PostgreSQL; to copy an SQLite ledger, see pixaven backup"
            )
        }
        (None, Some(url)) => url,
        (None, None) => bail!("--to or ledger.url must name a PostgreSQL database"),
    };
    anyhow::ensure!(from.is_file(), "there is no ledger {}", from.display());
    let directory = directory_of(&from);
    let lock = lock_existing_data_directory(&directory)
        .with_context(|| format!("{} is not copied; stop the server first", from.display()))?;
    let outcome = copy_ledger(from.clone(), to, Clock::System, Progress::default().printer()).await?;
    drop(lock);
    match outcome {
        CopyOutcome::Copied => println!(
            "the ledger was copied: set ledger.url, keep the directory {} for its files, and start no server \
             on the old ledger {} again",
            directory.display(),
            from.display()
        ),
        CopyOutcome::AlreadyCopied => println!("the ledger was copied before; nothing has changed since"),
    }
    Ok(())
}

/// Returns the directory of a file.
fn directory_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The lines about the progress of a copy.
#[derive(Default)]
struct Progress {
    last_line: Option<Instant>,
}

impl Progress {
    fn printer(mut self) -> impl FnMut(CopyStep) {
        move |step| self.print(step)
    }

    fn print(&mut self, step: CopyStep) {
        match step {
            CopyStep::Recovered { n_jobs: 0, n_webhooks: 0 } => {}
            CopyStep::Recovered { n_jobs, n_webhooks } => {
                println!("{n_jobs} jobs and {n_webhooks} webhooks that were under way are due again");
            }
            CopyStep::Continued => println!("an interrupted copy is continued"),
            CopyStep::BegunAgain => {
                println!("the ledger has changed since the copy was interrupted; the copy begins again");
            }
            CopyStep::Copied { table, n_rows, n_total } => {
                let is_due = self.last_line.is_none_or(|line| line.elapsed() >= PROGRESS_INTERVAL);
                if is_due || n_rows == n_total {
                    println!("copied    {table:<16} {n_rows:>12} of {n_total} rows");
                    self.last_line = Some(Instant::now());
                }
            }
            CopyStep::Compared { table, digest } => {
                println!("compared  {table:<16} {:>12} rows, digest {digest}", digest.n_rows);
            }
        }
    }
}
