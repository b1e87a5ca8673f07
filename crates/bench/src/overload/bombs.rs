//! Measures how long a few good requests take beside many bombs (images that take seconds), and how long the
//! same requests take alone.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde::Serialize;
use serde_json::json;

use super::OverloadArgs;
use super::client::{Outcome, Prepared};
use crate::environment::TestEnvironment;
use crate::percentiles::Percentiles;
use crate::report::progress;
use crate::request_template::generated;
use crate::resource_usage::hundredths;

/// Good requests per second.
const GOOD_PER_S: f64 = 5.0;
/// The pause of a client between a response and its next bomb.
const PAUSE: Duration = Duration::from_millis(500);
/// The width and the height of the bomb with many pixels, in pixels: just within the default of
/// `limits.pixels`.
const BOMB_SIDE_PX: u32 = 9_900;

#[derive(Debug, Serialize)]
pub(super) struct Figures {
    /// The latency of good requests alone.
    alone_ms: Option<Percentiles>,
    /// The latency of good requests beside the bombs.
    beside_ms: Option<Percentiles>,
    pub(super) p99_ratio: Option<f64>,
    good: usize,
    /// Good requests without a result.
    pub(super) failed: usize,
    bombs_processed: usize,
    bombs_refused: usize,
}

pub(super) async fn measure(environment: &TestEnvironment, args: &OverloadArgs) -> anyhow::Result<Figures> {
    let small = generated(550, 412)?;
    let good = json!({ "resize": { "width": 100, "height": 75 } });
    let good = Prepared::upload(environment, &small, &good, false);
    let bombs = bombs(environment, &small)?;
    let turn = Duration::from_secs_f64(args.seconds);
    send_good(&good, turn / 2).await;
    let (mut alone, mut beside, mut exploded) = (Vec::new(), Vec::new(), Vec::new());
    for n in 1..=args.turns {
        alone.extend(send_good(&good, turn).await);
        let is_over = Rc::new(Cell::new(false));
        let bombers = (0..args.bombs).map(|n| throw(bombs[n % bombs.len()].clone(), Rc::clone(&is_over)));
        let good = async {
            let outcomes = send_good(&good, turn).await;
            is_over.set(true);
            outcomes
        };
        let (outcomes, bombs) = tokio::join!(good, join_all(bombers));
        beside.extend(outcomes);
        exploded.extend(bombs.into_iter().flatten());
        let p99 = |outcomes: &[Outcome]| latencies(outcomes).map_or(f64::NAN, |times| times.p99);
        progress(format_args!("turn {n}: p99 {} ms alone, {} ms beside bombs", p99(&alone), p99(&beside)));
    }
    let (alone_ms, beside_ms) = (latencies(&alone), latencies(&beside));
    let ratio = alone_ms.zip(beside_ms).map(|(alone, beside)| hundredths(beside.p99 / alone.p99));
    Ok(Figures {
        alone_ms,
        beside_ms,
        p99_ratio: ratio,
        good: alone.len() + beside.len(),
        failed: alone.iter().chain(&beside).filter(|outcome| !outcome.is_success()).count(),
        bombs_processed: exploded.iter().filter(|outcome| outcome.is_success()).count(),
        bombs_refused: exploded.iter().filter(|outcome| outcome.is_refusal()).count(),
    })
}

/// Returns the two bombs: a small file with many pixels, and a small image whose operations take long.
fn bombs(environment: &TestEnvironment, small: &[u8]) -> anyhow::Result<Vec<Prepared>> {
    let pixels = vec![120; (BOMB_SIDE_PX * BOMB_SIDE_PX) as usize];
    let image =
        pixaven_imaging::Image::new(BOMB_SIDE_PX, BOMB_SIDE_PX, pixaven_imaging::Channels::Gray, pixels);
    let output = pixaven_imaging::plan::Output::default();
    let large = pixaven_imaging::encode(image, pixaven_imaging::Format::Png, &output)?;
    let operations = json!({ "resize": { "width": 3000 }, "output": { "format": "webp" } });
    let slow = json!({
        "resize": { "mode": "exact", "width": 6000, "height": 6000 },
        "filter": { "blur": { "value": 50 }, "edges": { "value": 50 } },
    });
    Ok(vec![
        Prepared::upload(environment, &large, &operations, false),
        Prepared::upload(environment, small, &slow, false),
    ])
}

/// Sends a bomb again and again until `is_over` is true.
async fn throw(bomb: Prepared, is_over: Rc<Cell<bool>>) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    while !is_over.get() {
        outcomes.push(bomb.clone().send(Instant::now()).await);
        tokio::time::sleep(PAUSE).await;
    }
    outcomes
}

/// Sends good requests at a steady rate.
async fn send_good(good: &Prepared, turn: Duration) -> Vec<Outcome> {
    let start = Instant::now();
    let n_requests = (turn.as_secs_f64() * GOOD_PER_S) as u32;
    join_all((0..n_requests).map(|n| async move {
        let scheduled = start + Duration::from_secs_f64(f64::from(n) / GOOD_PER_S);
        tokio::time::sleep_until(scheduled.into()).await;
        good.clone().send(scheduled).await
    }))
    .await
}

fn latencies(outcomes: &[Outcome]) -> Option<Percentiles> {
    Percentiles::of(outcomes.iter().map(|outcome| outcome.latency).collect())
}
