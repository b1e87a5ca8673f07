//! Reads the processor time and the memory of the tested server and of its image workers from `/proc`. Only
//! Linux has `/proc`; on other systems the report has `null` instead of these figures.

use std::fs;

use pixaven_testkit::process::{ProcessStat, children};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// Processor time and memory of a server process and its image workers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct ResourceUsage {
    /// Seconds of processor time of the server process.
    pub(crate) cpu_server_s: f64,
    /// Seconds of processor time of the image workers, including workers that have ended.
    pub(crate) cpu_workers_s: f64,
    /// The peak resident size of the server process in MiB.
    pub(crate) peak_rss_server_mib: f64,
    /// The largest peak resident size of a single image worker in MiB.
    pub(crate) peak_rss_worker_mib: f64,
    /// The sum in MiB of the peak resident sizes of all image workers that run when the figures are read.
    pub(crate) peak_rss_workers_mib: f64,
}

impl ResourceUsage {
    /// Reads the current usage of a server process. Returns `None` if the system has no `/proc` or the
    /// process does not exist.
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

    /// Combines two readings of the same run: takes the larger value of each figure. A later reading alone is
    /// not enough, because it lacks the peaks of image workers that were replaced after the earlier reading.
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

/// Returns the seconds of processor time that a process and its children have used, including children that
/// have ended. Returns `None` if the system has no `/proc` or the process does not exist.
pub(crate) fn cpu_with_children_s(pid: u32) -> Option<f64> {
    let usage = ResourceUsage::read(pid)?;
    Some(usage.cpu_server_s + usage.cpu_workers_s)
}

/// Returns the milliseconds of processor time that this process has used, as the sum over all threads.
pub(crate) fn own_cpu_ms() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

/// Returns the seconds of processor time that the load tool itself has used, or `None` if the system has no
/// `/proc`.
pub(crate) fn own_cpu_s() -> Option<f64> {
    ProcessStat::read(std::process::id()).map(|stat| seconds(stat.cpu_ticks))
}

/// Divides the seconds of processor time that `n` requests needed so that the result is for 1,000 requests,
/// rounded to two decimals.
pub(crate) fn per_1000(cpu_s: f64, n: usize) -> f64 {
    hundredths(cpu_s * 1000.0 / n.max(1) as f64)
}

/// Returns the current resident size of a process in MiB, or `None` if the system has no `/proc` or the
/// process does not exist.
pub(crate) fn rss_mib(pid: u32) -> Option<f64> {
    status_mib(pid, "VmRSS:")
}

/// Returns the peak resident size of a process in MiB, or `None` if the system has no `/proc` or the process
/// does not exist.
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

/// Rounds a number to one decimal.
pub(crate) fn tenths(x: f64) -> f64 {
    (x * 10.0).round() / 10.0
}

/// Rounds a number to two decimals.
pub(crate) fn hundredths(x: f64) -> f64 {
    (x * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    #[test]
    fn the_peak_memory_of_a_running_process_is_read_by_its_process_id() {
        let usage = super::ResourceUsage::read(std::process::id()).unwrap();
        assert!(usage.peak_rss_server_mib > 0.0);
    }
}
