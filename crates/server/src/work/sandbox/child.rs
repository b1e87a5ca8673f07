//! Controls one worker process from the server: starts the process, sends images to it, measures its memory
//! and CPU time, and kills it if it exceeds a limit.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pixaven_imaging::fonts::{FontQuery, MAX_QUERIES};
use pixaven_imaging::{Plan, Processed};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout, Command};

use super::estimate::Spent;
use super::schedule::{AfterOverrun, OVERRUN};
use super::{SandboxSettings, WorkerInput, usage, wire};
use crate::runtime::lifecycle::Tasks;
use crate::work::Caller;
use crate::work::error::{ImageError, LimitExceeded, WorkError};

/// The time between two measurements of a busy worker's memory and CPU time.
const WATCH_INTERVAL: Duration = Duration::from_millis(20);

/// The largest number of bytes of a worker's standard error that one log entry contains. A longer line is
/// split into several log entries.
const LOG_LINE_MAX_BYTES: u64 = 1_024;
/// The largest number of log entries for the standard error of one worker. Further output is discarded, so
/// that a worker cannot fill the log.
const LOG_LINES_MAX: usize = 100;

/// The largest number of messages and queries that a worker may send for one image.
const MAX_REPLIES: usize = wire::MAX_MESSAGES + MAX_QUERIES as usize;

/// The nice value of workers with heavy images. If a process with nice value 0 competes with such a worker
/// for a processor, the process gets nine tenths of the processor time.
const HEAVY_NICE: i32 = 10;

/// A worker process and the pipes to it.
pub(super) struct Child {
    process: tokio::process::Child,
    requests: ChildStdin,
    replies: ChildStdout,
    is_used: bool,
    has_low_priority: bool,
}

/// One image for a worker.
#[derive(Clone, Copy)]
pub(super) struct Exchange<'a> {
    pub(super) input: &'a WorkerInput,
    pub(super) plan: &'a Plan,
    pub(super) settings: &'a SandboxSettings,
    pub(super) caller: Caller,
    /// See [`wire::Task::is_large`].
    pub(super) is_large: bool,
    /// A callback for a light image. The callback is called when the image has used the CPU time [`OVERRUN`].
    /// `None` means that the image is heavy, and the worker runs with low priority from the start.
    pub(super) on_overrun: Option<&'a (dyn Fn() -> AfterOverrun + Sync)>,
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
    /// The image took too long for an express worker. The caller must kill the worker and process the image
    /// again later.
    Overrun,
    /// The worker process ended by itself, or sent bytes that are not a valid reply.
    Crashed(String),
}

