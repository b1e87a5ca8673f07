//! Tests that the names of new files and directories are flushed before the opening of a ledger ends. A child
//! process, which runs this test program again, opens a ledger under `strace`. The tests are skipped where
//! `strace` is missing or has no permission to trace processes. `pixaven-bench powercut` simulates power cuts
//! of a whole server.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use pixaven_ledger::{Clock, Ledger, Store};

use crate::fixture::START_MS;

/// The environment variable that passes the ledger's directory to the child process.
const DIRECTORY: &str = "PIXAVEN_TEST_POWER_CUT_DIRECTORY";

/// The names of files and directories that the child process created or flushed.
struct Names {
    /// The created files and directories whose names were not flushed afterwards.
    unflushed: HashSet<PathBuf>,
    /// All directories that were flushed.
    flushed: HashSet<PathBuf>,
}

#[test]
fn opening_a_ledger_flushes_the_names_of_new_files_and_directories_to_disk() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path().canonicalize().unwrap();
    let Some(names) = names_after_opening(&root) else { return };
    assert_eq!(names.unflushed, HashSet::new());
    let directories = ["", "a", "a/b"].map(|directory| root.join(directory));
    assert!(directories.iter().all(|directory| names.flushed.contains(directory)), "{:?}", names.flushed);
}

#[test]
fn opening_an_existing_ledger_flushes_the_names_of_its_directories_to_disk_again() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path().canonicalize().unwrap();
    for _ in 0..2 {
        let Some(names) = names_after_opening(&root) else { return };
        let directories = ["a", "a/b"].map(|directory| root.join(directory));
        assert!(directories.iter().all(|directory| names.flushed.contains(directory)), "{:?}", names.flushed);
    }
}

/// Opens a ledger in the directory `a/b` below `root` under `strace`. Returns `None` if `strace` cannot run.
fn names_after_opening(root: &Path) -> Option<Names> {
    let trace = root.join("trace");
    let traced = Command::new("strace")
        .args(["-f", "-y", "-e", "trace=mkdir,mkdirat,openat,fsync", "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "power_cut::the_child_process_opens_a_ledger_in_a_given_directory", "--ignored"])
        .env(DIRECTORY, root.join("a").join("b"))
        .output();
    let output = match traced {
        Ok(output) if !String::from_utf8_lossy(&output.stderr).contains("PTRACE_") => output,
        _ => {
            eprintln!("SKIPPED: strace is missing or must not trace, so no flush of a name was checked");
            return None;
        }
    };
    assert!(output.status.success(), "{output:?}");
    Some(Names::read(&std::fs::read_to_string(trace).unwrap(), root))
}

impl Names {
    /// Reads the output of `strace`. If a call of another thread splits a system call into two lines of the
    /// output, only the first line counts.
    fn read(trace: &str, root: &Path) -> Self {
        let mut names = Self { unflushed: HashSet::new(), flushed: HashSet::new() };
        // SQLite opens even an existing write-ahead log with `O_CREAT`, so only the first such call for a
        // name counts as its creation.
        let mut known = HashSet::new();
        for line in trace.lines().filter(|line| !line.contains(" = -1 ") && !line.contains(" resumed>")) {
            if line.contains(" fsync(") {
                let directory = line.split(['<', '>']).nth(1).map(PathBuf::from);
                names.unflushed.retain(|name| name.parent() != directory.as_deref());
                names.flushed.extend(directory);
            } else if line.contains(" mkdir") || line.contains("O_CREAT") {
                let name = line.split('"').nth(1).map(PathBuf::from);
                let is_new = |name: &PathBuf| name.starts_with(root) && known.insert(name.clone());
                names.unflushed.extend(name.filter(is_new));
            }
        }
        names
    }
}

#[tokio::test]
#[ignore = "the child process of the other tests, which needs a directory"]
async fn the_child_process_opens_a_ledger_in_a_given_directory() {
    let directory = std::env::var_os(DIRECTORY).expect("the parent process passes the directory");
    let store = Store::Sqlite { path: PathBuf::from(directory).join("ledger.db") };
    drop(Ledger::open(store, Clock::manual(START_MS)).await.unwrap());
}
