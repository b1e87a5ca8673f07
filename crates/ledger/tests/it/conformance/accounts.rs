//! Conformance tests of API keys, accounts and usage.

use pixaven_ledger::{Clock, Error, Ledger, Secret, Usage, UsageDelta, WebhookStatus};

use crate::fixture::{Fixture, START_MS, key};

pub(crate) async fn the_first_api_key_creates_the_default_account(f: Fixture) {
    f.clock.advance(5);
    let second = f.ledger.create_key(key(1)).await.unwrap();
    assert_eq!(second.account, f.account);
    let account = f.ledger.account(f.account).await.unwrap().unwrap();
    assert_eq!((&account.name[..], account.created_ms), ("default", START_MS));
    let secrets: Vec<_> = account.webhook_secrets.iter().map(Secret::expose).collect();
    assert_eq!(secrets, ["whsec_first"], "only the first key adds a signing secret");

    let keys = f.ledger.keys().await.unwrap();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[1], second);
    assert_eq!((&keys[0].id[..], &keys[0].prefix[..], &keys[0].label[..]), ("0000000000", "pxv_00", "key 0"));
    assert_eq!(f.ledger.account(f.account + 1).await.unwrap(), None);
}

pub(crate) async fn an_api_key_is_valid_until_it_is_revoked(f: Fixture) {
    let id = f.ledger.create_key(key(1)).await.unwrap().id;
    let account = f.ledger.account_by_key([1; 32]).await.unwrap().unwrap();
    assert_eq!(Some(account), f.ledger.account(f.account).await.unwrap());
    assert_eq!(f.ledger.account_by_key([2; 32]).await.unwrap(), None);

    f.clock.advance(9);
    assert!(f.ledger.revoke_key(&id).await.unwrap());
    assert!(!f.ledger.revoke_key(&id).await.unwrap(), "the key was revoked before");
    assert!(!f.ledger.revoke_key("nobody").await.unwrap());
    assert_eq!(f.ledger.account_by_key([1; 32]).await.unwrap(), None);
    assert!(f.ledger.account_by_key([0; 32]).await.unwrap().is_some(), "the other key is still valid");
    let revoked = f.ledger.keys().await.unwrap().into_iter().find(|key| key.id == id).unwrap();
    assert_eq!(revoked.revoked_ms, Some(START_MS + 9));
}

pub(crate) async fn an_api_key_cannot_be_added_twice(f: Fixture) {
    assert!(matches!(f.ledger.create_key(key(0)).await, Err(Error::Exists)));
    assert_eq!(f.ledger.keys().await.unwrap().len(), 1);
}

pub(crate) async fn an_api_key_added_by_another_process_is_valid_at_once(f: Fixture) {
    assert_eq!(f.ledger.account_by_key([1; 32]).await.unwrap(), None);
    let other = Ledger::open(f.store.clone(), Clock::manual(START_MS)).await.unwrap();
    let id = other.create_key(key(1)).await.unwrap().id;
    assert!(f.ledger.account_by_key([1; 32]).await.unwrap().is_some());
    other.revoke_key(&id).await.unwrap();
    assert_eq!(f.ledger.account_by_key([1; 32]).await.unwrap(), None);
}

pub(crate) async fn reading_the_usage_of_an_unknown_account_fails(f: Fixture) {
    let usage = UsageDelta { requests: 1, input_bytes: 20, output_bytes: 3 };
    f.ledger.record_result(f.account, usage, None).await.unwrap();
    f.ledger.record_result(f.account, usage, None).await.unwrap();
    let webhooks = WebhookStatus::ALL.into_iter().map(|status| (status, 0)).collect();
    let expected = Usage { requests: 2, input_bytes: 40, output_bytes: 6, webhooks };
    assert_eq!(f.ledger.usage(f.account).await.unwrap(), expected);

    let unknown = f.account + 1;
    assert!(matches!(f.ledger.usage(unknown).await, Err(Error::UnknownAccount(n)) if n == unknown));
    let recorded = f.ledger.record_result(unknown, usage, None).await;
    assert!(matches!(recorded, Err(Error::UnknownAccount(n)) if n == unknown));
}
