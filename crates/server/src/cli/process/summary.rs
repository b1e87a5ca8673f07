//! The summary that `pixaven process` prints at its end: first the numbers of files and bytes, then the
//! warnings and the failures.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::FileOutcome;

/// Counts the processed images and the failures of one `pixaven process` command.
pub(super) struct Summary {
    n_succeeded: usize,
    /// The number of input files that were processed, with success or with a failure.
    n_ended: usize,
    n_skipped: usize,
    n_bytes_before: u64,
    n_bytes_after: u64,
    /// The warnings about results that were written, with the paths of their inputs.
    warnings: Vec<(PathBuf, String)>,
    failures: Vec<(PathBuf, String)>,
}

impl Summary {
    pub(super) fn new(n_skipped: usize, failures: Vec<(PathBuf, String)>) -> Self {
        Self {
            n_succeeded: 0,
            n_ended: 0,
            n_skipped,
            n_bytes_before: 0,
            n_bytes_after: 0,
            warnings: Vec::new(),
            failures,
        }
    }

    pub(super) fn add(&mut self, path: &Path, result: Result<FileOutcome, String>) {
        self.n_ended += 1;
        match result {
            Ok(outcome) => {
                self.n_succeeded += 1;
                self.n_bytes_before += outcome.n_bytes_before;
                self.n_bytes_after += outcome.n_bytes_after;
                self.warnings.extend(outcome.warnings.into_iter().map(|warning| (path.to_owned(), warning)));
            }
            Err(reason) => self.failures.push((path.to_owned(), reason)),
        }
    }

    pub(super) fn has_failures(&self) -> bool {
        !self.failures.is_empty()
    }

    /// Prints the numbers of files and bytes on standard output, and the warnings and failures on standard
    /// error.
    pub(super) fn print(&mut self, elapsed: Duration, n_inputs: usize) {
        println!("{}", self.numbers(elapsed));
        if self.n_skipped > 0 {
            println!("{} skipped, which are no images", file_count(self.n_skipped));
        }
        if self.n_ended < n_inputs {
            println!("interrupted: {} not done", file_count(n_inputs - self.n_ended));
        }
        self.warnings.sort();
        for (path, warning) in &self.warnings {
            eprintln!("note: {}: {warning}", path.display());
        }
        if self.failures.is_empty() {
            return;
        }
        eprintln!("{} failed:", file_count(self.failures.len()));
        self.failures.sort();
        for (path, reason) in &self.failures {
            eprintln!("  {}: {reason}", path.display());
        }
    }

    /// Formats the line with the number of files, the elapsed time, and the total bytes before and after
    /// processing.
    fn numbers(&self, elapsed: Duration) -> String {
        let (before, after) = (self.n_bytes_before, self.n_bytes_after);
        let change = match before {
            0 => String::new(),
            _ if after <= before => {
                format!(", {:.1} % saved", (before - after) as f64 * 100.0 / before as f64)
            }
            _ => format!(", {:.1} % more", (after - before) as f64 * 100.0 / before as f64),
        };
        let (before, after) = (format_size(before), format_size(after));
        format!(
            "{} in {:.1} s: {before} before, {after} after{change}",
            file_count(self.n_succeeded),
            elapsed.as_secs_f64()
        )
    }
}

/// Formats a number of files, such as `1 file` or `2 files`.
fn file_count(n: usize) -> String {
    if n == 1 { "1 file".to_owned() } else { format!("{n} files") }
}

/// Formats a size in bytes with the largest unit in which the number is at least 1.
fn format_size(n_bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    let mut size = n_bytes as f64 / 1000.0;
    if size < 1.0 {
        return format!("{n_bytes} bytes");
    }
    let mut units = UNITS.into_iter();
    let mut unit = units.next().unwrap_or_default();
    for larger in units {
        if size < 1000.0 {
            break;
        }
        (size, unit) = (size / 1000.0, larger);
    }
    format!("{size:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_of_pixaven_process_shows_file_sizes_with_units_and_the_size_change_in_percent() {
        let outcome = |n_bytes_before, n_bytes_after| FileOutcome {
            n_bytes_before,
            n_bytes_after,
            warnings: Vec::new(),
        };
        let mut summary = Summary::new(0, Vec::new());
        assert_eq!(summary.numbers(Duration::ZERO), "0 files in 0.0 s: 0 bytes before, 0 bytes after");
        summary.add(Path::new("a"), Ok(outcome(2_000_000, 500_000)));
        let one = "1 file in 1.5 s: 2.0 MB before, 500.0 kB after, 75.0 % saved";
        assert_eq!(summary.numbers(Duration::from_millis(1500)), one);
        summary.add(Path::new("b"), Ok(outcome(0, 2_500_000)));
        let two = "2 files in 0.0 s: 2.0 MB before, 3.0 MB after, 50.0 % more";
        assert_eq!(summary.numbers(Duration::ZERO), two);
        assert_eq!(
            (format_size(999), format_size(1_000), format_size(1_000_000_000)),
            ("999 bytes".into(), "1.0 kB".into(), "1.0 GB".into())
        );
    }
}
