//! Conformance tests of watermarks: the account of a watermark, the quota, and the lifetime of removed
//! watermarks.

use pixaven_ledger::{AddWatermarkOutcome, Error, Watermark, WatermarkQuota};

use crate::fixture::{Fixture, START_MS, job_outcome, watermark, webhook};

const QUOTA: WatermarkQuota = WatermarkQuota { count: 3, bytes: 1_000 };
const HOUR_MS: i64 = 60 * 60 * 1000;

async fn add(f: &Fixture, id: &str) -> AddWatermarkOutcome {
    f.ledger.add_watermark(watermark(id, f), QUOTA).await.unwrap()
}

async fn ids(f: &Fixture, offset: u64, limit: u32) -> (u64, Vec<String>) {
    let page = f.ledger.watermarks(f.account, offset, limit).await.unwrap();
    (page.total, page.watermarks.into_iter().map(|watermark| watermark.id).collect())
}

pub(crate) async fn a_watermark_is_found_until_it_is_removed(f: Fixture) {
    let watermark = watermark("aaaaaaaaaa", &f);
    assert_eq!(f.ledger.add_watermark(watermark.clone(), QUOTA).await.unwrap(), AddWatermarkOutcome::Added);
    assert_eq!(f.ledger.watermark(f.account, "aaaaaaaaaa").await.unwrap(), Some(watermark.clone()));
    assert_eq!(f.ledger.watermark(f.account, "bbbbbbbbbb").await.unwrap(), None);
    assert!(matches!(f.ledger.add_watermark(watermark.clone(), QUOTA).await, Err(Error::Exists)));
    f.clock.advance(5);
    assert_eq!(add(&f, "cccccccccc").await, AddWatermarkOutcome::Added);
    assert_eq!(ids(&f, 0, 10).await, (2, vec!["cccccccccc".to_owned(), "aaaaaaaaaa".to_owned()]));
    assert_eq!(ids(&f, 1, 10).await, (2, vec!["aaaaaaaaaa".to_owned()]));
    assert_eq!(ids(&f, 0, 1).await, (2, vec!["cccccccccc".to_owned()]));

    assert!(f.ledger.remove_watermark(f.account, "aaaaaaaaaa").await.unwrap());
    assert!(
        !f.ledger.remove_watermark(f.account, "aaaaaaaaaa").await.unwrap(),
        "the watermark was removed before"
    );
    assert_eq!(f.ledger.watermark(f.account, "aaaaaaaaaa").await.unwrap(), None);
    assert_eq!(ids(&f, 0, 10).await, (1, vec!["cccccccccc".to_owned()]));
    let accepted = f.ledger.watermark_including_removed(f.account, "aaaaaaaaaa").await.unwrap();
    assert_eq!(accepted, Some(watermark), "earlier requests can still use the watermark");
}

pub(crate) async fn a_watermark_of_another_account_is_not_found(f: Fixture) {
    add(&f, "aaaaaaaaaa").await;
    let other = f.account + 1;
    assert_eq!(f.ledger.watermark(other, "aaaaaaaaaa").await.unwrap(), None);
    assert_eq!(f.ledger.watermark_including_removed(other, "aaaaaaaaaa").await.unwrap(), None);
    assert_eq!(f.ledger.watermarks(other, 0, 10).await.unwrap().total, 0);
    assert!(!f.ledger.remove_watermark(other, "aaaaaaaaaa").await.unwrap());
    let theirs = Watermark { account: other, ..watermark("bbbbbbbbbb", &f) };
    let added = f.ledger.add_watermark(theirs, QUOTA).await;
    assert!(matches!(added, Err(Error::UnknownAccount(n)) if n == other));
    assert!(f.ledger.watermark(f.account, "aaaaaaaaaa").await.unwrap().is_some());
}

pub(crate) async fn the_watermark_quota_of_an_account_counts_only_watermarks_that_are_not_removed(
    f: Fixture,
) {
    let sized = |id, bytes| Watermark { bytes, ..watermark(id, &f) };
    let add = async |id, bytes| f.ledger.add_watermark(sized(id, bytes), QUOTA).await.unwrap();
    assert_eq!(add("aaaaaaaaaa", 1_001).await, AddWatermarkOutcome::TooManyBytes);
    assert_eq!(add("aaaaaaaaaa", 400).await, AddWatermarkOutcome::Added);
    assert_eq!(add("bbbbbbbbbb", 600).await, AddWatermarkOutcome::Added);
    assert_eq!(add("cccccccccc", 1).await, AddWatermarkOutcome::TooManyBytes);
    f.ledger.remove_watermark(f.account, "bbbbbbbbbb").await.unwrap();
    assert_eq!(add("cccccccccc", 1).await, AddWatermarkOutcome::Added);
    assert_eq!(add("dddddddddd", 1).await, AddWatermarkOutcome::Added);
    assert_eq!(add("eeeeeeeeee", 1).await, AddWatermarkOutcome::TooMany);
    assert_eq!(f.ledger.watermark(f.account, "eeeeeeeeee").await.unwrap(), None);
}

pub(crate) async fn a_removed_watermark_is_kept_until_requests_accepted_before_the_removal_are_processed(
    f: Fixture,
) {
    let deletable = async || f.ledger.deletable_watermarks(f.clock.now_ms() - HOUR_MS, 10).await.unwrap();
    add(&f, "aaaaaaaaaa").await;
    add(&f, "bbbbbbbbbb").await;
    let id = f.accept(webhook()).await;
    f.clock.advance(10);
    f.ledger.remove_watermark(f.account, "aaaaaaaaaa").await.unwrap();
    f.clock.advance(400 * HOUR_MS);
    assert_eq!(
        deletable().await,
        Vec::<String>::new(),
        "an unprocessed request may still need the watermark"
    );
    let lease = f.claim_job().await;
    f.ledger.finish_job(&lease, job_outcome(id)).await.unwrap();
    assert_eq!(deletable().await, ["aaaaaaaaaa"]);

    // This request was accepted long after the removal of the watermark, so it cannot use the watermark.
    f.accept(webhook()).await;
    assert_eq!(deletable().await, ["aaaaaaaaaa"]);
    f.ledger.remove_watermark(f.account, "bbbbbbbbbb").await.unwrap();
    assert_eq!(deletable().await, ["aaaaaaaaaa"], "the other watermark was removed too recently");
    let all = ["aaaaaaaaaa", "bbbbbbbbbb", "cccccccccc"].map(str::to_owned);
    assert_eq!(f.ledger.existing_watermarks(&all).await.unwrap(), all[..2]);
    f.ledger.delete_watermarks(&all[..1]).await.unwrap();
    assert_eq!(f.ledger.existing_watermarks(&all).await.unwrap(), all[1..2]);
    assert_eq!(deletable().await, Vec::<String>::new());
    assert!(f.clock.now_ms() > START_MS);
}
