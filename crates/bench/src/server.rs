//! Starts and stops the server under test: the real binary, with a data directory of its own.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use pixaven_testkit::process::{Signal, listening_address, send_signal};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::report::progress;
use crate::strace::Tracer;

/// The time limit within which a started server must listen on its port.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// The time limit within which a server must exit after SIGINT.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// Command-line arguments that select the server under test and its settings.
#[derive(clap::Args)]
pub(crate) struct ServerArgs {
    /// The server to test, instead of the program `pixaven` in the directory of this program.
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Keep the server's directory and its log after the run.
    #[arg(long)]
    pub(crate) keep: bool,
    /// A setting of the server in the form `section.key=value`.
    #[arg(long = "set", value_name = "SETTING")]
    pub(crate) settings: Vec<String>,
}

/// The files of a server: the binary, a data directory and settings. Several servers can be started from one
/// installation, one after the other.
pub(crate) struct Installation {
    binary: PathBuf,
    dir: PathBuf,
    settings: Vec<String>,
    variables: Vec<(&'static str, OsString)>,
    /// An API key, which was created before the first start of a server.
    pub(crate) key: String,
}

/// A running server process. The process is killed when this value is dropped.
pub(crate) struct Server {
    child: Child,
    pid: u32,
    /// The time at which the process was started.
    pub(crate) started_at: Instant,
}

impl Installation {
    /// Creates an installation and its API key in `dir`, which must be empty or not exist. Each of `settings`
    /// becomes a `--set` option of the server.
    pub(crate) async fn new(binary: &Path, dir: PathBuf, settings: &[String]) -> anyhow::Result<Self> {
        let key = create_key(Command::new(binary), &dir, settings).await?;
        Ok(Self::existing(binary, dir, settings, key))
    }

    /// Like [`Installation::new`], but creates the directory and the key under `strace`.
    pub(crate) async fn new_traced(
        binary: &Path,
        dir: PathBuf,
        settings: &[String],
        tracer: &Tracer,
    ) -> anyhow::Result<Self> {
        let key = create_key(tracer.command(binary), &dir, settings).await?;
        Ok(Self::existing(binary, dir, settings, key))
    }

    /// Creates an installation for an existing data directory with an API key.
    pub(crate) fn existing(binary: &Path, dir: PathBuf, settings: &[String], key: String) -> Self {
        let (binary, settings) = (binary.to_owned(), settings.to_vec());
        Self { binary, dir, settings, variables: Vec::new(), key }
    }

    /// Sets environment variables for all servers of this installation, and returns the installation.
    pub(crate) fn with_variables(self, variables: &[(&'static str, OsString)]) -> Self {
        Self { variables: variables.to_vec(), ..self }
    }

    /// Starts a server on `port`, or on a free port if `port` is 0, and does not wait until it listens. The
    /// server's log is appended to a file next to the data directory.
    pub(crate) fn spawn(&self, port: u16) -> anyhow::Result<Server> {
        self.launch(Command::new(&self.binary), port)
    }

    /// Starts a server on a free port under `strace`, without waiting until it listens.
    pub(crate) fn spawn_traced(&self, tracer: &Tracer) -> anyhow::Result<Server> {
        self.launch(tracer.command(&self.binary), 0)
    }

    fn launch(&self, mut command: Command, port: u16) -> anyhow::Result<Server> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log())?;
        command.args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data-dir"]).arg(&self.dir);
        command.args(["--allow-network", "127.0.0.0/8"]);
        command.args(self.settings.iter().flat_map(|setting| ["--set", setting]));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        let child = command.spawn().with_context(|| format!("cannot run {}", self.binary.display()))?;
        let pid = child.id().context("the server ended at once")?;
        Ok(Server { child, pid, started_at: Instant::now() })
    }

