//! `pixaven seal`: the keys that seal secrets in the ledger.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use pixaven_ledger::{Clock, Ledger, RequestSecrets, erase_remains};
use url::Url;

use super::ConfigArgs;
use crate::app::{ledger_file, lock_data_directory, open_ledger, seal_key_file};
use crate::runtime::seal::{SIGNING_SECRET, Seal, SealError, request_context, webhook_context};
use crate::work::request::StoredRequest;

/// The number of requests whose secrets are sealed in one commit.
const BATCH: u32 = 500;

#[derive(Args)]
pub(super) struct SealArgs {
    #[command(subcommand)]
    command: SealCommand,
}

#[derive(Subcommand)]
enum SealCommand {
    /// Makes a new key and seals every secret of the ledger with it; the server must be stopped.
    ///
    /// Also seals secrets that an earlier version stored without a seal, and rewrites the database, so that it holds
    /// no remains of the earlier texts. Can be run again after an interruption.
    Rotate {
        #[command(flatten)]
        config: ConfigArgs,
    },
}

pub(super) async fn run(args: SealArgs) -> anyhow::Result<()> {
    let SealCommand::Rotate { config } = args.command;
    let config = config.load([])?;
    let _lock = lock_data_directory(&config.server.data_dir)?;
    let path = seal_key_file(&config);
    let ledger = open_ledger(&config, Clock::System).await?;
    // The nodes are read first, because the clock of a database server is known only after a transaction.
    let nodes = ledger.nodes().await?;
    let now_ms = ledger.clock().now_ms();
    let running = nodes.into_iter().find(|node| node.lease_until_ms > now_ms);
    if let Some(node) = running {
        anyhow::bail!("the node {} still runs: stop all nodes of this ledger first", node.node.name);
    }
    // The earlier keys stay in the file until every secret is sealed with the new key, so that an interruption
    // leaves no secret without its key.
    let seal = Seal::add_key(&path).context("server.seal_key_file")?;
    let sealed = seal_all(&ledger, &seal).await;
    ledger.close().await;
    let (n_secrets, n_requests) = sealed?;
    Seal::drop_earlier_keys(&path).context("server.seal_key_file")?;
    if config.ledger.url.is_none() {
        erase_remains(&ledger_file(&config)).context("the database could not be rewritten")?;
    }
    println!(
        "sealed {n_secrets} signing secrets and {n_requests} requests with a new key in {}",
        path.display()
    );
    Ok(())
}

/// Seals all secrets of a ledger with the current key. Returns the number of signing secrets and of requests that
/// were changed.
async fn seal_all(ledger: &Ledger, seal: &Seal) -> anyhow::Result<(usize, usize)> {
    let (mut n_secrets, mut n_requests, mut after) = (0, 0, 0);
    for mut stored in ledger.stored_secrets().await? {
        let secret = seal.unseal(SIGNING_SECRET, stored.secret.expose())?;
        stored.secret = seal.seal(SIGNING_SECRET, &secret)?.into();
        ledger.replace_stored_secret(stored).await?;
        n_secrets += 1;
    }
    loop {
        let batch = ledger.request_secrets(after, BATCH).await?;
        let Some(last) = batch.last() else { return Ok((n_secrets, n_requests)) };
        after = last.seq;
        let mut changed = Vec::new();
        for request in batch {
            let sealed = seal_again(seal, &request).with_context(|| format!("the request {}", request.id))?;
            if sealed != request {
                changed.push(sealed);
            }
        }
        n_requests += changed.len();
        ledger.replace_request_secrets(changed).await?;
    }
}

/// Returns the texts of a request, sealed with the current key where they hold secrets.
fn seal_again(seal: &Seal, request: &RequestSecrets) -> Result<RequestSecrets, SealError> {
    let webhook = webhook_context(request.id);
    let url = seal.unseal_url(&webhook, &request.webhook_url)?;
    let webhook_url = match Url::parse(&url) {
        Ok(url) => seal.seal_url(&webhook, &url)?,
        Err(_) => url,
    };
    let headers = seal.unseal_headers(&webhook, &request.webhook_headers)?;
    let context = request_context(request.id);
    let spec = seal.unseal(&context, &request.spec)?;
    // The request of a job that has ended has no secrets any more.
    let has_secrets = serde_json::from_str::<StoredRequest>(&spec)
        .is_ok_and(|stored| stored.without_secrets().is_ok_and(|redacted| redacted.is_some()));
    Ok(RequestSecrets {
        seq: request.seq,
        id: request.id,
        webhook_url,
        webhook_headers: seal.seal_headers(&webhook, &headers)?,
        spec: if has_secrets { seal.seal(&context, &spec)? } else { spec },
    })
}
