//! `pixaven webhooks resend`: sends webhooks again, either a few by their ids or all that match filters. The
//! filters follow the rules of `POST /1.0/webhooks/resend`.

use clap::Args;
use pixaven_ledger::BulkResend;
use uuid::Uuid;

use super::{AccountLedger, POLL_INTERVAL};
use crate::api::history::query::{MAX_RESEND_RATE, parse_resend_query};

#[derive(Args)]
pub(super) struct ResendArgs {
    /// The ids of the webhooks.
    #[arg(required_unless_present = "MatchFilters")]
    ids: Vec<Uuid>,
    #[command(flatten)]
    filters: MatchFilters,
    /// At most so many webhooks a second.
    #[arg(long, requires = "MatchFilters", value_parser = clap::value_parser!(u32).range(1..=MAX_RESEND_RATE))]
    rate: Option<u32>,
    /// Only prints how many webhooks match.
    #[arg(long, requires = "MatchFilters")]
    dry_run: bool,
}

/// Filters that select webhooks instead of ids, as in a list.
#[derive(Args)]
#[group(multiple = true, conflicts_with = "ids")]
struct MatchFilters {
    /// Webhooks in one of these statuses, separated by commas; failed webhooks if only other filters are
    /// given.
    #[arg(long)]
    status: Option<String>,
    /// Webhooks to this host, as their URL names it.
    #[arg(long)]
    host: Option<String>,
    /// Webhooks accepted at this time or later: 2026-01-10T11:57:04Z, or 2026-01-10.
    #[arg(long, value_name = "TIME")]
    start: Option<String>,
    /// Webhooks accepted at this time or earlier. A date without a time means its whole day.
    #[arg(long, value_name = "TIME")]
    end: Option<String>,
}

pub(super) async fn run(ledger: &AccountLedger, args: ResendArgs) -> anyhow::Result<()> {
    if args.ids.is_empty() {
        resend_matching(ledger, args).await
    } else {
        resend_by_id(ledger, args.ids).await
    }
}

async fn resend_by_id(
    AccountLedger { ledger, account }: &AccountLedger,
    ids: Vec<Uuid>,
) -> anyhow::Result<()> {
    for id in ids {
        let status = ledger.resend_webhook(*account, id).await;
        let status = status.map_err(|error| anyhow::anyhow!("{id} cannot be sent again: {error}"))?;
        let status = status.ok_or_else(|| anyhow::anyhow!("there is no webhook {id}"))?;
        println!("{id} {status}");
    }
    Ok(())
}

async fn resend_matching(
    AccountLedger { ledger, account }: &AccountLedger,
    ResendArgs { filters, rate, dry_run, .. }: ResendArgs,
) -> anyhow::Result<()> {
    let query = parse_resend_query(*account, &filters.pairs()).map_err(anyhow::Error::msg)?;
    let n_matching = ledger.count_webhooks(query.clone()).await?;
    if dry_run || n_matching == 0 {
        println!("{n_matching} webhooks match");
        return Ok(());
    }
    let mut bulk = ledger.start_bulk_resend(query, rate).await?;
    // The server sends the webhooks. This program only prints the progress of the bulk resend.
    eprintln!("a running server sends them again, even when this program is interrupted");
    let mut printed = None;
    loop {
        let counts = (bulk.n_resent, bulk.n_skipped);
        if printed.replace(counts) != Some(counts) {
            println!("{}", progress_line(&bulk));
        }
        if bulk.ended_ms.is_some() {
            return Ok(());
        }
        tokio::time::sleep(POLL_INTERVAL).await;
        let found = ledger.bulk_resend(*account, bulk.seq).await?;
        bulk = found.ok_or_else(|| anyhow::anyhow!("it ended, and was forgotten"))?;
    }
}

fn progress_line(bulk: &BulkResend) -> String {
    let BulkResend { n_matched, n_resent, n_skipped, .. } = bulk;
    format!("{n_resent} of {n_matched} sent again, {n_skipped} skipped")
}

impl MatchFilters {
    /// Converts the filters to the names and the values of a query string.
    fn pairs(self) -> Vec<(String, String)> {
        let Self { status, host, start, end } = self;
        let named = [("status", status), ("host", host), ("start", start), ("end", end)];
        named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}
