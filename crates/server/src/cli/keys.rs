//! `pixaven keys`: creates, lists and revokes API keys. It opens the ledger directly, without a request to a
//! server, and works even while a server uses the ledger.

use clap::{Args, Subcommand};
use pixaven_ledger::{Clock, Ledger, NewKey};

use super::ConfigArgs;
use crate::api::api_key::ApiKey;
use crate::api::timestamp::timestamp;
use crate::app::{open_ledger, open_seal};
use crate::delivery::signing::generate_secret;
use crate::runtime::seal::{SIGNING_SECRET, Seal};

#[derive(Args)]
pub(super) struct KeysArgs {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Subcommand)]
enum KeysCommand {
    /// Makes a key and prints it; it cannot be shown again.
    Create {
        /// A name to tell keys apart.
        #[arg(long, default_value = "")]
        label: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Lists all keys, revoked ones included.
    List {
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Revokes a key; a running server refuses it within a second.
    Revoke {
        /// The id of the key, as `list` prints it.
        id: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

pub(super) async fn run(args: KeysArgs) -> anyhow::Result<()> {
    match args.command {
        KeysCommand::Create { label, config } => {
            let key = {
                let config = config.load([])?;
                let ledger = open_ledger(&config, Clock::System).await?;
                create_key(&ledger, &open_seal(&config)?, &label).await?
            };
            println!("{}", key.reveal());
        }
        KeysCommand::List { config } => {
            println!("{:<12} {:<14} {:<26} {:<26} LABEL", "ID", "KEY", "CREATED", "REVOKED");
            for key in open_configured_ledger(config).await?.keys().await? {
                let revoked = key.revoked_ms.map_or_else(|| "-".to_owned(), timestamp);
                let created = timestamp(key.created_ms);
                println!(
                    "{:<12} {:<14} {created:<26} {revoked:<26} {}",
                    key.id,
                    format!("{}…", key.prefix),
                    key.label
                );
            }
        }
        KeysCommand::Revoke { id, config } => {
            anyhow::ensure!(
                open_configured_ledger(config).await?.revoke_key(&id).await?,
                "there is no active key with the id {id}"
            );
            println!("revoked {id}");
        }
    }
    Ok(())
}

/// Creates an API key and stores its hash in the ledger. The first key also creates the account, with a new
/// webhook secret.
pub(super) async fn create_key(ledger: &Ledger, seal: &Seal, label: &str) -> anyhow::Result<ApiKey> {
    let key = ApiKey::generate()?;
    let new_key = NewKey {
        sha256: key.sha256(),
        prefix: key.prefix().to_owned(),
        label: label.to_owned(),
        webhook_secret: seal.seal(SIGNING_SECRET, &generate_secret()?)?,
    };
    ledger.create_key(new_key).await?;
    Ok(key)
}

async fn open_configured_ledger(config: ConfigArgs) -> anyhow::Result<Ledger> {
    let config = config.load([])?;
    open_ledger(&config, Clock::System).await
}
