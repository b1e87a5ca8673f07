//! Child processes: signals, what `/proc` shows of them (Linux only), and the address that a started server
//! prints.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::SocketAddr;

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};

/// The fields of `/proc/PID/stat` that tests and load tools need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessStat {
    /// One letter; `Z` and `X` stand for a process that ended.
    pub state: char,
    /// The id of the parent process.
    pub parent: u32,
    /// Processor time of the process in clock ticks, user and system.
    pub cpu_ticks: u64,
    /// Processor time of the ended children that the process has waited for, in clock ticks.
    pub reaped_cpu_ticks: u64,
}

impl ProcessStat {
    /// Reads the present state of a process; `None` where there is no `/proc` or no such process.
    pub fn read(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(line: &str) -> Option<Self> {
        // The name stands in parentheses, and may itself contain spaces and parentheses.
        let mut fields = line.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        // proc_pid_stat(5): utime, stime, cutime and cstime are the fields 14 to 17. Fields 5 to 13 are
        // skipped.
        let times = fields.skip(9).take(4).map(str::parse::<u64>);
        let times: Vec<u64> = times.collect::<Result<_, _>>().ok()?;
        let [user, system, reaped_user, reaped_system] = times.try_into().ok()?;
        Some(Self { state, parent, cpu_ticks: user + system, reaped_cpu_ticks: reaped_user + reaped_system })
    }
}

/// The children of a process by their ids, including those that ended and were not waited for.
pub fn children(pid: u32) -> HashMap<u32, ProcessStat> {
    let Ok(processes) = fs::read_dir("/proc") else { return HashMap::new() };
    let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.filter_map(|id| Some((id, ProcessStat::read(id)?))).filter(|(_, stat)| stat.parent == pid).collect()
}

/// Whether a process runs. A process that ended and was not waited for does not run.
pub fn is_running(pid: u32) -> bool {
    ProcessStat::read(pid).is_some_and(|stat| !matches!(stat.state, 'Z' | 'X'))
}

/// Sends a signal to a process.
///
/// # Errors
///
/// Fails when there is no such process, or when it belongs to another user.
pub fn send_signal(pid: u32, signal: Signal) -> io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(kill_process(pid, signal)?)
}

/// The address in the line that a server prints once it listens, such as
/// `listening on http://127.0.0.1:8080`; `None` for any other line.
pub fn listening_address(line: &str) -> Option<SocketAddr> {
    let url = line.trim().strip_prefix("listening on ")?;
    url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_with_parentheses_and_spaces_is_skipped() {
        let line = "42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 3 4 100 20 3 1 20 0 1 0 5 6 7";
        let expected = ProcessStat { state: 'S', parent: 7, cpu_ticks: 120, reaped_cpu_ticks: 4 };
        assert_eq!(ProcessStat::parse(line), Some(expected));
        assert_eq!(ProcessStat::parse("42 (x) S 7 1"), None);
        assert_eq!(ProcessStat::parse(""), None);
    }

    #[test]
    fn the_address_is_read_from_the_line_of_a_listening_server() {
        let address = Some("127.0.0.1:8080".parse().unwrap());
        assert_eq!(listening_address("listening on http://127.0.0.1:8080\n"), address);
        assert_eq!(listening_address("listening on https://127.0.0.1:8080"), address);
        assert_eq!(listening_address("API key: pxv_1"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_running() {
        assert!(is_running(std::process::id()));
    }
}
