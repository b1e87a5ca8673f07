//! The tool `clock`: checks delayed webhooks while the wall clock jumps. A server under libfaketime gets
//! requests whose webhooks have delays from a second to a week. The tool kills or stops the server and starts
//! the server again. It sets the server's clock forward and back, both while the server runs and while the
//! server is stopped. Each webhook must arrive exactly once, not before it is due by the server's clock, and
//! not much later.

mod fake_clock_server;
mod faketime;
mod figures;
mod timeline;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use self::fake_clock_server::{FakeClockServer, system_now_ms};
use self::faketime::Faketime;
use self::figures::Figures;
use self::timeline::Timeline;
use crate::api_client::ApiClient;
use crate::audit;
use crate::environment::{EnvironmentOptions, TestEnvironment};
use crate::report::{self, Report, progress};
use crate::request_template::{InputMode, TestImage};
use crate::server::{Build, ServerArgs};

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 24 * HOUR_S;

/// The jumps of the server's clock in order: the size of the jump in seconds, and whether the server runs or
/// is stopped during the jump.
const JUMPS: [(i64, ServerState); 10] = [
    (HOUR_S, ServerState::Running),
    (HOUR_S, ServerState::Stopped),
    (-HOUR_S, ServerState::Running),
    (-HOUR_S, ServerState::Stopped),
    (-DAY_S, ServerState::Running),
    (-DAY_S, ServerState::Stopped),
    (7 * DAY_S, ServerState::Running),
    (60 * DAY_S, ServerState::Stopped),
    (-DAY_S, ServerState::Running),
    (HOUR_S, ServerState::Stopped),
];

/// The number of restarts of the server for each jump of its clock: one after SIGKILL and one after SIGINT.
const RESTARTS_PER_JUMP: usize = 2;

/// The longest delay of a webhook in seconds. At the end of the run, the tool sets the clock forward so far
/// that every webhook is due.
const MAX_DELAY_S: i64 = 7 * DAY_S;

/// The longest allowed time in milliseconds from the moment at which the server starts to send a webhook
/// until the webhook arrives. If the clock jumps less than this time before a webhook arrives, the webhook
/// may have been sent before the jump.
const TRANSIT_MS: i64 = 1_000;

/// The largest error in milliseconds when the tool compares its own clock with the server's clock. The error
/// is not zero, because the tool reads one clock after the other.
const SLACK_MS: i64 = 50;

/// Whether the server runs while the tool sets its clock.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ServerState {
    Running,
    Stopped,
}

#[derive(Args)]
pub(crate) struct ClockArgs {
    /// The number of webhooks that the server accepts before each restart.
    #[arg(long, default_value_t = 15)]
    per_round: u32,
    /// The seed of the random delays and pauses.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seconds without a new webhook after which the missing webhooks count as lost.
    #[arg(long, default_value_t = 60.0)]
    drain_seconds: f64,
    #[command(flatten)]
    server: ServerArgs,
}

/// Restarts the server and sets its clock. The report requires that every webhook arrives on time.
pub(crate) async fn run(args: &ClockArgs) -> anyhow::Result<Report> {
    let (binary, image) = (args.server.binary(Build::SameProfile).await?, TestImage::noop()?);
    let run = Run {
        options: EnvironmentOptions::new(&args.server, &binary, &image, InputMode::Fetch),
        per_round: args.per_round,
        seed: args.seed,
        drain: Duration::from_secs_f64(args.drain_seconds),
    };
    run.measure().await?.report()
}

struct Run<'a> {
    options: EnvironmentOptions<'a>,
    per_round: u32,
    seed: u64,
    drain: Duration,
}

/// The times of a webhook that the server has accepted.
struct AcceptedWebhook {
    accepted: Instant,
    /// The time at which the client had read the 202 response, by the machine's clock, in milliseconds since
    /// 1970.
    accepted_ms: i64,
    /// The due time of the webhook by the server's clock, in milliseconds since 1970.
    due_ms: i64,
}

/// All webhooks that the server accepted in a run.
#[derive(Default)]
struct Acceptances {
    webhooks: HashMap<Uuid, AcceptedWebhook>,
    n_misdated: usize,
}

