//! `pixaven nodes`: lists the nodes that share a PostgreSQL ledger.

use clap::{Args, Subcommand};
use pixaven_ledger::Clock;

use super::ConfigArgs;
use crate::api::timestamp::timestamp;
use crate::app::open_ledger;

#[derive(Args)]
pub(super) struct NodesArgs {
    #[command(subcommand)]
    command: NodesCommand,
}

#[derive(Subcommand)]
enum NodesCommand {
    /// Lists the nodes with their roles and their last signs of life.
    List {
        #[command(flatten)]
        config: ConfigArgs,
    },
}

pub(super) async fn run(args: NodesArgs) -> anyhow::Result<()> {
    let NodesCommand::List { config } = args.command;
    let config = config.load([])?;
    anyhow::ensure!(
        config.ledger.url.is_some(),
        "there are nodes only if ledger.url names a PostgreSQL database"
    );
    let ledger = open_ledger(&config, Clock::System).await?;
    println!(
        "{:<6} {:<20} {:<18} {:<26} {:>12} {:>14} VERSION",
        "NODE", "NAME", "ROLES", "STARTED", "HEARTBEAT", "CLOCK AHEAD"
    );
    for node in ledger.nodes().await? {
        println!(
            "{:<6} {:<20} {:<18} {:<26} {:>8} ms ago {:>11} ms {}",
            node.seq,
            node.node.name,
            node.node.roles,
            timestamp(node.started_ms),
            (ledger.clock().now_ms() - node.heartbeat_ms).max(0),
            node.clock_ahead_ms,
            node.node.version,
        );
    }
    Ok(())
}
