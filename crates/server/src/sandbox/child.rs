//! One worker process seen from the server: start it, give it an image, watch it, kill it.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use pixaven_imaging::{Plan, Processed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{ChildStdin, ChildStdout, Command};

use super::{Files, Settings, usage, wire};
use crate::error::{ApiError, Kind};

/// How often a busy worker's memory and CPU are looked at.
const WATCH_INTERVAL: Duration = Duration::from_millis(20);

/// A worker process and its two pipes.
pub(super) struct Child {
    process: tokio::process::Child,
    requests: ChildStdin,
    replies: ChildStdout,
    is_used: bool,
}

/// Why there is no result.
pub(super) enum Broken {
    /// The worker answered that it cannot; it is fine.
    Refused(ApiError),
    /// It exceeded a limit and has to be killed.
    Killed(ApiError),
    /// It exceeded its memory, but has had other images before, whose memory it may still hold.
    Outgrown(ApiError),
    /// It ended, or spoke nonsense, by itself.
    Ended(String),
}

impl Child {
    /// Starts a worker with an empty environment, but for what keeps freed memory in the process: giving it back
    /// between images costs up to 20 ms an image.
    pub(super) fn spawn(program: &Path, cpu: Duration) -> io::Result<Self> {
        let mut process = Command::new(program)
            .arg("image-worker")
            .arg(cpu.as_secs().max(1).to_string())
            .env_clear()
            .env("MALLOC_ARENA_MAX", "1")
            .env("MALLOC_MMAP_THRESHOLD_", "1073741824")
            .env("MALLOC_TRIM_THRESHOLD_", "134217728")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C on a terminal is for the server, which lets its workers finish.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let requests = process.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let replies = process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self { process, requests, replies, is_used: false })
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Whether it has had an image.
    pub(super) fn is_used(&self) -> bool {
        self.is_used
    }

    /// Kills without waiting; the runtime reaps.
    pub(super) fn kill(&mut self) {
        if let Err(error) = self.process.start_kill() {
            tracing::debug!(%error, "an image worker had ended already");
        }
    }

    /// Hands over one image and waits for the answer, within the limits.
    pub(super) async fn process(
        &mut self,
        files: &Files,
        plan: &Plan,
        settings: &Settings,
    ) -> Result<Processed, Broken> {
        let pid = self.pid().ok_or_else(|| Broken::Ended("it had ended before".into()))?;
        let was_used = std::mem::replace(&mut self.is_used, true);
        let watermark_bytes = files.watermark.as_ref().map(|watermark| watermark.len() as u64);
        let task = wire::Task { plan: plan.clone(), limits: settings.limits, watermark_bytes };
        let exchange = self.exchange(&task, files, settings.memory_bytes);
        let watch = watch(pid, settings);
        let answer = tokio::select! {
            answer = exchange => answer,
            exceeded = watch => {
                let outgrown = was_used && exceeded.kind() == Kind::ProcessingFailed;
                return Err(if outgrown { Broken::Outgrown(exceeded) } else { Broken::Killed(exceeded) });
            }
            () = tokio::time::sleep(settings.wall) => return Err(Broken::Killed(too_slow(settings.wall))),
        };
        match answer {
            Ok((wire::Reply::Done { input, output, faces, warnings }, bytes)) => {
                Ok(Processed { input, output, bytes, faces, warnings })
            }
            Ok((wire::Reply::Failed { kind, message, detail }, _)) => {
                let error = ApiError::new(kind, message);
                Err(Broken::Refused(match detail {
                    Some(detail) => error.with_source(detail),
                    None => error,
                }))
            }
            Err(error) => Err(Broken::Ended(format!("{error}, {:?}", self.process.try_wait()))),
        }
    }

    async fn exchange(
        &mut self,
        task: &wire::Task,
        files: &Files,
        max_bytes: u64,
    ) -> io::Result<(wire::Reply, Vec<u8>)> {
        let watermark = files.watermark.as_deref().unwrap_or_default();
        let n_bytes = files.image.len() + watermark.len();
        self.requests.write_all(&wire::head(task, n_bytes)?).await?;
        self.requests.write_all(&files.image).await?;
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

/// Completes when the worker has used more than it may. Looks for the first time when the image has taken a while, so
/// that most are not looked at; what it has used until then is not counted.
async fn watch(pid: u32, settings: &Settings) -> ApiError {
    let mut cpu_before = None;
    loop {
        tokio::time::sleep(WATCH_INTERVAL).await;
        let Some(usage) = usage::of(pid) else { return std::future::pending().await };
        let cpu_before = *cpu_before.get_or_insert(usage.cpu);
        if usage.resident_bytes > settings.memory_bytes {
            let max_mib = settings.memory_bytes >> 20;
            let message = format!(
                "processing this image takes more than the {max_mib} MiB of memory one image may use"
            );
            return ApiError::new(Kind::ProcessingFailed, message);
        }
        if usage.cpu.saturating_sub(cpu_before) > settings.cpu {
            let max_s = settings.cpu.as_secs_f32();
            let message =
                format!("processing this image takes more than the {max_s} s of CPU time one image may use");
            return ApiError::new(Kind::ProcessingTimeout, message);
        }
    }
}

fn too_slow(wall: Duration) -> ApiError {
    let max_s = wall.as_secs_f32();
    ApiError::new(
        Kind::ProcessingTimeout,
        format!("processing this image takes more than the {max_s} s one image may take"),
    )
}
