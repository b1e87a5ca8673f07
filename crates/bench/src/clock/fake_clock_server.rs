//! A server under libfaketime. The tool `clock` stops and starts the server, and sets its wall clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};

use super::faketime::Faketime;
use super::timeline::Timeline;
use super::{HOUR_S, MAX_DELAY_S};
use crate::report::progress;
use crate::server::{Installation, Server};

/// The longest pause between two events, such as a restart or a jump of the clock. The shortest pause is half
/// as long. The pause gives the server time to send due webhooks.
const MAX_PAUSE: Duration = Duration::from_secs(3);

/// A server whose wall clock can be set.
pub(super) struct FakeClockServer {
    pub(super) faketime: Faketime,
    pub(super) installation: Installation,
    /// The server process. It is `None` while the server is stopped.
    pub(super) server: Option<Server>,
    pub(super) port: u16,
    pub(super) timeline: Timeline,
    pub(super) random: fastrand::Rng,
}

impl FakeClockServer {
    /// Returns a random delay from one second to one week, in seconds. The logarithm of the delay is evenly
    /// distributed.
    pub(super) fn random_delay_s(&mut self) -> i64 {
        (MAX_DELAY_S as f64).powf(self.random.f64()) as i64
    }

    /// Waits for a random time between half of [`MAX_PAUSE`] and [`MAX_PAUSE`].
    pub(super) async fn pause(&mut self) {
        tokio::time::sleep(MAX_PAUSE.mul_f64(0.5 + 0.5 * self.random.f64())).await;
    }

    /// Returns the time of the server's wall clock, in milliseconds since 1970.
    pub(super) fn wall_clock_ms(&self) -> i64 {
        system_now_ms() + self.timeline.offset_ms()
    }

    /// Sets the server's wall clock forward by `by_s` seconds, or back if `by_s` is negative.
    pub(super) fn jump(&mut self, by_s: i64) -> anyhow::Result<()> {
        let at_ms = system_now_ms();
        self.faketime.set(self.timeline.offset_ms() / 1_000 + by_s)?;
        self.timeline.record_jump(at_ms, by_s * 1_000);
        let state = if self.server.is_some() { "running" } else { "stopped" };
        progress(format_args!("the clock of the {state} server was set by {:+} h", by_s / HOUR_S));
        Ok(())
    }

    /// Stops the server with SIGKILL if `is_killed` is true, otherwise with SIGINT. Fails when the server
    /// has already exited.
    pub(super) async fn stop(&mut self, is_killed: bool) -> anyhow::Result<()> {
        let mut server = self.server.take().context("the server runs")?;
        ensure!(!server.has_exited(), "the server ended by itself:\n{}", self.installation.log_tail());
        let pid = server.pid();
        self.timeline.record_stop(system_now_ms());
        if is_killed {
            server.kill().await?;
        } else {
            server.stop().await?;
        }
        self.faketime.clean_after(pid);
        Ok(())
    }

    /// Starts the stopped server again on the same port.
    pub(super) async fn start(&mut self) -> anyhow::Result<()> {
        let (server, _) = self.installation.start(self.port).await?;
        self.timeline.record_start(system_now_ms());
        self.server = Some(server);
        Ok(())
    }
}

/// Returns the time of the machine's wall clock, in milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the reference for the faked clock of the server")]
pub(super) fn system_now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
