//! Tests of writes that the operating system refuses. A child process runs this test program again, with a
//! limit on the size of its files. At this limit, the operating system refuses a write in the middle of a
//! commit, just as when a disk quota is used up.

use std::path::PathBuf;
use std::process::Command;

use pixaven_ledger::{Clock, Error, Ledger};

use crate::fixture::{Fixture, LEASE_MS, START_MS, request, sqlite, webhook};

/// The environment variable that contains the ledger's directory for the child process.
const DIRECTORY: &str = "PIXAVEN_TEST_DIRECTORY";

/// A shell script that runs the program in its arguments, and limits each file of this program to a few MiB.
/// The script ignores the signal XFSZ. Without this, a write beyond the limit would kill the program instead
/// of failing.
const RUN_WITH_FILE_LIMIT: &str = r#"trap "" XFSZ; ulimit -f 4096; exec "$0" "$@""#;

#[tokio::test]
async fn a_write_that_the_operating_system_refuses_returns_the_error_busy_and_the_ledger_keeps_working() {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new("sh")
        .args(["-c", RUN_WITH_FILE_LIMIT])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "faults::the_child_process_accepts_requests_until_the_operating_system_refuses_a_write",
            "--ignored",
            "--nocapture",
        ])
        .env(DIRECTORY, directory.path())
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    let n_accepted = report.lines().find_map(|line| line.strip_prefix("accepted ")?.parse::<usize>().ok());
    assert!(output.status.success(), "{report}{}", String::from_utf8_lossy(&output.stderr));
    let n_accepted = n_accepted.expect("the child process reports how many requests it accepted");
    assert!(n_accepted > 0);

    let ledger = Ledger::open(sqlite(directory.path()), Clock::manual(START_MS)).await.unwrap();
    ledger.health().await.unwrap();
    let jobs = ledger.claim_jobs(10_000, LEASE_MS).await.unwrap();
    assert_eq!(jobs.len(), n_accepted, "exactly the accepted requests are stored");
}

#[tokio::test]
#[ignore = "runs only as the child process that the test of refused writes starts"]
async fn the_child_process_accepts_requests_until_the_operating_system_refuses_a_write() {
    let directory =
        PathBuf::from(std::env::var_os(DIRECTORY).expect("the parent process passes the directory"));
    let f = Fixture::open(sqlite(&directory), ()).await;
    let mut n_accepted = 0;
    let refused = loop {
        let mut new = request(f.account, webhook());
        new.spec = "x".repeat(50_000);
        match f.ledger.accept(new).await {
            Ok(()) => n_accepted += 1,
            Err(error) => break error,
        }
        assert!(n_accepted < 10_000, "no limit on the size of files is set");
    };
    assert!(matches!(refused, Error::Busy), "{refused:?}");
    f.ledger.keys().await.expect("the ledger can still be read");
    match f.ledger.accept(request(f.account, webhook())).await {
        Ok(()) => n_accepted += 1,
        Err(error) => assert!(matches!(error, Error::Busy), "{error:?}"),
    }
    println!("\naccepted {n_accepted}");
}
