//! The server under test: the real binary, in a directory of its own.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::report::progress;
use crate::strace::Tracer;

/// How long a server may take to say that it listens.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// How long a server may take to stop after SIGTERM.
const STOP_PATIENCE: Duration = Duration::from_secs(60);

/// Which server is tested, and how it is started.
#[derive(clap::Args)]
pub(crate) struct Subject {
    /// The server to test instead of the `pixaven` beside this program.
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Leave the server's directory, with its log, to be looked at.
    #[arg(long)]
    pub(crate) keep: bool,
    /// A setting of the server, as `section.key=value`.
    #[arg(long = "set", value_name = "SETTING")]
    pub(crate) settings: Vec<String>,
}

/// What can be started, killed and started again on the same directory.
pub(crate) struct Installation {
    binary: PathBuf,
    dir: PathBuf,
    settings: Vec<String>,
    environment: Vec<(&'static str, OsString)>,
    /// Made before the first start.
    pub(crate) key: String,
}

/// A server process.
pub(crate) struct Server {
    child: Child,
    pid: u32,
    /// When it was started.
    pub(crate) since: Instant,
}

impl Installation {
    /// Prepares a directory that does not exist yet or is empty, with a key. `settings` are passed on as `--set`.
    pub(crate) async fn new(binary: &Path, dir: PathBuf, settings: &[String]) -> anyhow::Result<Self> {
        let mut command = Command::new(binary);
        command.args(["keys", "create", "--label", "bench", "--data-dir"]).arg(&dir);
        let output = command.stderr(Stdio::inherit()).output().await;
        let output = output.with_context(|| format!("cannot run {}", binary.display()))?;
        ensure!(output.status.success(), "`keys create` ended with {}", output.status);
        let printed =
            String::from_utf8(output.stdout).context("`keys create` printed something else than text")?;
        let key = printed.split_whitespace().last().context("`keys create` printed no key")?.to_owned();
        let (binary, settings) = (binary.to_owned(), settings.to_vec());
        Ok(Self { binary, dir, settings, environment: Vec::new(), key })
    }

    /// The same, with this added to the environment of its servers.
    pub(crate) fn with_environment(self, environment: &[(&'static str, OsString)]) -> Self {
        Self { environment: environment.to_vec(), ..self }
    }

    /// Starts the process at `port` (0: a free one) without waiting for it. The log goes to a file beside the directory.
    pub(crate) fn spawn(&self, port: u16) -> anyhow::Result<Server> {
        self.launch(Command::new(&self.binary), port)
    }

    /// The same with a fault in its system calls.
    pub(crate) fn spawn_traced(&self, tracer: &Tracer) -> anyhow::Result<Server> {
        self.launch(tracer.command(&self.binary), 0)
    }

    fn launch(&self, mut command: Command, port: u16) -> anyhow::Result<Server> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log())?;
        command.args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data-dir"]).arg(&self.dir);
        command.args(["--allow-network", "127.0.0.0/8"]);
        command.args(self.settings.iter().flat_map(|setting| ["--set", setting]));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        let child = command.spawn().with_context(|| format!("cannot run {}", self.binary.display()))?;
        let pid = child.id().context("the server ended before it was looked at")?;
        Ok(Server { child, pid, since: Instant::now() })
    }

    /// The server's directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The end of the log, for a message about a server that failed.
    pub(crate) fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Starts the process and waits until it listens. Returns where.
    pub(crate) async fn start(&self, port: u16) -> anyhow::Result<(Server, SocketAddr)> {
        let mut server = self.spawn(port)?;
        let address = server
            .listening()
            .await
            .with_context(|| format!("the server's log ends:\n{}", self.log_tail()))?;
        Ok((server, address))
    }

    fn log(&self) -> PathBuf {
        self.dir.with_extension("log")
    }
}

impl Server {
    /// Process id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until the server says on its standard output where it listens. To be called once.
    pub(crate) async fn listening(&mut self) -> anyhow::Result<SocketAddr> {
        let stdout = self.child.stdout.take().context("already waited for")?;
        let mut lines = BufReader::new(stdout).lines();
        let address = tokio::time::timeout(START_PATIENCE, async {
            while let Some(line) = lines.next_line().await? {
                if let Some(address) = line.trim().strip_prefix("listening on http://") {
                    return address.parse().with_context(|| format!("no address: {line:?}"));
                }
            }
            bail!("the server ended without listening")
        });
        let address = address.await.context("the server does not come to listen")??;
        // Keep the pipe: a server that writes another line must not be killed by a closed one.
        self.child.stdout = Some(lines.into_inner().into_inner());
        Ok(address)
    }

    /// SIGKILL to the server process alone: its workers must notice by themselves.
    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("cannot kill the server")
    }

    /// Waits until it is gone; by itself it goes only when something kills it.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        self.child.wait().await.context("cannot wait for the server")
    }

    /// Whether it is gone.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGTERM, and the good end that follows.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let status = self.terminate().await?;
        ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }

    /// SIGTERM, and the end that follows. To be called of a server whose end was not seen yet.
    pub(crate) async fn terminate(mut self) -> anyhow::Result<ExitStatus> {
        let pid = i32::try_from(self.pid)
            .ok()
            .and_then(rustix::process::Pid::from_raw)
            .context("an odd process id")?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)
            .context("cannot stop the server")?;
        let ended = tokio::time::timeout(STOP_PATIENCE, self.child.wait()).await;
        Ok(ended.context("the server does not stop")??)
    }
}

/// A directory for an installation; it goes with the value unless it is to be kept.
pub(crate) fn directory(keep: bool) -> anyhow::Result<TempDir> {
    let mut dir = tempfile::Builder::new().prefix("pixaven-bench-").tempdir()?;
    if keep {
        dir.disable_cleanup(true);
        progress(format_args!("the server's directory stays: {}", dir.path().display()));
    }
    Ok(dir)
}

/// What a server must be for a tool to say something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// As fast as it gets: its speed is measured.
    Optimised,
    /// Built like this program: what it does is looked at, not how fast.
    LikeThis,
}

impl Subject {
    /// The binary: the one that was named, or the `pixaven` beside this program, built first when this program is run by
    /// cargo.
    pub(crate) async fn binary(&self, build: Build) -> anyhow::Result<PathBuf> {
        match &self.server {
            Some(given) => Ok(given.clone()),
            None => beside_this(build).await,
        }
    }
}

async fn beside_this(build: Build) -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe()?;
    let binary = this.with_file_name(format!("pixaven{}", std::env::consts::EXE_SUFFIX));
    #[expect(
        clippy::disallowed_methods,
        reason = "cargo tells the programs it runs where it is; no setting of the server"
    )]
    let cargo = std::env::var("CARGO");
    if let Ok(cargo) = cargo {
        ensure!(
            build == Build::LikeThis || !cfg!(debug_assertions),
            "an unoptimised server says nothing: cargo run --release -p pixaven-bench"
        );
        let target_dir = this.ancestors().nth(2).context("this program lies outside a target directory")?;
        let mut command = Command::new(cargo);
        command.args(["build", "-p", "pixaven", "--target-dir"]).arg(target_dir);
        command.args((!cfg!(debug_assertions)).then_some("--release"));
        let status = command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).status().await?;
        ensure!(status.success(), "the server cannot be built");
    }
    ensure!(
        binary.exists(),
        "{} is missing: build the package `pixaven` with the same profile",
        binary.display()
    );
    Ok(binary)
}