    /// Returns the path of the data directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the last 20 lines of the server's log. They are part of the error message if a server fails.
    pub(crate) fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Starts a server on `port`, or on a free port if `port` is 0, and waits until the server listens.
    /// Returns the server and its address.
    pub(crate) async fn start(&self, port: u16) -> anyhow::Result<(Server, SocketAddr)> {
        let mut server = self.spawn(port)?;
        let address = server.wait_until_listening().await;
        let address = address.with_context(|| format!("the server's log ends:\n{}", self.log_tail()))?;
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

    /// Waits until the server prints its address on standard output, and returns the address. Must be called
    /// at most once per server.
    pub(crate) async fn wait_until_listening(&mut self) -> anyhow::Result<SocketAddr> {
        let stdout = self.child.stdout.take().context("wait_until_listening was called twice")?;
        let mut lines = BufReader::new(stdout).lines();
        let address = tokio::time::timeout(START_TIMEOUT, async {
            while let Some(line) = lines.next_line().await? {
                if let Some(address) = listening_address(&line) {
                    return Ok(address);
                }
            }
            bail!("the server ended without listening")
        });
        let address = address.await.context("the server does not come to listen")??;
        // The pipe of the server's standard output stays open, because otherwise SIGPIPE would kill a server
        // that prints another line.
        self.child.stdout = Some(lines.into_inner().into_inner());
        Ok(address)
    }

    /// Sends SIGKILL to the server process, but not to its image workers. The image workers must notice that
    /// the server has died, and exit.
    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("cannot kill the server")
    }

    /// Waits until the server process has exited. Sends no signal to the process.
    pub(crate) async fn wait_for_exit(&mut self) -> anyhow::Result<ExitStatus> {
        self.child.wait().await.context("cannot wait for the server")
    }

    /// Returns whether the server process has exited.
    pub(crate) fn has_exited(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends SIGINT and waits until the server process has exited. Fails if the exit status does not mean
    /// success.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let status = self.terminate().await?;
        ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }

    /// Sends SIGINT, waits until the server process has exited, and returns the exit status. Must not be
    /// called if another method has reported that the process has exited.
    pub(crate) async fn terminate(mut self) -> anyhow::Result<ExitStatus> {
        send_signal(self.pid, Signal::INT).context("cannot stop the server")?;
        let ended = tokio::time::timeout(STOP_TIMEOUT, self.child.wait()).await;
        Ok(ended.context("the server does not stop")??)
    }
}

/// Creates an API key in the data directory `dir`, which is created if it does not exist. `command` runs the
/// server's binary, and gets the arguments here.
async fn create_key(mut command: Command, dir: &Path, settings: &[String]) -> anyhow::Result<String> {
    command.args(["keys", "create", "--label", "bench", "--data-dir"]).arg(dir);
    command.args(settings.iter().flat_map(|setting| ["--set", setting]));
    let output = command.stderr(Stdio::inherit()).output().await.context("cannot run the server")?;
    ensure!(output.status.success(), "`keys create` ended with {}", output.status);
    let printed =
        String::from_utf8(output.stdout).context("`keys create` printed something else than text")?;
    Ok(printed.split_whitespace().last().context("`keys create` printed no key")?.to_owned())
}

/// Creates the directory of an installation. The directory is deleted on drop, unless `keep` is set.
pub(crate) fn temporary_directory(keep: bool) -> anyhow::Result<TempDir> {
    let mut dir = tempfile::Builder::new().prefix("pixaven-bench-").tempdir()?;
    if keep {
        dir.disable_cleanup(true);
        progress(format_args!("the server's directory is kept: {}", dir.path().display()));
    }
    Ok(dir)
}

/// The build profile of the server that a tool needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// An optimised build, because the tool measures the speed of the server.
    Optimised,
    /// The same profile as this load tool has, because the tool checks only the behaviour of the server.
    SameProfile,
}

impl ServerArgs {
    /// Returns the path of the server's binary: the value of `--server`, or the program `pixaven` in the
    /// directory of this load tool. If cargo runs this tool, `pixaven` is built first.
    pub(crate) async fn binary(&self, build: Build) -> anyhow::Result<PathBuf> {
        match &self.server {
            Some(given) => Ok(given.clone()),
            None => beside_this_program(build).await,
        }
    }
}

async fn beside_this_program(build: Build) -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe()?;
    let binary = this.with_file_name(format!("pixaven{}", std::env::consts::EXE_SUFFIX));
    #[expect(
        clippy::disallowed_methods,
        reason = "cargo sets this variable for the programs that it runs; it is no setting of the server"
    )]
    let cargo = std::env::var("CARGO");
    if let Ok(cargo) = cargo {
        ensure!(
            build == Build::SameProfile || !cfg!(debug_assertions),
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
