//! Measures a case with sharp. Node.js runs sharp with one thread for image processing and with sharp's cache
//! of operations switched off.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde::Deserialize;

use super::cases::ImageCase;
use super::measurement::Measurement;

/// A JavaScript program that repeats one case with sharp and prints a measurement in the same form as pixaven
/// does.
const SCRIPT: &str = include_str!("sharp.js");

/// An installation of sharp.
#[derive(Debug, Deserialize)]
pub(super) struct Sharp {
    #[serde(skip)]
    dir: PathBuf,
    pub(super) version: String,
    pub(super) libvips: String,
}

impl Sharp {
    /// Finds sharp in the folder `node_modules` of the given directory.
    pub(super) fn find(dir: &Path) -> anyhow::Result<Self> {
        let dir = dir.canonicalize().with_context(|| format!("no directory {}", dir.display()))?;
        let output = node(&dir).output().context("cannot run node: --peers needs Node.js")?;
        let missing = "no sharp there: `npm install sharp` in a directory, then give it with --sharp-dir";
        ensure!(output.status.success(), "{}: {missing}", dir.display());
        let found: Self =
            serde_json::from_slice(&output.stdout).context("sharp does not tell its version")?;
        Ok(Self { dir, ..found })
    }

    /// Measures a case with sharp in a separate process.
    pub(super) fn measure(
        &self,
        input: &Path,
        case: &ImageCase,
        budget_ms: u32,
        output: Option<&Path>,
    ) -> anyhow::Result<Measurement> {
        let mut command = node(&self.dir);
        command.arg(input).arg(case.sharp).arg(budget_ms.to_string()).args(output);
        Measurement::of_process(&mut command).with_context(|| format!("sharp's job {}", case.name))
    }
}

/// Creates the command that runs the script with Node.js. Without further arguments, the script prints the
/// versions of sharp and libvips.
fn node(dir: &Path) -> Command {
    let mut command = Command::new("node");
    command.arg("-e").arg(SCRIPT).arg("--").arg(dir);
    command
}
