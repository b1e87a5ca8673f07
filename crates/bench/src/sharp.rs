//! Finds an installation of [sharp](https://sharp.pixelplumbing.com), the image library that the tools
//! `images` and `quality` compare pixaven with, and runs scripts that use it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde::Deserialize;

/// A JavaScript program that prints the versions of sharp and libvips as JSON.
const VERSIONS: &str = r#"
const sharp = require(require.resolve("sharp", { paths: [process.argv[1]] }));
console.log(JSON.stringify({ version: sharp.versions.sharp, libvips: sharp.versions.vips }));
"#;

/// An installation of sharp.
#[derive(Debug, Deserialize)]
pub(crate) struct Sharp {
    #[serde(skip)]
    dir: PathBuf,
    pub(crate) version: String,
    pub(crate) libvips: String,
}

impl Sharp {
    /// Finds sharp in the folder `node_modules` of the given directory.
    pub(crate) fn find(dir: &Path) -> anyhow::Result<Self> {
        let dir = dir.canonicalize().with_context(|| format!("no directory {}", dir.display()))?;
        let output = node(VERSIONS, &dir).output().context("cannot run node: --peers needs Node.js")?;
        let missing = "no sharp there: `npm install sharp` in a directory, then give it with --sharp-dir";
        ensure!(output.status.success(), "{}: {missing}", dir.display());
        let found: Self =
            serde_json::from_slice(&output.stdout).context("sharp does not tell its version")?;
        Ok(Self { dir, ..found })
    }

    /// Creates a command that runs a JavaScript program with Node.js. The first argument of the program is
    /// the directory in which it finds sharp; the caller adds further arguments.
    pub(crate) fn command(&self, script: &str) -> Command {
        node(script, &self.dir)
    }
}

fn node(script: &str, dir: &Path) -> Command {
    let mut command = Command::new("node");
    command.arg("-e").arg(script).arg("--").arg(dir);
    command
}
