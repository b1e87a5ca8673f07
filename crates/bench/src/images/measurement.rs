//! The result of measuring one case. The measured process prints it as one line of JSON.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use crate::percentiles::median;

/// Figures that a process has measured of itself.
///
/// There are two figures of memory, because each of them is unfair without the other. `peak_kib` is the peak
/// resident size of the process (`VmHWM`): the machine must have this much memory, but the figure includes
/// the runtime, which is Node.js for sharp. `growth_kib` is the peak minus the resident size at the moment
/// when the runtime, the library and the input file were loaded and no image was decoded yet: this is the
/// memory for the images.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Measurement {
    /// Milliseconds of processor time for one image, as the sum over all threads.
    pub(super) cpu_ms: f64,
    pub(super) peak_kib: f64,
    pub(super) growth_kib: f64,
    /// The size of the output file in bytes.
    pub(super) bytes: f64,
}

impl Measurement {
    /// Runs a process that measures a case, and reads the measurement that the process prints as JSON.
    pub(super) fn of_process(command: &mut Command) -> anyhow::Result<Self> {
        let program = format!("{}", command.get_program().display());
        let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
        let output = output.with_context(|| format!("cannot run {program}"))?;
        ensure!(output.status.success(), "{program} ended with {}", output.status);
        serde_json::from_slice(&output.stdout).with_context(|| {
            format!("{program} printed no measurement but {}", String::from_utf8_lossy(&output.stdout))
        })
    }

    /// Returns the median of each figure over several measurements. Returns `None` if there is no
    /// measurement.
    pub(super) fn median(measurements: &[Self]) -> Option<Self> {
        let of = |figure: fn(&Self) -> f64| median(measurements.iter().map(figure).collect());
        Some(Self {
            cpu_ms: of(|measured| measured.cpu_ms)?,
            peak_kib: of(|measured| measured.peak_kib)?,
            growth_kib: of(|measured| measured.growth_kib)?,
            bytes: of(|measured| measured.bytes)?,
        })
    }
}

/// Reads a size in KiB of this process from the line `key` of `/proc/self/status`.
pub(super) fn own_status_kib(key: &str) -> anyhow::Result<f64> {
    let status = fs::read_to_string("/proc/self/status").context("memory is measured on Linux only")?;
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    kib.with_context(|| format!("/proc/self/status has no {key}"))
}
