//! What happens when the disk takes no more. A child process of this very program runs under a limit on the size of its
//! files, so that the system refuses a write in the middle of a commit, as it does where a quota is used up.

use std::path::PathBuf;
use std::process::Command;

use pixaven_ledger::{Clock, Error, Ledger};

use crate::fixture::{Fixture, LEASE_MS, START_MS, request, sqlite, webhook};

/// Tells the child where its ledger is.
const DIRECTORY: &str = "PIXAVEN_TEST_DIRECTORY";

/// Runs the program in its arguments with files of at most a few MiB; beyond it, writes fail instead of killing.
const LIMITED: &str = r#"trap "" XFSZ; ulimit -f 4096; exec "$0" "$@""#;

#[tokio::test]
async fn a_refused_write_is_a_full_disk_and_no_reason_to_stop() {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new("sh")
        .args(["-c", LIMITED])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "faults::child", "--ignored", "--nocapture"])
        .env(DIRECTORY, directory.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let n_accepted = told.lines().find_map(|line| line.strip_prefix("accepted ")?.parse::<usize>().ok());
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let n_accepted = n_accepted.expect("the child says how many it accepted");
    assert!(n_accepted > 0);

    let ledger = Ledger::open(sqlite(directory.path()), Clock::manual(START_MS)).await.unwrap();
    ledger.health().await.unwrap();
    let jobs = ledger.claim_jobs(10_000, LEASE_MS).await.unwrap();
    assert_eq!(jobs.len(), n_accepted, "what was accepted is there, what was refused is not");
}

#[tokio::test]
#[ignore = "needs a limit on file sizes: a part of a_refused_write_is_a_full_disk_and_no_reason_to_stop"]
async fn child() {
    let directory = PathBuf::from(std::env::var_os(DIRECTORY).expect("the parent says where"));
    let f = Fixture::open(sqlite(&directory), ()).await;
    let mut n_accepted = 0;
    let refused = loop {
        let mut new = request(f.account, webhook());
        new.spec = "x".repeat(50_000);
        match f.ledger.accept(new).await {
            Ok(()) => n_accepted += 1,
            Err(error) => break error,
        }
        assert!(n_accepted < 10_000, "nothing limits the size of files");
    };
    assert!(matches!(refused, Error::Busy), "{refused:?}");
    f.ledger.keys().await.expect("what is there can be read");
    match f.ledger.accept(request(f.account, webhook())).await {
        Ok(()) => n_accepted += 1,
        Err(error) => assert!(matches!(error, Error::Busy), "{error:?}"),
    }
    println!("\naccepted {n_accepted}");
}
