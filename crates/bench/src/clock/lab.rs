//! The server with its lying clock: how it is stopped, started, and told another time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};

use super::faketime::Faketime;
use super::timeline::Timeline;
use super::{HOUR_S, MAX_DELAY_S};
use crate::report::progress;
use crate::server::{Installation, Server};

/// Between two events there is at least half of this, and at most all of it, for what is due.
const PAUSE: Duration = Duration::from_secs(3);

/// A server with its lying clock.
pub(super) struct Lab {
    pub(super) faketime: Faketime,
    pub(super) installation: Installation,
    /// `None` while it is stopped.
    pub(super) server: Option<Server>,
    pub(super) port: u16,
    pub(super) timeline: Timeline,
    pub(super) random: fastrand::Rng,
}

impl Lab {
    /// From a second to a week, every order of magnitude as often as the others.
    pub(super) fn delay_s(&mut self) -> i64 {
        (MAX_DELAY_S as f64).powf(self.random.f64()) as i64
    }

    pub(super) async fn pause(&mut self) {
        tokio::time::sleep(PAUSE.mul_f64(0.5 + 0.5 * self.random.f64())).await;
    }

    pub(super) fn wall_ms(&self) -> i64 {
        system_now_ms() + self.timeline.offset_ms()
    }

    pub(super) fn jump(&mut self, by_s: i64) -> anyhow::Result<()> {
        let at_ms = system_now_ms();
        self.faketime.set(self.timeline.offset_ms() / 1_000 + by_s)?;
        self.timeline.jumped(at_ms, by_s * 1_000);
        let state = if self.server.is_some() { "running" } else { "stopped" };
        progress(format_args!("the clock of the {state} server was set by {:+} h", by_s / HOUR_S));
        Ok(())
    }

    pub(super) async fn stop(&mut self, is_killed: bool) -> anyhow::Result<()> {
        let mut server = self.server.take().context("the server runs")?;
        ensure!(!server.has_ended(), "the server ended by itself:\n{}", self.installation.log_tail());
        let pid = server.pid();
        self.timeline.stopped(system_now_ms());
        if is_killed {
            server.kill().await?;
        } else {
            server.stop().await?;
        }
        self.faketime.clean_after(pid);
        Ok(())
    }

    pub(super) async fn start(&mut self) -> anyhow::Result<()> {
        let (server, _) = self.installation.start(self.port).await?;
        self.timeline.started(system_now_ms());
        self.server = Some(server);
        Ok(())
    }
}

/// The true time.
#[expect(clippy::disallowed_methods, reason = "what the lying clock of the server is compared with")]
pub(super) fn system_now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
