//! Traces the system calls of a server with `strace`, and injects faults into them: a signal or an error at
//! the `N`th call.
//!
//! `strace` counts the calls of each thread and each name separately. It detaches from the server's image
//! workers when they start, so that faults affect only the server process. The server runs its asynchronous
//! tasks on a single thread, so that the counts of two runs are comparable.

mod call;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, ensure};
use tokio::process::Command;

pub(crate) use self::call::SystemCall;
#[cfg(test)]
pub(crate) use self::call::parse as parse_calls;
use self::call::{name_and_arguments, thread_and_rest};

/// The arguments that every `strace` command has. `-D` makes the server the direct child of this program, and
/// `strace` a separate process. `-b execve` makes `strace` detach from the image workers.
const COMMON_ARGUMENTS: [&str; 9] =
    ["-D", "-f", "-b", "execve", "--seccomp-bpf", "-ttt", "-E", "TOKIO_WORKER_THREADS=1", "-esignal=none"];

/// The arguments for a trace with all data: paths of descriptors, escaped strings, and no limit of their
/// length that a write of the server reaches. The end of a killed process is shown, too.
const DATA_ARGUMENTS: [&str; 6] = ["-yy", "-xx", "-s", "4194304", "-e", "signal=KILL"];

/// Describes which system calls `strace` traces, and which fault it injects into them.
pub(crate) struct Tracer {
    /// The names of the calls in the syntax of `strace`: separated by commas. A `?` marks a name that does
    /// not exist on every machine.
    calls: String,
    /// Restricts the trace to system calls on this file.
    path: Option<PathBuf>,
    /// The names of the calls that get a fault, and the fault in the syntax of `strace`, such as
    /// `signal=SIGKILL:when=7`.
    fault: Option<(String, String)>,
    /// Whether the trace contains all data and all paths.
    has_data: bool,
    /// The file to which `strace` writes the trace.
    log: PathBuf,
}

impl Tracer {
    /// Creates a tracer that writes the calls named in `calls` to the file `log`. If `path` is given, only
    /// calls on this path are traced.
    pub(crate) fn new(calls: &str, path: Option<PathBuf>, log: PathBuf) -> Self {
        Self { calls: calls.to_owned(), path, fault: None, has_data: false, log }
    }

    /// Adds a fault. `strace` injects the fault into the traced system calls.
    pub(crate) fn with_fault(self, fault: String) -> Self {
        let calls = self.calls.clone();
        self.with_fault_in(&calls, fault)
    }

    /// Adds a fault. `strace` injects the fault into some of the traced system calls.
    pub(crate) fn with_fault_in(self, calls: &str, fault: String) -> Self {
        Self { fault: Some((calls.to_owned(), fault)), ..self }
    }

    /// Writes all data of the calls and the paths of their file descriptors to the trace.
    pub(crate) fn with_data(self) -> Self {
        Self { has_data: true, ..self }
    }

    /// Creates the command that runs `program` under `strace`. The caller appends the arguments of `program`.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("strace");
        command.args(COMMON_ARGUMENTS).args(["-e", &format!("trace={}", self.calls)]);
        if let Some(path) = &self.path {
            command.arg("-P").arg(path);
        }
        if let Some((calls, fault)) = &self.fault {
            command.args(["-e", &format!("inject={calls}:{fault}")]);
        }
        if self.has_data {
            command.args(DATA_ARGUMENTS);
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
    /// Parses the calls in the order in which they began. The first line of the trace gets the number
    /// `first_line`.
    pub(crate) fn system_calls(&self, first_line: usize) -> anyhow::Result<Vec<SystemCall>> {
        call::parse(&self.0, first_line)
    }

    /// Returns whether the traced process has ended. Otherwise `strace` may still write lines.
    pub(crate) fn is_complete(&self) -> bool {
        let leader = self.0.split_once(' ').map(|(thread, _)| thread);
        let mut ends = self.0.lines().rev().filter_map(thread_and_rest);
        ends.any(|(thread, rest)| Some(thread) == leader && rest.starts_with("+++ "))
    }

    /// Returns the number of lines.
    pub(crate) fn n_lines(&self) -> usize {
        self.0.lines().count()
    }

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

/// Returns the thread id and the name of the system call that begins in this line of a trace.
fn thread_and_call(line: &str) -> Option<(&str, &str)> {
    let (thread, rest) = thread_and_rest(line)?;
    let (name, _arguments) = name_and_arguments(rest)?;
    Some((thread, name))
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
