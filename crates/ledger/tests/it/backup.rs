//! Tests of the copy of an SQLite ledger that is in use.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use pixaven_ledger::{
    BackupError, FileContent, InputRef, Ledger, NamedFile, NewRequest, Store, StoredContent, UsageDelta,
    WatermarkQuota, back_up_ledger,
};
use uuid::Uuid;

use crate::fixture::{Fixture, LEASE_MS, START_MS, job_outcome, only, request, result, watermark, webhook};
use crate::worked::violations;

/// Accepts an upload whose bytes are in the file `key`.
async fn accept_upload(f: &Fixture, key: &str) {
    let content = StoredContent::File { key: key.to_owned() };
    let input = InputRef::Upload { content, name: "a.jpg".to_owned(), bytes: 9 };
    f.ledger.accept(NewRequest { input, ..request(f.account, webhook()) }).await.unwrap();
}

/// Adds two results, of which one has expired, and two watermarks, of which one is removed.
async fn add_files(f: &Fixture) {
    for (number, expires_ms) in [(1, START_MS + 1), (2, START_MS)] {
        let stored = result(Uuid::from_u128(number), f.account, expires_ms);
        f.ledger.record_result(f.account, UsageDelta::default(), Some(stored)).await.unwrap();
    }
    for id in ["kept", "removed"] {
        f.ledger.add_watermark(watermark(id, f), WatermarkQuota { count: 9, bytes: 999 }).await.unwrap();
    }
    f.ledger.remove_watermark(f.account, "removed").await.unwrap();
}

#[tokio::test]
async fn the_files_of_a_copied_ledger_are_those_that_it_names_at_the_moment_of_the_copy() {
    let f = crate::sqlite::fresh().await.unwrap();
    accept_upload(&f, "inputs/used-up").await;
    add_files(&f).await;
    let Store::Sqlite { path } = f.store.clone() else { panic!("the ledger is a file") };
    let copy = tempfile::NamedTempFile::new().unwrap();

    let rounds = Arc::new(Mutex::new(Vec::new()));
    let ((stopped, is_stopped), (go_on, stop)) = (channel(), channel());
    let sink = Arc::clone(&rounds);
    let keep_file = move |file: NamedFile| {
        let is_first = sink.lock().unwrap().is_empty();
        sink.lock().unwrap().push(file);
        if is_first {
            stopped.send(()).unwrap();
            stop.recv().unwrap();
        }
        Ok(())
    };
    let mut backup = tokio::task::JoinSet::new();
    backup.spawn(back_up_ledger(path, copy.path().to_owned(), START_MS, keep_file));
    // In the first round, the ledger is in use.
    tokio::task::spawn_blocking(move || is_stopped.recv().unwrap()).await.unwrap();
    let job = only(f.ledger.claim_jobs(1, LEASE_MS).await.unwrap());
    let outcome = job_outcome(job.value.id);
    f.ledger.finish_job(&job, outcome).await.unwrap();
    accept_upload(&f, "inputs/new").await;
    go_on.send(()).unwrap();
    backup.join_next().await.unwrap().unwrap().unwrap();

    let named = |name: &str, is_needed| {
        let content = match name.split_once('/') {
            Some(_) => FileContent::Key(name.to_owned()),
            None => FileContent::Watermark(name.to_owned()),
        };
        NamedFile { content, is_needed }
    };
    let (valid, expired) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let last_round = [
        named("inputs/new", true),
        named(&format!("results/{valid}"), true),
        named(&format!("results/{expired}"), false),
        named("kept", true),
        named("removed", false),
    ];
    let rounds = rounds.lock().unwrap().clone();
    assert!(rounds.ends_with(&last_round), "{rounds:#?}");
    assert_eq!(
        rounds[0],
        named("inputs/used-up", false),
        "the server may delete the files of the first round"
    );

    let store = Store::Sqlite { path: copy.path().to_owned() };
    assert_eq!(violations(store.clone()).await, Vec::<String>::new());
    let copied = Ledger::open(store, f.clock.clone()).await.unwrap();
    assert_eq!(copied.usage(f.account).await.unwrap(), f.ledger.usage(f.account).await.unwrap());
    let job = only(copied.claim_jobs(9, LEASE_MS).await.unwrap());
    let content = StoredContent::File { key: "inputs/new".to_owned() };
    assert_eq!(job.value.input.content(), Some(&content));
}

#[tokio::test]
async fn an_error_of_a_file_ends_the_copy_and_lets_others_write() {
    let f = crate::sqlite::fresh().await.unwrap();
    accept_upload(&f, "inputs/a").await;
    let Store::Sqlite { path } = f.store.clone() else { panic!("the ledger is a file") };
    let copy = tempfile::NamedTempFile::new().unwrap();
    let refuse = |file: NamedFile| if file.is_needed { Err(std::io::Error::other("full")) } else { Ok(()) };
    let ended = back_up_ledger(path, copy.path().to_owned(), START_MS, refuse).await;
    assert!(matches!(ended, Err(BackupError::Files(_))), "{ended:?}");
    accept_upload(&f, "inputs/b").await;
}
