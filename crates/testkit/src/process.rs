//! Helpers for child processes. They send signals, read the state of processes from `/proc` (Linux only), and
//! parse the address that a started server prints.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::SocketAddr;

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};

/// The fields of `/proc/PID/stat` that tests and load tools need. The file describes the current state of a
/// process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessStat {
    /// The state of the process as one letter. `Z` and `X` mean that the process has ended.
    pub state: char,
    /// The process id of the parent process.
    pub parent: u32,
    /// The processor time that the process has used (user and system time together), in clock ticks.
    pub cpu_ticks: u64,
    /// The processor time that ended child processes have used, in clock ticks. A child counts only after the
    /// process has waited for the child.
    pub reaped_cpu_ticks: u64,
}

impl ProcessStat {
    /// Reads the current state of a process. Returns `None` if the system has no `/proc` or if the process
    /// does not exist.
    pub fn read(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(line: &str) -> Option<Self> {
        // The name of the process is in parentheses, and the name may contain spaces and parentheses. Parsing
        // therefore starts after the last parenthesis.
        let mut fields = line.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        // In proc_pid_stat(5), `utime`, `stime`, `cutime` and `cstime` are the fields 14 to 17. The parser
        // skips the fields 5 to 13 in front of them.
        let times = fields.skip(9).take(4).map(str::parse::<u64>);
        let times: Vec<u64> = times.collect::<Result<_, _>>().ok()?;
        let [user, system, reaped_user, reaped_system] = times.try_into().ok()?;
        Some(Self { state, parent, cpu_ticks: user + system, reaped_cpu_ticks: reaped_user + reaped_system })
    }
}

/// Returns the child processes of a process. The key is the process id. The result includes ended children
/// for which the process has not waited yet.
pub fn children(pid: u32) -> HashMap<u32, ProcessStat> {
    let Ok(processes) = fs::read_dir("/proc") else { return HashMap::new() };
    let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.filter_map(|id| Some((id, ProcessStat::read(id)?))).filter(|(_, stat)| stat.parent == pid).collect()
}

/// Returns whether a process is running. A process that has ended is not running, even if its parent has not
/// waited for it yet.
pub fn is_running(pid: u32) -> bool {
    ProcessStat::read(pid).is_some_and(|stat| !matches!(stat.state, 'Z' | 'X'))
}

/// Sends a signal to a process.
///
/// # Errors
///
/// Fails when the process does not exist or belongs to another user.
pub fn send_signal(pid: u32, signal: Signal) -> io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(kill_process(pid, signal)?)
}

/// Parses the address from the line that a server prints when it starts to listen, such as `listening on
/// http://127.0.0.1:8080`. Returns `None` for any other line.
pub fn listening_address(line: &str) -> Option<SocketAddr> {
    let url = line.trim().strip_prefix("listening on ")?;
    url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parsing_proc_stat_works_with_a_process_name_that_contains_parentheses_and_spaces() {
        let line = "42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 3 4 100 20 3 1 20 0 1 0 5 6 7";
        let expected = ProcessStat { state: 'S', parent: 7, cpu_ticks: 120, reaped_cpu_ticks: 4 };
        assert_eq!(ProcessStat::parse(line), Some(expected));
        assert_eq!(ProcessStat::parse("42 (x) S 7 1"), None);
        assert_eq!(ProcessStat::parse(""), None);
    }

    #[test]
    fn the_listening_address_is_parsed_from_the_line_that_the_server_prints() {
        let address = Some("127.0.0.1:8080".parse().unwrap());
        assert_eq!(listening_address("listening on http://127.0.0.1:8080\n"), address);
        assert_eq!(listening_address("listening on https://127.0.0.1:8080"), address);
        assert_eq!(listening_address("API key: pxv_1"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_current_process_counts_as_running() {
        assert!(is_running(std::process::id()));
    }
}
