//! Conformance tests of stored results.

use bytes::Bytes;
use pixaven_ledger::{Error, ExpiredResult, StoredContent, StoredResult, UsageDelta};
use uuid::Uuid;

use crate::fixture::{Fixture, LEASE_MS, START_MS, job_outcome, result, webhook};

pub(crate) async fn a_result_is_found_until_it_expires(f: Fixture) {
    let [mut first, second] = [1_000, 2_000].map(|ms| result(Uuid::new_v4(), f.account, START_MS + ms));
    first.content = StoredContent::Inline(Bytes::from_static(&[0xff, 0xd8, 0, 0xff, 0xd9]));
    for stored in [&second, &first] {
        f.ledger.record_result(f.account, UsageDelta::default(), Some(stored.clone())).await.unwrap();
    }
    let duplicate = f.ledger.record_result(f.account, UsageDelta::default(), Some(first.clone())).await;
    assert!(matches!(duplicate, Err(Error::Exists)));

    assert_eq!(f.ledger.result(first.id, "image.jpg").await.unwrap().as_ref(), Some(&first));
    assert_eq!(f.ledger.result(first.id, "other.jpg").await.unwrap(), None);
    assert_eq!(f.ledger.expired_results(9).await.unwrap(), []);
    f.clock.advance(1_000);
    assert_eq!(f.ledger.result(first.id, "image.jpg").await.unwrap(), None);
    assert_eq!(f.ledger.expired_results(9).await.unwrap(), [expired(&first)]);
    f.clock.advance(1_000);
    assert_eq!(
        f.ledger.expired_results(1).await.unwrap(),
        [expired(&first)],
        "the longest expired result comes first"
    );

    f.ledger.delete_results(&[first.id, Uuid::new_v4()]).await.unwrap();
    assert_eq!(f.ledger.expired_results(9).await.unwrap(), [expired(&second)]);
}

fn expired(result: &StoredResult) -> ExpiredResult {
    let blob_key = match &result.content {
        StoredContent::File { key } => Some(key.clone()),
        StoredContent::Inline(_) => None,
    };
    ExpiredResult { id: result.id, blob_key }
}

pub(crate) async fn the_result_of_a_job_under_a_lost_lease_is_not_stored(f: Fixture) {
    let id = f.accept(webhook()).await;
    let stored = result(id, f.account, START_MS + 10 * LEASE_MS);
    let mut with_result = job_outcome(id);
    with_result.result = Some(stored.clone());
    let late = f.claim_job().await;
    f.clock.advance(LEASE_MS);
    let current = f.claim_job().await;
    assert!(matches!(f.ledger.finish_job(&late, with_result.clone()).await, Err(Error::LostLease)));
    assert_eq!(f.ledger.result(id, "image.jpg").await.unwrap(), None);
    f.ledger.finish_job(&current, with_result).await.unwrap();
    assert_eq!(f.ledger.result(id, "image.jpg").await.unwrap(), Some(stored));
}