impl From<ExchangeError> for WorkError {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Image(error) => error.into(),
            ExchangeError::LimitExceeded(exceeded) | ExchangeError::OutOfMemoryAfterUse(exceeded) => {
                exceeded.into()
            }
            ExchangeError::Overrun => Self::internal("an image overran twice"),
            ExchangeError::Crashed(detail) => Self::WorkerCrashed(detail),
        }
    }
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
        Ok(Self { process, requests, replies, is_used: false, has_low_priority: false })
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

    /// Returns whether the worker runs with low priority.
    pub(super) fn has_low_priority(&self) -> bool {
        self.has_low_priority
    }

    /// Kills the worker process without waiting until it has ended. `tokio` collects the exit status of the
    /// process later.
    pub(super) fn kill(&mut self) {
        if let Err(error) = self.process.start_kill() {
            tracing::debug!(%error, "an image worker had ended already");
        }
    }

    /// Sends one image to the worker and waits for the reply, within the limits of the settings. The limit on
    /// elapsed time is for interactive callers, who wait for the answer. The image of a job fails only if the
    /// worker computes for too long or does not compute at all, because a job must not fail for time that
    /// other processes of the machine used.
    pub(super) async fn process(
        &mut self,
        exchange: &Exchange<'_>,
    ) -> Result<(Processed, Spent), ExchangeError> {
        let &Exchange { input, plan, settings, caller, on_overrun, is_large } = exchange;
        let pid = self.pid().ok_or_else(|| ExchangeError::Crashed("it had ended before".into()))?;
        let was_used = std::mem::replace(&mut self.is_used, true);
        if on_overrun.is_none() && !self.has_low_priority {
            self.has_low_priority = lower_priority(pid);
        }
        let watermark_bytes = input.watermark.as_ref().map(|watermark| watermark.len() as u64);
        let limits = settings.limits;
        let task = wire::Task { plan: plan.clone(), limits, watermark_bytes, is_large };
        let is_wall_limited = caller == Caller::Interactive || !usage::IS_MEASURED;
        let (started, cpu_before, is_lowered) =
            (Instant::now(), usage::cpu_of(pid), AtomicBool::new(self.has_low_priority));
        let exchange = self.exchange(&task, input, settings);
        let reply = tokio::select! {
            reply = exchange => reply,
            end = watch(pid, settings, on_overrun, &is_lowered) => return Err(match end {
                ExchangeError::LimitExceeded(exceeded @ LimitExceeded::Memory { .. }) if was_used => {
                    ExchangeError::OutOfMemoryAfterUse(exceeded)
                }
                other => other,
            }),
            () = tokio::time::sleep(settings.wall), if is_wall_limited => {
                return Err(ExchangeError::LimitExceeded(LimitExceeded::WallTime { max: settings.wall }));
            }
        };
        self.has_low_priority = is_lowered.into_inner();
        match reply {
            Ok((wire::Reply::Done { input, output, faces, warnings }, bytes)) => {
                let wall = started.elapsed();
                let cpu =
                    usage::cpu_of(pid).zip(cpu_before).map(|(after, before)| after.saturating_sub(before));
                let spent = Spent { cpu: cpu.unwrap_or(wall), wall };
                Ok((Processed { input, output, bytes, faces, warnings }, spent))
            }
            Ok((wire::Reply::Failed(error), _)) => Err(ExchangeError::Image(error)),
            Ok((wire::Reply::Message(_) | wire::Reply::Font(_), _)) => {
                Err(ExchangeError::Crashed("it sent too many messages".to_owned()))
            }
            Err(error) => Err(ExchangeError::Crashed(format!("{error}, {:?}", self.process.try_wait()))),
        }
    }

    /// Sends one image to the worker, and answers the worker's queries until its last reply.
    async fn exchange(
        &mut self,
        task: &wire::Task,
        input: &WorkerInput,
        settings: &SandboxSettings,
    ) -> io::Result<(wire::Reply, Vec<u8>)> {
        let watermark = input.watermark.as_deref().unwrap_or_default();
        let n_bytes = input.image.len() + watermark.len();
        self.requests.write_all(&wire::head(task, n_bytes)?).await?;
        self.requests.write_all(&input.image).await?;
        self.requests.write_all(watermark).await?;
        for _ in 0..MAX_REPLIES {
            match self.read_reply(settings.memory_bytes).await? {
                (wire::Reply::Message(text), _) => {
                    tracing::warn!(pid = self.pid(), ?text, "a decoder of an image worker panicked");
                }
                (wire::Reply::Font(query), _) => self.send_font(settings, query).await?,
                last => return Ok(last),
            }
        }
        self.read_reply(settings.memory_bytes).await
    }

    /// Sends a font to the worker, or the answer that there is no such font.
    async fn send_font(&mut self, settings: &SandboxSettings, query: FontQuery) -> io::Result<()> {
        let font = settings.fonts.find(query).await.map_err(io::Error::other)?;
        let head = wire::FontReply { index: font.as_ref().map(|font| font.index) };
        let bytes = font.map_or_else(Vec::new, |font| font.bytes);
        self.requests.write_all(&wire::head(&head, bytes.len())?).await?;
        self.requests.write_all(&bytes).await
    }

    async fn read_reply(&mut self, max_bytes: u64) -> io::Result<(wire::Reply, Vec<u8>)> {
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
        // The buffer has the exact size of the body, so that the buffer never grows by copying. The
        // operating system provides the memory of the buffer only when bytes arrive.
        let mut body = Vec::new();
        body.try_reserve_exact(body_bytes).map_err(io::Error::other)?;
        let n_read = (&mut self.replies).take(body_bytes as u64).read_to_end(&mut body).await?;
        if n_read < body_bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok((serde_json::from_slice(&head)?, body))
    }
}

/// Completes when the worker has exceeded its limit on memory or on CPU time, has stopped computing for the
/// time that one image may take, or must stop a light image that has overrun.
///
/// The first measurement takes place 20 ms after the server began to send the image to the worker. Most
/// images are finished earlier. CPU time that the worker used before the first measurement does not count.
async fn watch(
    pid: u32,
    settings: &SandboxSettings,
    mut on_overrun: Option<&(dyn Fn() -> AfterOverrun + Sync)>,
    is_lowered: &AtomicBool,
) -> ExchangeError {
    let mut first_cpu = None;
    let (mut last_cpu, mut idle) = (Duration::ZERO, Duration::ZERO);
    loop {
        tokio::time::sleep(WATCH_INTERVAL).await;
        let Some(usage) = usage::of(pid) else { return std::future::pending().await };
        let used = usage.cpu.saturating_sub(*first_cpu.get_or_insert(usage.cpu));
        if usage.resident_bytes > settings.memory_bytes {
            return ExchangeError::LimitExceeded(LimitExceeded::Memory { max_bytes: settings.memory_bytes });
        }
        if used > settings.cpu {
            return ExchangeError::LimitExceeded(LimitExceeded::CpuTime { max: settings.cpu });
        }
        if used > OVERRUN
            && let Some(on_overrun) = on_overrun.take()
        {
            match on_overrun() {
                AfterOverrun::Continues => is_lowered.store(lower_priority(pid), Ordering::Relaxed),
                AfterOverrun::WaitsAgain => return ExchangeError::Overrun,
            }
        }
        let is_computing = usage.is_runnable || usage.cpu > last_cpu;
        idle = if is_computing { Duration::ZERO } else { idle + WATCH_INTERVAL };
        last_cpu = usage.cpu;
        if idle >= settings.wall {
            return ExchangeError::LimitExceeded(LimitExceeded::WallTime { max: settings.wall });
        }
    }
}

/// Lowers the priority of a worker, so that light images and the server itself get a processor first. Returns
/// whether the operating system permitted the change.
fn lower_priority(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    let lowered = rustix::process::setpriority_process(pid, HEAVY_NICE);
    if let Err(error) = lowered {
        tracing::debug!(%error, "the priority of an image worker could not be lowered");
    }
    pid.is_some() && lowered.is_ok()
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
