//! Processor time and memory of the server under test and its workers, read from `/proc`. Only Linux has it:
//! elsewhere nothing is measured, and the report says `null`.

use std::fs;

use pixaven_testkit::process::{ProcessStat, children};
use serde::Serialize;

/// Processor time and memory of a server process and its image workers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct ResourceUsage {
    /// Seconds of processor time of the server process.
    pub(crate) cpu_server_s: f64,
    /// Seconds of processor time of its workers, including those that ended.
    pub(crate) cpu_workers_s: f64,
    /// Peak resident size of the server process.
    pub(crate) peak_rss_server_mib: f64,
    /// The largest peak resident size of a single worker.
    pub(crate) peak_rss_worker_mib: f64,
    /// The sum of the peak resident sizes of the workers that live now.
    pub(crate) peak_rss_workers_mib: f64,
}

impl ResourceUsage {
    /// Reads the present state of a server process; `None` where there is no `/proc` or no such process.
    pub(crate) fn read(pid: u32) -> Option<Self> {
        let server = ProcessStat::read(pid)?;
        let mut worker_ticks = server.reaped_cpu_ticks;
        let mut worker_peaks = Vec::new();
        for (worker, stat) in children(pid) {
            worker_ticks += stat.cpu_ticks;
            worker_peaks.push(peak_rss_mib(worker).unwrap_or(0.0));
        }
        Some(Self {
            cpu_server_s: seconds(server.cpu_ticks),
            cpu_workers_s: seconds(worker_ticks),
            peak_rss_server_mib: peak_rss_mib(pid)?,
            peak_rss_worker_mib: worker_peaks.iter().copied().fold(0.0, f64::max),
            peak_rss_workers_mib: tenths(worker_peaks.iter().sum()),
        })
    }

    /// The larger figures of two readings of the same run. The second reading lacks the peaks of workers that
    /// were replaced meanwhile.
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

/// Seconds of processor time that this process has used; `None` where there is no `/proc`.
pub(crate) fn own_cpu_s() -> Option<f64> {
    ProcessStat::read(std::process::id()).map(|stat| seconds(stat.cpu_ticks))
}

/// Seconds of processor time for 1,000 requests, with two decimals, when `n` requests took `cpu_s`.
pub(crate) fn per_1000(cpu_s: f64, n: usize) -> f64 {
    hundredths(cpu_s * 1000.0 / n.max(1) as f64)
}

/// The present resident size of a process; `None` where there is no `/proc` or no such process.
pub(crate) fn rss_mib(pid: u32) -> Option<f64> {
    status_mib(pid, "VmRSS:")
}

/// The peak resident size of a process; `None` where there is no `/proc` or no such process.
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

/// Rounds to one decimal.
pub(crate) fn tenths(x: f64) -> f64 {
    (x * 10.0).round() / 10.0
}

/// Rounds to two decimals.
pub(crate) fn hundredths(x: f64) -> f64 {
    (x * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    #[test]
    fn the_usage_of_this_process_can_be_read() {
        let usage = super::ResourceUsage::read(std::process::id()).unwrap();
        assert!(usage.peak_rss_server_mib > 0.0);
    }
}
