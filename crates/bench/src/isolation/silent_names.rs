//! The backlog of webhooks to host names whose name server is silent. The lookup of such a name ends only
//! when the resolver stops waiting for the name server.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::ensure;
use hyper::StatusCode;
use pixaven_testkit::name_server::{NameServer, Reply};
use serde_json::json;

use super::{Side, TestImage, n_webhooks_in};
use crate::environment::TestEnvironment;

/// The beginning of the names about which the name server is silent.
const SILENT: &str = "silent";

/// The name of the healthy receiver.
const HEALTHY: &str = "healthy.test";

/// The lookups of silent names must begin, and end, within this time.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(30);

/// Starts a name server that is silent about some names. The answers about all other names have a time to
/// live of 0, so that the server looks up the healthy receiver's name for each connection.
pub(super) fn start_name_server() -> NameServer {
    NameServer::start(|question| match question.name.starts_with(SILENT) {
        true => Reply::Silence,
        false => Reply::Addresses { addresses: vec![Ipv4Addr::LOCALHOST.into()], ttl_s: 0 },
    })
}

/// Lets the requests of the load on a server contain the receiver's host name instead of its IP address.
pub(super) fn name_the_receiver(side: &mut Side, image: &TestImage) {
    let environment = &mut side.environment;
    let url = environment.receiver.url().replace("127.0.0.1", HEALTHY);
    environment.template = environment.template_for(image, json!({ "url": url }));
}

/// Waits until no silent name of an earlier period of load is looked up, and then sends `n` webhooks, each to
/// a new silent name. Each webhook has a single attempt. Returns when all new names are being looked up.
pub(super) async fn fill(
    environment: &TestEnvironment,
    image: &TestImage,
    turn: u32,
    n: usize,
) -> anyhow::Result<()> {
    wait_for(environment, "scheduled,dispatched", 0).await?;
    for i in 0..n {
        let url = format!("http://{SILENT}-{turn}-{i}.test/");
        let template = environment.template_for(image, json!({ "url": url, "retry": false }));
        let (status, body) = environment.http.send(template.request(0)).await?;
        ensure!(status == StatusCode::ACCEPTED, "{status}: {}", String::from_utf8_lossy(&body));
    }
    wait_for(environment, "created,scheduled", 0).await?;
    wait_for(environment, "dispatched", n as u64).await
}

/// Waits until exactly `n` webhooks have one of the statuses.
async fn wait_for(environment: &TestEnvironment, statuses: &str, n: u64) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    while n_webhooks_in(environment, statuses).await? != n {
        ensure!(start.elapsed() < LOOKUP_TIMEOUT, "{statuses}: the number of webhooks is not {n}");
        ticks.tick().await;
    }
    Ok(())
}
