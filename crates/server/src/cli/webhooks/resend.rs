//! `pixaven webhooks resend`: some webhooks sent again by their ids, or many by the filters of a list, with the rules of
//! `POST /1.0/webhooks/resend`.

use clap::Args;
use pixaven_ledger::BulkResend;
use uuid::Uuid;

use super::{Desk, LOOK_EVERY};
use crate::api::history::query::{MAX_RESEND_RATE, parse_resend_query};

#[derive(Args)]
pub(super) struct Wanted {
    /// Their ids.
    #[arg(required_unless_present = "Matching")]
    ids: Vec<Uuid>,
    #[command(flatten)]
    matching: Matching,
    /// At most so many a second.
    #[arg(long, requires = "Matching", value_parser = clap::value_parser!(u32).range(1..=MAX_RESEND_RATE))]
    rate: Option<u32>,
    /// Only say how many match.
    #[arg(long, requires = "Matching")]
    dry_run: bool,
}

/// Which are meant instead, as in a list.
#[derive(Args)]
#[group(multiple = true, conflicts_with = "ids")]
struct Matching {
    /// All in one of these statuses, separated by commas; failed ones when another filter is given alone.
    #[arg(long)]
    status: Option<String>,
    /// All to this host, as the URL names it.
    #[arg(long)]
    host: Option<String>,
    /// All accepted at this time or later: 2026-01-10T11:57:04Z, or 2026-01-10.
    #[arg(long, value_name = "TIME")]
    start: Option<String>,
    /// All accepted at this time or earlier.
    #[arg(long, value_name = "TIME")]
    end: Option<String>,
}

pub(super) async fn run(desk: &Desk, wanted: Wanted) -> anyhow::Result<()> {
    if wanted.ids.is_empty() { many(desk, wanted).await } else { each(desk, wanted.ids).await }
}

async fn each(desk: &Desk, ids: Vec<Uuid>) -> anyhow::Result<()> {
    for id in ids {
        let status = desk.ledger.resend_webhook(desk.account, id).await;
        let status = status.map_err(|error| anyhow::anyhow!("{id} cannot be sent again: {error}"))?;
        let status = status.ok_or_else(|| anyhow::anyhow!("there is no webhook {id}"))?;
        println!("{id} {status}");
    }
    Ok(())
}

async fn many(desk: &Desk, Wanted { matching, rate, dry_run, .. }: Wanted) -> anyhow::Result<()> {
    let query = parse_resend_query(desk.account, &matching.pairs()).map_err(anyhow::Error::msg)?;
    let n_matching = desk.ledger.count_webhooks(query.clone()).await?;
    if dry_run || n_matching == 0 {
        println!("{n_matching} webhooks match");
        return Ok(());
    }
    let mut bulk = desk.ledger.start_bulk_resend(query, rate).await?;
    // It is the server that sends them: this only looks on.
    eprintln!("a running server sends them again, even when this program is interrupted");
    let mut shown = None;
    loop {
        let counts = (bulk.n_resent, bulk.n_skipped);
        if shown.replace(counts) != Some(counts) {
            println!("{}", line(&bulk));
        }
        if bulk.ended_ms.is_some() {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
        let found = desk.ledger.bulk_resend(desk.account, bulk.seq).await?;
        bulk = found.ok_or_else(|| anyhow::anyhow!("it ended, and was forgotten"))?;
    }
}

fn line(bulk: &BulkResend) -> String {
    let BulkResend { n_matched, n_resent, n_skipped, .. } = bulk;
    format!("{n_resent} of {n_matched} sent again, {n_skipped} skipped")
}

impl Matching {
    fn pairs(self) -> Vec<(String, String)> {
        let Self { status, host, start, end } = self;
        let named = [("status", status), ("host", host), ("start", start), ("end", end)];
        named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}
