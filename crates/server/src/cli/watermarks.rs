//! `pixaven watermarks`: adds, lists and removes watermarks. It opens the data directory directly, without a
//! request to a server, and works even while a server uses the directory.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use pixaven_ledger::{AccountId, Clock, Ledger};

use super::ConfigArgs;
use crate::api::error::ApiError;
use crate::api::timestamp::timestamp;
use crate::app::{open_blobs, open_ledger, sandbox_settings, watermarks};
use crate::runtime::config::Config;
use crate::runtime::lifecycle::Tasks;
use crate::work::Caller;
use crate::work::sandbox::Sandbox;
use pixaven_net::file_name;

/// The number of watermarks that the list reads from the ledger at a time.
const PAGE_ROWS: u32 = 100;

#[derive(Args)]
pub(super) struct WatermarksArgs {
    #[command(subcommand)]
    command: WatermarksCommand,
}

#[derive(Subcommand)]
enum WatermarksCommand {
    /// Stores a picture as a watermark and prints its id for requests.
    Add {
        /// A file of any format that can be read.
        file: PathBuf,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Lists all watermarks, newest first.
    List {
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Removes a watermark; requests that were accepted before still use it.
    Remove {
        /// The id of the watermark, as `list` prints it.
        id: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

pub(super) async fn run(args: WatermarksArgs) -> anyhow::Result<()> {
    match args.command {
        WatermarksCommand::Add { file, config } => add(&config.load([])?, &file).await,
        WatermarksCommand::List { config } => {
            let (ledger, account) = open_account(&config.load([])?).await?;
            list(&ledger, account).await
        }
        WatermarksCommand::Remove { id, config } => {
            let (ledger, account) = open_account(&config.load([])?).await?;
            anyhow::ensure!(
                ledger.remove_watermark(account, &id).await?,
                "there is no watermark with the id {id}"
            );
            println!("removed {id}");
            Ok(())
        }
    }
}

async fn add(config: &Config, file: &Path) -> anyhow::Result<()> {
    let n_bytes =
        std::fs::metadata(file).with_context(|| format!("{} cannot be read", file.display()))?.len();
    let max_bytes = config.limits.body_bytes;
    anyhow::ensure!(
        n_bytes <= max_bytes,
        "{} has {n_bytes} bytes; limits.body_bytes allows {max_bytes}",
        file.display()
    );
    let bytes = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let (ledger, account) = open_account(config).await?;
    let program = std::env::current_exe().context("the path of this program is needed for image workers")?;
    let sandbox = Sandbox::start(sandbox_settings(config, program, 1)?, Tasks::new())
        .context("the image worker could not be started")?;
    let name = file.file_name().and_then(|name| file_name::clean(&name.to_string_lossy()));
    let watermarks = watermarks(config, ledger.clone(), open_blobs(config)?);
    let ticket = sandbox.admit(Caller::Job, Some(n_bytes)).map_err(ApiError::from)?;
    let added = watermarks
        .add(&sandbox, account, name, bytes.into(), &ticket)
        .await
        .map_err(ApiError::from)
        .with_context(|| file.display().to_string())?;
    ledger.close().await;
    println!("{}", added.id);
    Ok(())
}

async fn list(ledger: &Ledger, account: AccountId) -> anyhow::Result<()> {
    println!("{:<10}  {:<26} {:<9} {:>13} {:>10}  NAME", "ID", "CREATED", "FORMAT", "SIZE", "BYTES");
    let mut offset = 0;
    loop {
        let page = ledger.watermarks(account, offset, PAGE_ROWS).await?;
        for watermark in &page.watermarks {
            println!(
                "{:<10}  {:<26} {:<9} {:>13} {:>10}  {}",
                watermark.id,
                timestamp(watermark.created_ms),
                watermark.format,
                format!("{}x{}", watermark.width, watermark.height),
                watermark.bytes,
                watermark.name
            );
        }
        offset += page.watermarks.len() as u64;
        if page.watermarks.is_empty() || offset >= page.total {
            return Ok(());
        }
    }
}

/// Opens the ledger and finds the account that owns the API keys.
async fn open_account(config: &Config) -> anyhow::Result<(Ledger, AccountId)> {
    let ledger = open_ledger(config, Clock::System).await?;
    let key = ledger.keys().await?.into_iter().next();
    let key = key.context("there is no account before the first API key: see pixaven keys create")?;
    Ok((ledger, key.account))
}
