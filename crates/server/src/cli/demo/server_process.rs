//! The server of the demo: a child process that runs this binary as `pixaven serve`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{ChildStdout, Command};

/// The longest time that the server may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// The longest time that the server may take to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(40);

/// A running server process. Dropping this value kills the process.
pub(super) struct ServerProcess {
    process: tokio::process::Child,
    /// The pipe from the server's standard output. The demo keeps the pipe open, because the server fails to
    /// print to a closed pipe.
    _stdout: Lines<BufReader<ChildStdout>>,
    log: PathBuf,
    pub(super) pid: u32,
    pub(super) address: SocketAddr,
}

impl ServerProcess {
    /// Starts the server on a free loopback port and waits until it listens.
    pub(super) async fn start(data_dir: &Path) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("the path of this program is unknown")?;
        let log = data_dir.join("demo-server.log");
        let mut command = Command::new(program);
        // The server gets its own process group, so that Ctrl-C in the terminal does not reach it. Ctrl-C
        // reaches only the demo, which then stops the server.
        command.process_group(0);
        let mut process = command
            .args(["serve", "--listen", "127.0.0.1:0", "--allow-network", "127.0.0.0/8", "--data-dir"])
            .arg(data_dir)
            // The demo sets short pauses between the attempts of a webhook, because the default pauses of
            // five seconds and more would make the demo too long.
            .args(["--set", "webhooks.schedule_s=1,1"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log).context("the server's log cannot be written")?)
            .kill_on_drop(true)
            .spawn()
            .context("the server cannot be started")?;
        let pid = process.id().context("the server ended at once")?;
        let mut stdout = BufReader::new(process.stdout.take().context("the server has no output")?).lines();
        let address = tokio::time::timeout(START_TIMEOUT, listen_address(&mut stdout)).await;
        let address = address.unwrap_or_else(|_elapsed| bail!("the server does not come to listen"));
        let address = address.with_context(|| format!("the server's log ends:\n{}", tail(&log)))?;
        Ok(Self { process, _stdout: stdout, log, pid, address })
    }

    /// Returns whether the server process has ended.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    /// Returns the last lines of the server's log.
    pub(super) fn log_tail(&self) -> String {
        tail(&self.log)
    }

    /// Stops the server with SIGINT, as Ctrl-C does.
    ///
    /// # Errors
    /// The function fails if the server does not end in time, or if it ends with an exit status that means
    /// failure.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(rustix::process::Pid::from_raw);
        let pid = pid.context("the server has an impossible process id")?;
        rustix::process::kill_process(pid, rustix::process::Signal::INT)
            .context("the server cannot be stopped")?;
        let ended = tokio::time::timeout(STOP_TIMEOUT, self.process.wait()).await;
        let status = ended.context("the server does not stop")??;
        ensure!(status.success(), "the server ended with {status}; its log ends:\n{}", self.log_tail());
        Ok(())
    }
}

/// Waits until the server prints the address that it listens on, and returns the address.
async fn listen_address(stdout: &mut Lines<BufReader<ChildStdout>>) -> anyhow::Result<SocketAddr> {
    while let Some(line) = stdout.next_line().await? {
        if let Some(address) = line.strip_prefix("listening on http://") {
            return address.trim().parse().with_context(|| format!("the server says {line:?}"));
        }
    }
    bail!("the server ended without listening")
}

/// Returns the last 20 lines of a file.
fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
