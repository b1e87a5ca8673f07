//! Controls one worker process from the server: starts the process, sends images to it, measures its memory
//! and CPU time, and kills it if it exceeds a limit.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use pixaven_imaging::{Plan, Processed};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout, Command};

use super::{SandboxSettings, WorkerInput, usage, wire};
use crate::runtime::lifecycle::Tasks;
use crate::work::Caller;
use crate::work::error::{ImageError, LimitExceeded};

/// The time between two measurements of a busy worker's memory and CPU time.
const WATCH_INTERVAL: Duration = Duration::from_millis(20);

/// The largest number of bytes of a worker's standard error that one log entry contains. A longer line is
/// split into several log entries.
const LOG_LINE_MAX_BYTES: u64 = 1_024;
/// The largest number of log entries for the standard error of one worker. Further output is discarded, so
/// that a worker cannot fill the log.
const LOG_LINES_MAX: usize = 100;

/// A worker process and the pipes to it.
pub(super) struct Child {
    process: tokio::process::Child,
    requests: ChildStdin,
    replies: ChildStdout,
    is_used: bool,
}

/// The reason why a worker returned no result for an image.
pub(super) enum ExchangeError {
    /// The worker replied that it cannot process the image. The worker process can process further images.
    Image(ImageError),
    /// The worker exceeded a limit. The caller must kill the worker.
    LimitExceeded(LimitExceeded),
    /// The worker exceeded its memory limit, but a part of its memory may still hold data of earlier images.
    /// The caller must kill the worker.
    OutOfMemoryAfterUse(LimitExceeded),
    /// The worker process ended by itself, or sent bytes that are not a valid reply.
    Crashed(String),
}

impl Child {
    /// Starts a worker. The environment of the worker holds only three variables, which make glibc keep freed
    /// memory in the process: returning the memory to the system between images would cost up to 20 ms per
    /// image.
    pub(super) fn spawn(program: &Path, cpu: Duration, tasks: &Tasks) -> io::Result<Self> {
        let mut process = Command::new(program)
            .arg("image-worker")
            .arg(cpu.as_secs().max(1).to_string())
            .env_clear()
            .env("MALLOC_ARENA_MAX", "1")
            .env("MALLOC_MMAP_THRESHOLD_", "1073741824")
            .env("MALLOC_TRIM_THRESHOLD_", "134217728")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // The worker gets its own process group, so that Ctrl-C on a terminal reaches only the server.
            // The stopping server lets its workers finish their images.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let requests = process.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let replies = process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let stderr = process.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let (pid, stop) = (process.id(), tasks.stop_token().clone());
        tasks.spawn("worker log", async move {
            tokio::select! {
                () = log_lines(stderr, pid) => {}
                () = stop.cancelled() => {}
            }
        });
        Ok(Self { process, requests, replies, is_used: false })
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Returns whether the worker has processed an image before.
    pub(super) fn is_used(&self) -> bool {
        self.is_used
    }

    /// Kills the worker process without waiting until it has ended. `tokio` collects the exit status of the
    /// process later.
    pub(super) fn kill(&mut self) {
        if let Err(error) = self.process.start_kill() {
            tracing::debug!(%error, "an image worker had ended already");
        }
    }

    /// Sends one image to the worker and waits for the reply, within the limits of `settings`. The limit on
    /// elapsed time is for interactive callers, who wait for the answer. The image of a job fails only if the
    /// worker computes for too long or does not compute at all, because a job must not fail for time that
    /// other processes of the machine used.
    pub(super) async fn process(
        &mut self,
        input: &WorkerInput,
        plan: &Plan,
        settings: &SandboxSettings,
        caller: Caller,
    ) -> Result<Processed, ExchangeError> {
        let pid = self.pid().ok_or_else(|| ExchangeError::Crashed("it had ended before".into()))?;
        let was_used = std::mem::replace(&mut self.is_used, true);
        let watermark_bytes = input.watermark.as_ref().map(|watermark| watermark.len() as u64);
        let task = wire::Task { plan: plan.clone(), limits: settings.limits, watermark_bytes };
        let is_wall_limited = caller == Caller::Interactive || !usage::IS_MEASURED;
        let exchange = self.exchange(&task, input, settings.memory_bytes);
        let reply = tokio::select! {
            reply = exchange => reply,
            exceeded = watch(pid, settings) => return Err(match exceeded {
                LimitExceeded::Memory { .. } if was_used => ExchangeError::OutOfMemoryAfterUse(exceeded),
                _ => ExchangeError::LimitExceeded(exceeded),
            }),
            () = tokio::time::sleep(settings.wall), if is_wall_limited => {
                return Err(ExchangeError::LimitExceeded(LimitExceeded::WallTime { max: settings.wall }));
            }
        };
        match reply {
            Ok((wire::Reply::Done { input, output, faces, warnings }, bytes)) => {
                Ok(Processed { input, output, bytes, faces, warnings })
            }
            Ok((wire::Reply::Failed(error), _)) => Err(ExchangeError::Image(error)),
            Err(error) => Err(ExchangeError::Crashed(format!("{error}, {:?}", self.process.try_wait()))),
        }
    }

    async fn exchange(
        &mut self,
        task: &wire::Task,
        input: &WorkerInput,
        max_bytes: u64,
    ) -> io::Result<(wire::Reply, Vec<u8>)> {
        let watermark = input.watermark.as_deref().unwrap_or_default();
        let n_bytes = input.image.len() + watermark.len();
        self.requests.write_all(&wire::head(task, n_bytes)?).await?;
        self.requests.write_all(&input.image).await?;
        self.requests.write_all(watermark).await?;
        let mut raw = [0; wire::LENGTHS_BYTES];
        self.replies.read_exact(&mut raw).await?;
        let (head_bytes, body_bytes) = wire::lengths(raw)?;
        if body_bytes as u64 > max_bytes {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a result larger than the worker's memory",
            ));
        }
        let mut head = vec![0; head_bytes];
        self.replies.read_exact(&mut head).await?;
        let mut body = Vec::new();
        let n_read = (&mut self.replies).take(body_bytes as u64).read_to_end(&mut body).await?;
        if n_read < body_bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok((serde_json::from_slice(&head)?, body))
    }
}

