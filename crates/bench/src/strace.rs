//! Injects faults into the system calls of a server with `strace`: a signal or an error at the `N`th call.
//!
//! `strace` counts the calls of each thread and each name separately. It detaches from the server's image
//! workers when they start, so that faults affect only the server process. The server runs its asynchronous
//! tasks on a single thread, so that the counts of two runs are comparable.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, ensure};
use tokio::process::Command;

/// The arguments that every `strace` command has. `-D` makes the server the direct child of this program, and
/// `strace` a separate process. `-b execve` makes `strace` detach from the image workers.
const COMMON_ARGUMENTS: [&str; 9] =
    ["-D", "-f", "-b", "execve", "--seccomp-bpf", "-ttt", "-E", "TOKIO_WORKER_THREADS=1", "-esignal=none"];

/// Describes which system calls `strace` traces, and which fault it injects into them.
pub(crate) struct Tracer {
    /// The names of the calls in the syntax of `strace`: separated by commas. A `?` marks a name that does
    /// not exist on every machine.
    calls: String,
    /// Restricts the trace to system calls on this file.
    path: Option<PathBuf>,
    /// The fault in the syntax of `strace`, such as `signal=SIGKILL:when=7`.
    fault: Option<String>,
    /// The file to which `strace` writes the trace.
    log: PathBuf,
}

impl Tracer {
    /// Creates a tracer that writes the calls named in `calls` to the file `log`. If `path` is given, only
    /// calls on this path are traced.
    pub(crate) fn new(calls: &str, path: Option<PathBuf>, log: PathBuf) -> Self {
        Self { calls: calls.to_owned(), path, fault: None, log }
    }

    /// Adds a fault. `strace` injects the fault into the traced system calls.
    pub(crate) fn with_fault(mut self, fault: String) -> Self {
        self.fault = Some(fault);
        self
    }

    /// Creates the command that runs `program` under `strace`. The caller appends the arguments of `program`.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("strace");
        command.args(COMMON_ARGUMENTS).args(["-e", &format!("trace={}", self.calls)]);
        if let Some(path) = &self.path {
            command.arg("-P").arg(path);
        }
        if let Some(fault) = &self.fault {
            command.args(["-e", &format!("inject={}:{fault}", self.calls)]);
        }
        command.arg("-o").arg(&self.log).arg(program);
        command
    }

    /// Reads the part of the trace that `strace` has written until now.
    pub(crate) fn trace(&self) -> anyhow::Result<Trace> {
        let text = std::fs::read_to_string(&self.log);
        Ok(Trace(text.with_context(|| format!("no trace in {}", self.log.display()))?))
    }
}

/// The text of a trace. Each line contains a thread id, a time and a system call.
pub(crate) struct Trace(String);

/// The number of system calls in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CallCounts {
    /// The number of system calls of all threads together.
    pub(crate) total: u64,
    /// The largest number of system calls with the same name in the same thread.
    pub(crate) max_per_thread: u64,
}

impl Trace {
    /// Counts the system calls in the trace.
    pub(crate) fn counts(&self) -> CallCounts {
        let mut counts: HashMap<(&str, &str), u64> = HashMap::new();
        for call in self.0.lines().filter_map(thread_and_call) {
            *counts.entry(call).or_default() += 1;
        }
        let max_per_thread = counts.values().copied().max().unwrap_or(0);
        CallCounts { total: counts.values().sum(), max_per_thread }
    }

    /// Returns how many faults `strace` has injected.
    pub(crate) fn n_faults(&self) -> usize {
        self.faults().count()
    }

    /// Returns the time of the first injected fault, in seconds since 1970.
    pub(crate) fn first_fault_s(&self) -> Option<f64> {
        self.faults().next()?.split_whitespace().nth(1)?.parse().ok()
    }

    fn faults(&self) -> impl Iterator<Item = &str> {
        self.0.lines().filter(|line| line.ends_with("(INJECTED)"))
    }
}

/// Returns the thread id and the name of the system call that begins in this line of a trace. Returns `None`
/// for any other line, for example for the second half of a call that was interrupted by the line of another
/// thread.
fn thread_and_call(line: &str) -> Option<(&str, &str)> {
    let (thread, rest) = line.split_once(' ')?;
    let (_time, call) = rest.trim_start().split_once(' ')?;
    let (name, _arguments) = call.split_once('(')?;
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_').then_some((thread, name))
}

/// Fails with a hint how to install `strace` if `strace` is not installed.
pub(crate) async fn ensure_installed() -> anyhow::Result<()> {
    let version = Command::new("strace").arg("--version").stdout(Stdio::null()).status().await;
    let version = version.context("strace is missing (on Debian and Ubuntu: apt-get install strace)")?;
    ensure!(version.success(), "`strace --version` ended with {version}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_calls_in_an_strace_output_are_counted_in_total_and_for_each_thread() {
        let trace = Trace(
            "7  1.000001 fsync(3) = 0\n\
             8  1.000002 fsync(3 <unfinished ...>\n\
             7  1.000003 write(4, \"a(b\", 3) = 3\n\
             8  1.000004 <... fsync resumed>) = -1 EIO (Input/output error) (INJECTED)\n\
             8  1.000005 fsync(3) = -1 EIO (Input/output error) (INJECTED)\n\
             8  1.000006 +++ killed by SIGKILL +++\n"
                .to_owned(),
        );
        assert_eq!(trace.counts(), CallCounts { total: 4, max_per_thread: 2 });
        assert_eq!((trace.n_faults(), trace.first_fault_s()), (2, Some(1.000004)));
    }
}
