//! `pixaven webhooks`: lists, shows, resends and cancels webhooks. It opens the ledger directly, without a
//! request to a server, and works with or without a running server. A running server notices a change within
//! a second.

mod resend;

use std::collections::HashMap;
use std::time::Duration;

use clap::{Args, Subcommand};
use pixaven_ledger::{AccountId, Clock, Ledger, WebhookQuery, WebhookRecord, WebhookStatus};
use uuid::Uuid;

use super::ConfigArgs;
use crate::api::history::json::webhook_json;
use crate::api::timestamp::timestamp;
use crate::app::open_ledger;
use crate::work::redact::without_credentials;

/// The interval at which `watch` and `resend` query the ledger for changes.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Args)]
pub(super) struct WebhooksArgs {
    #[command(subcommand)]
    command: WebhooksCommand,
}

#[derive(Subcommand)]
enum WebhooksCommand {
    /// Lists webhooks, most recently accepted first.
    List {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Prints one webhook with its payload and its attempts, as JSON.
    Show {
        /// The id of the webhook.
        id: Uuid,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Sends webhooks again now, whatever their status: by their ids, or all that match the filters.
    Resend {
        #[command(flatten)]
        args: resend::ResendArgs,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Cancels webhooks that are not being sent and have not ended.
    Cancel {
        /// The ids of the webhooks.
        #[arg(required = true)]
        ids: Vec<Uuid>,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Prints a line for every change of a webhook, until it is interrupted.
    Watch {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

/// Selects the webhooks of `list` and `watch`.
#[derive(Args)]
struct Filter {
    /// Only webhooks in one of these statuses, separated by commas.
    #[arg(long, value_delimiter = ',', value_parser = parse_status)]
    status: Vec<WebhookStatus>,
    /// At most so many of the latest webhooks.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: u32,
}

/// The ledger, and the account in the ledger that owns the API keys.
struct AccountLedger {
    ledger: Ledger,
    account: AccountId,
}

pub(super) async fn run(args: WebhooksArgs) -> anyhow::Result<()> {
    match args.command {
        WebhooksCommand::List { filter, config } => {
            let ledger = AccountLedger::open(config).await?;
            println!("{}", format_line("ID", "STATUS", "ACCEPTED", "URL"));
            for record in ledger.list(&filter).await? {
                println!("{}", webhook_line(&record));
            }
        }
        WebhooksCommand::Show { id, config } => {
            let AccountLedger { ledger, account } = AccountLedger::open(config).await?;
            let record = ledger.webhook(account, id).await?;
            let record = record.ok_or_else(|| anyhow::anyhow!("there is no webhook {id}"))?;
            println!("{}", serde_json::to_string_pretty(&webhook_json(&record))?);
        }
        WebhooksCommand::Resend { args, config } => {
            resend::run(&AccountLedger::open(config).await?, args).await?;
        }
        WebhooksCommand::Cancel { ids, config } => {
            let AccountLedger { ledger, account } = AccountLedger::open(config).await?;
            for id in ids {
                let is_found = ledger.cancel_webhook(account, id).await;
                let is_found =
                    is_found.map_err(|error| anyhow::anyhow!("{id} cannot be cancelled: {error}"))?;
                anyhow::ensure!(is_found, "there is no webhook {id}");
                println!("{id} cancelled");
            }
        }
        WebhooksCommand::Watch { filter, config } => {
            AccountLedger::open(config).await?.watch(&filter).await?;
        }
    }
    Ok(())
}

impl AccountLedger {
    async fn open(config: ConfigArgs) -> anyhow::Result<Self> {
        let config = config.load([])?;
        let ledger = open_ledger(&config, Clock::System).await?;
        let ledger = ledger.with_delivery_limits(config.webhooks.delivery_limits());
        let key = ledger.keys().await?.into_iter().next();
        let key = key.ok_or_else(|| {
            anyhow::anyhow!("there is no webhook before the first API key: see pixaven keys create")
        })?;
        Ok(Self { ledger, account: key.account })
    }

    async fn list(&self, filter: &Filter) -> anyhow::Result<Vec<WebhookRecord>> {
        let query = WebhookQuery {
            account: self.account,
            statuses: filter.status.clone(),
            host: None,
            before: None,
            start_ms: None,
            end_ms: None,
            offset: 0,
            limit: filter.limit,
        };
        Ok(self.ledger.webhooks(query).await?.webhooks)
    }

    /// Prints each listed webhook once, and again after each change of its status or of its last attempt,
    /// until the user interrupts the program.
    async fn watch(&self, filter: &Filter) -> anyhow::Result<()> {
        let mut printed: HashMap<Uuid, (WebhookStatus, Option<i64>)> = HashMap::new();
        loop {
            let records = self.list(filter).await?;
            for record in records.iter().rev() {
                let state = (record.status, record.dispatched_ms);
                if printed.insert(record.id, state) != Some(state) {
                    println!("{}", webhook_line(record));
                }
            }
            let still_listed: HashMap<_, _> =
                records.iter().filter_map(|record| printed.remove_entry(&record.id)).collect();
            printed = still_listed;
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}

fn webhook_line(record: &WebhookRecord) -> String {
    let mut status = record.status.to_string();
    if let Some(reason) = &record.failure {
        status = format!("{status}: {reason}");
    } else if let Some(next) = record.next_attempt {
        status = format!("{status}: {} until {}", next.due_reason.as_str(), timestamp(next.due_ms));
    }
    let url = without_credentials(&record.url);
    format_line(&record.id.to_string(), &status, &timestamp(record.created_ms), &url)
}

fn format_line(id: &str, status: &str, accepted: &str, url: &str) -> String {
    format!("{id:<36}  {accepted:<24}  {status:<52}  {url}")
}

fn parse_status(word: &str) -> Result<WebhookStatus, String> {
    word.trim().parse().map_err(|_| {
        let known = WebhookStatus::ALL.map(WebhookStatus::as_str).join(", ");
        format!("a status is one of {known}")
    })
}
