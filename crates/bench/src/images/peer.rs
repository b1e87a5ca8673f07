//! The other side: sharp, run by Node.js with one thread for pixels and without its cache of operations.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde::Deserialize;

use super::jobs::Job;
use super::sample::Sample;

/// Does one job over and over and prints a sample, as our side does.
const SCRIPT: &str = include_str!("peer.js");

/// An installed sharp.
#[derive(Debug, Deserialize)]
pub(super) struct Sharp {
    #[serde(skip)]
    dir: PathBuf,
    pub(super) version: String,
    pub(super) libvips: String,
}

impl Sharp {
    /// Looks for it in a directory's `node_modules`.
    pub(super) fn find(dir: &Path) -> anyhow::Result<Self> {
        let dir = dir.canonicalize().with_context(|| format!("no directory {}", dir.display()))?;
        let output = node(&dir).output().context("cannot run node: --peers needs Node.js")?;
        let missing = "no sharp there: `npm install sharp` in a directory, then give it with --sharp-dir";
        ensure!(output.status.success(), "{}: {missing}", dir.display());
        let found: Self =
            serde_json::from_slice(&output.stdout).context("sharp does not tell its version")?;
        Ok(Self { dir, ..found })
    }

    /// Measures a job in a process of its own.
    pub(super) fn measure(
        &self,
        input: &Path,
        job: &Job,
        budget_ms: u32,
        keep: Option<&Path>,
    ) -> anyhow::Result<Sample> {
        let mut command = node(&self.dir);
        command.arg(input).arg(job.sharp).arg(budget_ms.to_string()).args(keep);
        Sample::of(&mut command).with_context(|| format!("sharp's job {}", job.name))
    }
}

/// Node with the script; without further arguments it prints the versions.
fn node(dir: &Path) -> Command {
    let mut command = Command::new("node");
    command.arg("-e").arg(SCRIPT).arg("--").arg(dir);
    command
}
