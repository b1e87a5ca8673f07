//! Faults in the system calls of a server, put there by `strace`: a signal or an error at the `N`th call.
//!
//! `strace` counts the calls of each thread and each name apart. The server's image workers are let go of as they
//! start, so that a fault is always one of the server's own process. It runs its asynchronous tasks on a single thread,
//! which makes the counts of two runs comparable.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, ensure};
use tokio::process::Command;

/// What every trace begins with. `-D` lets the server be the child that was started, with `strace` beside it; `-b
/// execve` lets the workers go.
const ALWAYS: [&str; 9] =
    ["-D", "-f", "-b", "execve", "--seccomp-bpf", "-ttt", "-E", "TOKIO_WORKER_THREADS=1", "-esignal=none"];

/// The system calls that are looked at.
pub(crate) struct Tracer {
    /// Names, as `strace` writes a set of them: separated by commas, `?` before one that not every machine has.
    calls: String,
    /// Only calls on this file.
    path: Option<PathBuf>,
    /// What happens to them: `signal=SIGKILL:when=7`.
    fault: Option<String>,
    /// Where they are written down.
    log: PathBuf,
}

impl Tracer {
    /// Looks at `calls`, at those on `path` alone if there is one, and writes them to `log`.
    pub(crate) fn new(calls: &str, path: Option<PathBuf>, log: PathBuf) -> Self {
        Self { calls: calls.to_owned(), path, fault: None, log }
    }

    /// Puts a fault into them.
    pub(crate) fn with_fault(mut self, fault: String) -> Self {
        self.fault = Some(fault);
        self
    }

    /// Starts `program`, traced; its arguments are still to be added.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("strace");
        command.args(ALWAYS).args(["-e", &format!("trace={}", self.calls)]);
        if let Some(path) = &self.path {
            command.arg("-P").arg(path);
        }
        if let Some(fault) = &self.fault {
            command.args(["-e", &format!("inject={}:{fault}", self.calls)]);
        }
        command.arg("-o").arg(&self.log).arg(program);
        command
    }

    /// What was written down.
    pub(crate) fn trace(&self) -> anyhow::Result<Trace> {
        let text = std::fs::read_to_string(&self.log);
        Ok(Trace(text.with_context(|| format!("no trace in {}", self.log.display()))?))
    }
}

/// The lines of a trace: thread, time, call.
pub(crate) struct Trace(String);

impl Trace {
    /// How many calls there were, and how many at most of one name in one thread.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let mut counts: HashMap<(&str, &str), u64> = HashMap::new();
        for call in self.0.lines().filter_map(call) {
            *counts.entry(call).or_default() += 1;
        }
        (counts.values().sum(), counts.values().copied().max().unwrap_or(0))
    }

    /// How many faults were put in.
    pub(crate) fn n_faults(&self) -> usize {
        self.faults().count()
    }

    /// When the first of them was, in seconds since 1970.
    pub(crate) fn first_fault_s(&self) -> Option<f64> {
        self.faults().next()?.split_whitespace().nth(1)?.parse().ok()
    }

    fn faults(&self) -> impl Iterator<Item = &str> {
        self.0.lines().filter(|line| line.ends_with("(INJECTED)"))
    }
}

/// The thread and the name of the call that a line begins with; the second half of a call that was interrupted by
/// another line is none.
fn call(line: &str) -> Option<(&str, &str)> {
    let (thread, rest) = line.split_once(' ')?;
    let (_time, call) = rest.trim_start().split_once(' ')?;
    let (name, _arguments) = call.split_once('(')?;
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_').then_some((thread, name))
}

/// Says so when there is no `strace`.
pub(crate) async fn ensure_there() -> anyhow::Result<()> {
    let version = Command::new("strace").arg("--version").stdout(Stdio::null()).status().await;
    let version = version.context("strace is missing (on Debian and Ubuntu: apt-get install strace)")?;
    ensure!(version.success(), "`strace --version` ended with {version}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_thread_and_name() {
        let trace = Trace(
            "7  1.000001 fsync(3) = 0\n\
             8  1.000002 fsync(3 <unfinished ...>\n\
             7  1.000003 write(4, \"a(b\", 3) = 3\n\
             8  1.000004 <... fsync resumed>) = -1 EIO (Input/output error) (INJECTED)\n\
             8  1.000005 fsync(3) = -1 EIO (Input/output error) (INJECTED)\n\
             8  1.000006 +++ killed by SIGKILL +++\n"
                .to_owned(),
        );
        assert_eq!(trace.counts(), (4, 2));
        assert_eq!((trace.n_faults(), trace.first_fault_s()), (2, Some(1.000004)));
    }
}
