//! `pixaven webhooks`: looks at webhooks and acts on them, beside a running server or without one. It speaks to the
//! ledger; what it changes a server notices within a second.

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

/// How often is looked for what changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

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
        /// Its id.
        id: Uuid,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Sends webhooks again now, whatever became of them: by their ids, or all that match.
    Resend {
        #[command(flatten)]
        wanted: resend::Wanted,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Gives up webhooks that are not being sent and have not ended.
    Cancel {
        /// Their ids.
        #[arg(required = true)]
        ids: Vec<Uuid>,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Prints a line for every change, until it is interrupted.
    Watch {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

/// Which webhooks are looked at.
#[derive(Args)]
struct Filter {
    /// In one of these statuses only, separated by commas.
    #[arg(long, value_delimiter = ',', value_parser = status)]
    status: Vec<WebhookStatus>,
    /// At most so many of the latest.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: u32,
}

/// The ledger and the account that its keys belong to.
struct Desk {
    ledger: Ledger,
    account: AccountId,
}

pub(super) async fn run(args: WebhooksArgs) -> anyhow::Result<()> {
    match args.command {
        WebhooksCommand::List { filter, config } => {
            let desk = Desk::open(config).await?;
            println!("{}", line_of("ID", "STATUS", "ACCEPTED", "URL"));
            for record in desk.list(&filter).await? {
                println!("{}", line(&record));
            }
        }
        WebhooksCommand::Show { id, config } => {
            let desk = Desk::open(config).await?;
            let record = desk.ledger.webhook(desk.account, id).await?;
            let record = record.ok_or_else(|| anyhow::anyhow!("there is no webhook {id}"))?;
            println!("{}", serde_json::to_string_pretty(&webhook_json(&record))?);
        }
        WebhooksCommand::Resend { wanted, config } => {
            resend::run(&Desk::open(config).await?, wanted).await?;
        }
        WebhooksCommand::Cancel { ids, config } => {
            let desk = Desk::open(config).await?;
            for id in ids {
                let is_found = desk.ledger.cancel_webhook(desk.account, id).await;
                let is_found =
                    is_found.map_err(|error| anyhow::anyhow!("{id} cannot be cancelled: {error}"))?;
                anyhow::ensure!(is_found, "there is no webhook {id}");
                println!("{id} cancelled");
            }
        }
        WebhooksCommand::Watch { filter, config } => Desk::open(config).await?.watch(&filter).await?,
    }
    Ok(())
}

impl Desk {
    async fn open(config: ConfigArgs) -> anyhow::Result<Self> {
        let config = config.load([])?;
        let ledger = open_ledger(&config.server.data_dir, Clock::System).await?;
        let ledger = ledger.with_delivery_limits(config.webhooks.fairness());
        let key = ledger.keys().await?.into_iter().next();
        let account = key.ok_or_else(|| {
            anyhow::anyhow!("there is no webhook before the first API key: see pixaven keys create")
        })?;
        Ok(Self { ledger, account: account.account })
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

    /// Shows each webhook when it comes into view, and again whenever it gets on.
    async fn watch(&self, filter: &Filter) -> anyhow::Result<()> {
        let mut shown: HashMap<Uuid, (WebhookStatus, Option<i64>)> = HashMap::new();
        loop {
            let records = self.list(filter).await?;
            for record in records.iter().rev() {
                let state = (record.status, record.dispatched_ms);
                if shown.insert(record.id, state) != Some(state) {
                    println!("{}", line(record));
                }
            }
            let in_view: HashMap<_, _> =
                records.iter().filter_map(|record| shown.remove_entry(&record.id)).collect();
            shown = in_view;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

fn line(record: &WebhookRecord) -> String {
    let mut status = record.status.to_string();
    if let Some(reason) = &record.failure {
        status = format!("{status}: {reason}");
    } else if let Some(next) = record.next_attempt {
        status = format!("{status}: {} until {}", next.due_reason.as_str(), timestamp(next.due_ms));
    }
    let url = without_credentials(&record.url);
    line_of(&record.id.to_string(), &status, &timestamp(record.created_ms), &url)
}

fn line_of(id: &str, status: &str, accepted: &str, url: &str) -> String {
    format!("{id:<36}  {accepted:<24}  {status:<52}  {url}")
}

fn status(word: &str) -> Result<WebhookStatus, String> {
    word.trim().parse().map_err(|_| {
        let known = WebhookStatus::ALL.map(WebhookStatus::as_str).join(", ");
        format!("a status is one of {known}")
    })
}