/// Completes when the worker has exceeded its limit on memory or on CPU time, or has stopped computing for the
/// time that one image may take.
///
/// The first measurement takes place 20 ms after the server began to send the image to the worker. Most
/// images are finished earlier. CPU time that the worker used before the first measurement does not count.
async fn watch(pid: u32, settings: &SandboxSettings) -> LimitExceeded {
    let mut first_cpu = None;
    let (mut last_cpu, mut idle) = (Duration::ZERO, Duration::ZERO);
    loop {
        tokio::time::sleep(WATCH_INTERVAL).await;
        let Some(usage) = usage::of(pid) else { return std::future::pending().await };
        let first_cpu = *first_cpu.get_or_insert(usage.cpu);
        if usage.resident_bytes > settings.memory_bytes {
            return LimitExceeded::Memory { max_bytes: settings.memory_bytes };
        }
        if usage.cpu.saturating_sub(first_cpu) > settings.cpu {
            return LimitExceeded::CpuTime { max: settings.cpu };
        }
        let is_computing = usage.is_runnable || usage.cpu > last_cpu;
        idle = if is_computing { Duration::ZERO } else { idle + WATCH_INTERVAL };
        last_cpu = usage.cpu;
        if idle >= settings.wall {
            return LimitExceeded::WallTime { max: settings.wall };
        }
    }
}

/// Writes the lines of a worker's standard error to the log, until the worker ends. Control characters are
/// escaped, because a worker that a hostile image has taken over must not forge log lines.
async fn log_lines(stderr: ChildStderr, pid: Option<u32>) {
    let mut lines = BufReader::new(stderr);
    let mut n_lines = 0;
    loop {
        let mut line = Vec::new();
        match (&mut lines).take(LOG_LINE_MAX_BYTES).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => n_lines += 1,
        }
        if n_lines <= LOG_LINES_MAX {
            let text = String::from_utf8_lossy(&line);
            tracing::warn!(pid, line = ?text.trim_end(), "an image worker wrote to its standard error");
        }
    }
}
