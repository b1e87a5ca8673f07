//! Finds out which walls of the jail the running kernel lacks. A short-lived child process enters the jail,
//! because a process that has entered the jail can never leave it.

use std::io;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use super::jail::{self, MissingWall};

/// The hidden command of the `pixaven` binary that enters the jail and prints the missing walls.
pub const COMMAND: &str = "jail-probe";

/// Enters the jail and prints the names of the missing walls on standard output, one per line.
///
/// # Errors
/// If a resource limit or a process attribute cannot be set.
pub fn print_missing_walls() -> io::Result<()> {
    for wall in jail::enter()? {
        println!("{}", wall.name());
    }
    Ok(())
}

/// Runs the probe and returns the walls that the running kernel lacks. `program` is the path of the `pixaven`
/// binary.
///
/// # Errors
/// If the probe cannot be started or fails, for example because a resource limit cannot be set. An image
/// worker would then fail, too.
pub async fn missing_walls(program: &Path) -> io::Result<Vec<MissingWall>> {
    let probe = Command::new(program).arg(COMMAND).env_clear().stdin(Stdio::null()).output().await?;
    if !probe.status.success() {
        let detail = String::from_utf8_lossy(&probe.stderr);
        return Err(io::Error::other(format!("{COMMAND} failed ({}): {}", probe.status, detail.trim_end())));
    }
    let names = String::from_utf8_lossy(&probe.stdout);
    let wall_of = |name: &str| MissingWall::ALL.into_iter().find(|wall| wall.name() == name);
    Ok(names.lines().filter_map(wall_of).collect())
}
