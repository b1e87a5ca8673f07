//! One measurement, as the measured process prints it.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

/// What a process found out about itself.
///
/// Two figures of memory, since neither is fair alone. `peak_kib` is the largest resident size the process ever had
/// (`VmHWM`): it is what a machine must have, but holds the runtime too, which is Node.js for one side. `growth_kib` is
/// how far that is above the resident size when the runtime, the library and the input file were loaded and no image had
/// been touched: it is what the images alone need.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Processor time of one image, all threads together.
    pub(super) cpu_ms: f64,
    pub(super) peak_kib: f64,
    pub(super) growth_kib: f64,
    /// Size of the output file.
    pub(super) bytes: f64,
}

impl Sample {
    /// Runs a process that prints a sample as JSON. It gets no environment but the given one and the search path.
    pub(super) fn of(command: &mut Command) -> anyhow::Result<Self> {
        let shown = format!("{}", command.get_program().display());
        let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
        let output = output.with_context(|| format!("cannot run {shown}"))?;
        ensure!(output.status.success(), "{shown} ended with {}", output.status);
        serde_json::from_slice(&output.stdout).with_context(|| {
            format!("{shown} printed no measurement but {}", String::from_utf8_lossy(&output.stdout))
        })
    }

    /// Each figure's median; `None` without samples.
    pub(super) fn median(samples: &[Self]) -> Option<Self> {
        Some(Self {
            cpu_ms: median(samples.iter().map(|sample| sample.cpu_ms).collect())?,
            peak_kib: median(samples.iter().map(|sample| sample.peak_kib).collect())?,
            growth_kib: median(samples.iter().map(|sample| sample.growth_kib).collect())?,
            bytes: median(samples.iter().map(|sample| sample.bytes).collect())?,
        })
    }
}

/// The middle one, or the mean of the two in the middle.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { upper } else { f64::midpoint(values[middle - 1], upper) })
}

/// A line of `/proc/self/status` that is a size in KiB.
pub(super) fn status_kib(key: &str) -> anyhow::Result<f64> {
    let status = fs::read_to_string("/proc/self/status").context("memory is measured on Linux only")?;
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    kib.with_context(|| format!("/proc/self/status has no {key}"))
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_middle_ones() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 100.0, 1.0]), Some(3.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 100.0]), Some(3.0));
    }
}
