//! Measures the memory and CPU time of a worker from another process, through `/proc` of Linux. On other
//! systems nothing is measured, and the server enforces only the limit on wall time.

use std::time::Duration;

/// The resident memory and the CPU time of a process at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) resident_bytes: u64,
    pub(super) cpu: Duration,
    /// Whether the process computes or waits for a processor or for the memory that it uses, so that it would
    /// go on if the machine had less load.
    pub(super) is_runnable: bool,
}

/// Whether this system can measure the usage of a process.
pub(super) const IS_MEASURED: bool = cfg!(target_os = "linux");

/// Measures the memory, the CPU time and the state of a process. Returns `None` if the process has ended or if
/// the system has no `/proc`.
pub(super) fn of(pid: u32) -> Option<Usage> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    parse(&stat, rustix::param::page_size() as u64, rustix::param::clock_ticks_per_second())
}

/// Parses the fields 3 (state), 14 and 15 (user and system time, in ticks) and 24 (resident pages) of
/// `/proc/PID/stat`, see proc(5). The fields are counted from the end of the command name, because the command
/// name is the only field that may contain spaces. The states `R` (running or waiting for a processor) and `D` (waiting for a page from the disk)
/// count as runnable.
fn parse(stat: &str, page_bytes: u64, ticks_per_s: u64) -> Option<Usage> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let is_runnable = matches!(fields.next()?, "R" | "D");
    let mut fields = fields.skip(10);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    let pages = fields.nth(8)?.parse::<u64>().ok()?;
    let cpu = Duration::from_millis(ticks * 1000 / ticks_per_s.max(1));
    Some(Usage { resident_bytes: pages * page_bytes, cpu, is_runnable })
}

/// Measures the CPU time of a process with one thread more precisely than [`of`] does. Returns `None` also if
/// the kernel does not measure this time.
pub(super) fn cpu_of(pid: u32) -> Option<Duration> {
    // The first field is the time that the process has run on a processor in nanoseconds
    // (Documentation/scheduler/sched-stats.rst).
    let stat = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
    Some(Duration::from_nanos(stat.split(' ').next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_cpu_time_are_parsed_from_proc_stat_even_if_the_process_name_has_parentheses() {
        let stat =
            "42 (a) b (c) R 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 1 0 99 4096000 321 18446744073709551615 1";
        let usage = parse(stat, 4096, 100);
        let expected = Usage { resident_bytes: 321 * 4096, cpu: Duration::from_secs(2), is_runnable: true };
        assert_eq!(usage, Some(expected));
        let sleeping = parse(&stat.replace(") R ", ") S "), 4096, 100);
        assert_eq!(sleeping, Some(Usage { is_runnable: false, ..expected }));
        assert_eq!(parse("42 (short) R 1", 4096, 100), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn measuring_the_current_process_returns_the_size_of_its_resident_memory() {
        let usage = of(std::process::id()).expect("Linux has /proc");
        assert!(usage.resident_bytes > 100_000);
    }
}