impl Run<'_> {
    /// Makes all clock jumps and restarts, then waits for all webhooks.
    async fn measure(mut self) -> anyhow::Result<Figures> {
        let start = Instant::now();
        let faketime = Faketime::new()?;
        faketime.check().await?;
        self.options.variables = faketime.variables();
        let environment = self.options.start().await?;
        let TestEnvironment { installation, server, address, image_url, receiver, api, .. } = environment;
        let data = json!({ "url": image_url, "webhook": { "url": receiver.url() } });
        let mut server = FakeClockServer {
            faketime,
            installation,
            server: Some(server),
            port: address.port(),
            timeline: Timeline::new(system_now_ms()),
            random: fastrand::Rng::with_seed(self.seed),
        };
        let mut acceptances = Acceptances::default();
        for (by_s, state) in JUMPS {
            for is_killed in [true, false] {
                self.send_requests(&mut server, &api, &data, &mut acceptances).await?;
                server.pause().await;
                server.stop(is_killed).await?;
                if is_killed && state == ServerState::Stopped {
                    server.jump(by_s)?;
                }
                server.start().await?;
            }
            if state == ServerState::Running {
                server.pause().await;
                server.jump(by_s)?;
            }
        }
        server.pause().await;
        server.jump(acceptances.latest_due_ms().saturating_sub(server.wall_clock_ms()).max(0) / 1_000 + 1)?;
        let accepted = acceptances.accepted();
        receiver.wait_for(&accepted, self.drain).await;
        report::explain_lost(&api, &audit::lost_ids(&accepted, &receiver.deliveries())).await;
        server.stop(false).await?;
        let deliveries = receiver.deliveries();
        Ok(Figures::new(self.seed, &server.timeline, &acceptances, &deliveries, start.elapsed()))
    }

    /// Sends requests with random delays of their webhooks before the server is restarted, and checks the due
    /// time of each webhook.
    async fn send_requests(
        &self,
        server: &mut FakeClockServer,
        api: &ApiClient,
        data: &Value,
        acceptances: &mut Acceptances,
    ) -> anyhow::Result<()> {
        for _ in 0..self.per_round {
            let delay_s = server.random_delay_s();
            let sent_ms = server.wall_clock_ms();
            let mut data = data.clone();
            data["webhook"]["delay"] = json!(delay_s);
            let id = api.process(&data, None, None).await?.accepted_id()?;
            let (accepted, accepted_ms) = (Instant::now(), system_now_ms());
            let due_ms = due_ms(api, id).await?;
            let earliest_ms = sent_ms + delay_s * 1_000 - SLACK_MS;
            let latest_ms = server.wall_clock_ms() + delay_s * 1_000 + SLACK_MS;
            if !(earliest_ms..=latest_ms).contains(&due_ms) {
                progress(format_args!("{id} is due at {due_ms}, not from {earliest_ms} to {latest_ms}"));
                acceptances.n_misdated += 1;
            }
            acceptances.webhooks.insert(id, AcceptedWebhook { accepted, accepted_ms, due_ms });
        }
        Ok(())
    }
}

impl Acceptances {
    /// The latest due time of all accepted webhooks.
    fn latest_due_ms(&self) -> i64 {
        self.webhooks.values().map(|webhook| webhook.due_ms).max().unwrap_or(0)
    }

    fn accepted(&self) -> HashMap<Uuid, Instant> {
        self.webhooks.iter().map(|(id, webhook)| (*id, webhook.accepted)).collect()
    }
}

/// Reads the due time of an accepted webhook by the server's clock, in milliseconds since 1970. Waits until
/// the server has processed the image of the request.
async fn due_ms(api: &ApiClient, id: Uuid) -> anyhow::Result<i64> {
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    loop {
        ticks.tick().await;
        let webhook = api.webhook(id).await?;
        if webhook["waits_for"] == "delay" {
            return unix_ms(&webhook["next_attempt"]);
        }
        let is_processed = webhook["status"] != "created";
        ensure!(!is_processed, "{id} did not wait for its delay: {webhook}");
    }
}

/// Converts a time in the API's format (RFC 3339) to milliseconds since 1970.
fn unix_ms(text: &Value) -> anyhow::Result<i64> {
    let text = text.as_str().context("no time")?;
    let at = OffsetDateTime::parse(text, &Rfc3339).with_context(|| format!("no time: {text}"))?;
    Ok(i64::try_from(at.unix_timestamp_nanos() / 1_000_000)?)
}
