//! The keys that seal secrets in the ledger.

use std::path::PathBuf;

use anyhow::Context as _;
use pixaven_ledger::Ledger;

use super::create_data_directory;
use crate::runtime::config::Config;
use crate::runtime::seal::{SIGNING_SECRET, Seal};

/// Returns the path of the file with the seal keys.
pub fn seal_key_file(config: &Config) -> PathBuf {
    config.server.seal_key_file.clone().unwrap_or_else(|| config.server.data_dir.join("seal.key"))
}

/// Reads the keys that seal secrets in the ledger. Creates a missing file with a new key.
pub fn open_seal(config: &Config) -> anyhow::Result<Seal> {
    create_data_directory(&config.server.data_dir)?;
    Seal::open(&seal_key_file(config)).context("server.seal_key_file")
}

/// Seals the signing secrets that an earlier version stored without a seal. Fails if a secret was sealed with a key
/// that is missing: the file of seal keys is then not the file of this ledger.
pub(super) async fn seal_signing_secrets(ledger: &Ledger, seal: &Seal) -> anyhow::Result<()> {
    for mut stored in ledger.stored_secrets().await? {
        let text = stored.secret.expose();
        let secret = seal.unseal(SIGNING_SECRET, text).context("server.seal_key_file")?;
        if secret == text {
            stored.secret = seal.seal(SIGNING_SECRET, &secret)?.into();
            ledger.replace_stored_secret(stored).await?;
        }
    }
    Ok(())
}
