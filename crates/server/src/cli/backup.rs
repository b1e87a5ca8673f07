//! `pixaven backup`: copies an installation with an SQLite ledger into one archive while its server runs.
//!
//! The archive contains the database and the files that it names. The server may delete a file while the
//! backup runs. Therefore each file first gets a second name in a directory of the backup, which costs no
//! space. The ledger says when the files and the database belong together: see
//! [`pixaven_ledger::back_up_ledger`].

mod archive;
mod kept_files;

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use pixaven_ledger::{Clock, back_up_ledger};

use super::ConfigArgs;
use crate::app::{BLOBS, LEDGER_FILE, ledger_file};
use crate::runtime::config::BlobsUrl;
use archive::Archive;
use kept_files::KeptFiles;

#[derive(Args)]
pub(super) struct BackupArgs {
    /// The archive (tar) to create; it must not exist. While the backup runs, its directory also needs space
    /// for a second copy of the database.
    file: PathBuf,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) async fn run(args: BackupArgs) -> anyhow::Result<()> {
    let config = args.config.load([])?;
    if config.ledger.url.is_some() {
        bail!(
            "ledger.url names a PostgreSQL database: back it up with the tools of PostgreSQL, such as pg_dump"
        );
    }
    let ledger = ledger_file(&config);
    anyhow::ensure!(ledger.is_file(), "there is no ledger {}", ledger.display());
    let archive = Archive::create(args.file)?;
    let kept = KeptFiles::new(&config.server.data_dir)?;
    let database = archive.temporary_file()?;
    let mut keep_file = match &config.blobs.url {
        None => Some(kept.keeper(config.server.data_dir.join(BLOBS))),
        Some(BlobsUrl::Directory(directory)) => Some(kept.keeper(directory.clone())),
        Some(BlobsUrl::Bucket { .. }) => None,
    };
    let is_in_bucket = keep_file.is_none();
    let keep_file = move |file| keep_file.as_mut().map_or(Ok(()), |keep_file| keep_file(file));
    let copy = database.path().to_owned();
    back_up_ledger(ledger, copy, Clock::System.now_ms(), keep_file).await?;
    let missing = kept.missing();
    let written = tokio::task::spawn_blocking(move || -> anyhow::Result<_> {
        let mut archive = archive;
        archive.add(LEDGER_FILE, database.path())?;
        drop(database);
        kept.for_each(|name, path| archive.add(&format!("{BLOBS}/{name}"), path))?;
        archive.finish()
    });
    let written = written.await.context("the archive could not be written")??;
    for key in &missing {
        eprintln!("warning: the ledger names {key}, and this file does not exist");
    }
    if is_in_bucket {
        println!("The files are in the bucket of blobs.url, and are not in the archive.");
    }
    println!(
        "{}: the database and {} files, {} bytes",
        written.path.display(),
        written.n_files - 1,
        written.n_bytes
    );
    Ok(())
}
