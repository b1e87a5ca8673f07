//! What the server under test and its workers use, read from `/proc`: Linux only. Elsewhere nothing is measured and
//! the report says `null`.

use std::collections::HashMap;
use std::fs;

use serde::Serialize;

/// Processor time and memory of a process and its children.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Usage {
    /// Seconds of processor time of the server process.
    pub(crate) cpu_server_s: f64,
    /// The same of its workers, those that ended included.
    pub(crate) cpu_workers_s: f64,
    /// Largest resident size the server ever had.
    pub(crate) peak_rss_server_mib: f64,
    /// Largest resident size any one worker ever had.
    pub(crate) peak_rss_worker_mib: f64,
    /// Sum of the largest sizes of the workers alive at the same time.
    pub(crate) peak_rss_workers_mib: f64,
}

impl Usage {
    /// Reads the present state of a process; `None` where there is no `/proc` or no such process.
    pub(crate) fn read(pid: u32) -> Option<Self> {
        let server = Stat::read(pid)?;
        let mut worker_ticks = server.reaped_ticks;
        let mut workers = Vec::new();
        for (worker, stat) in children(pid) {
            worker_ticks += stat.ticks;
            workers.push(peak_rss_mib(worker).unwrap_or(0.0));
        }
        Some(Self {
            cpu_server_s: seconds(server.ticks),
            cpu_workers_s: seconds(worker_ticks),
            peak_rss_server_mib: peak_rss_mib(pid)?,
            peak_rss_worker_mib: workers.iter().copied().fold(0.0, f64::max),
            peak_rss_workers_mib: tenths(workers.iter().sum()),
        })
    }

    /// The larger of two readings of the same run: a worker that was replaced takes its peak with it.
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            cpu_server_s: self.cpu_server_s.max(other.cpu_server_s),
            cpu_workers_s: self.cpu_workers_s.max(other.cpu_workers_s),
            peak_rss_server_mib: self.peak_rss_server_mib.max(other.peak_rss_server_mib),
            peak_rss_worker_mib: self.peak_rss_worker_mib.max(other.peak_rss_worker_mib),
            peak_rss_workers_mib: self.peak_rss_workers_mib.max(other.peak_rss_workers_mib),
        }
    }
}

/// Seconds of processor time this process has used; `None` where there is no `/proc`.
pub(crate) fn own_cpu_s() -> Option<f64> {
    Stat::read(std::process::id()).map(|stat| seconds(stat.ticks))
}

/// Seconds of processor time for a thousand, with two decimals, of what `n` took.
pub(crate) fn per_1000(cpu_s: f64, n: usize) -> f64 {
    (cpu_s * 100_000.0 / n.max(1) as f64).round() / 100.0
}

/// The ids of the processes a process has started and that are alive.
pub(crate) fn child_ids(pid: u32) -> Vec<u32> {
    children(pid).into_keys().collect()
}

/// Whether a process runs (one that ended but was not waited for does not).
pub(crate) fn is_running(pid: u32) -> bool {
    Stat::read(pid).is_some_and(|stat| !matches!(stat.state, 'Z' | 'X'))
}

fn children(pid: u32) -> HashMap<u32, Stat> {
    let Ok(processes) = fs::read_dir("/proc") else { return HashMap::new() };
    let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.filter_map(|id| Some((id, Stat::read(id)?))).filter(|(_, stat)| stat.parent == pid).collect()
}

/// The fields of `/proc/PID/stat` that matter here.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    state: char,
    parent: u32,
    /// Processor time of its own.
    ticks: u64,
    /// Processor time of the children it has waited for.
    reaped_ticks: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(line: &str) -> Option<Self> {
        // The name, in parentheses, may contain anything, spaces and parentheses too.
        let mut fields = line.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        // proc_pid_stat(5): utime, stime, cutime, cstime are fields 14 to 17, of which 5 to 13 are still to be skipped.
        let times = fields.skip(9).take(4).map(str::parse::<u64>);
        let times: Vec<u64> = times.collect::<Result<_, _>>().ok()?;
        let [user, system, reaped_user, reaped_system] = times.try_into().ok()?;
        Some(Self { state, parent, ticks: user + system, reaped_ticks: reaped_user + reaped_system })
    }
}

/// Resident size of a process at this moment; `None` where there is no `/proc` or no such process.
pub(crate) fn rss_mib(pid: u32) -> Option<f64> {
    status_mib(pid, "VmRSS:")
}

/// The largest resident size it ever had.
pub(crate) fn peak_rss_mib(pid: u32) -> Option<f64> {
    status_mib(pid, "VmHWM:")
}

fn status_mib(pid: u32, name: &str) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(tenths(kib / 1024.0))
}

fn seconds(ticks: u64) -> f64 {
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

pub(crate) fn tenths(x: f64) -> f64 {
    (x * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_confuse_the_parser() {
        let line = "42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 3 4 100 20 3 1 20 0 1 0 5 6 7";
        assert_eq!(Stat::parse(line), Some(Stat { state: 'S', parent: 7, ticks: 120, reaped_ticks: 4 }));
        assert_eq!(Stat::parse("42 (x) S 7 1"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_can_be_read() {
        let usage = Usage::read(std::process::id()).unwrap();
        assert!(usage.peak_rss_server_mib > 0.0 && is_running(std::process::id()));
    }
}
