//! Conformance tests of the texts that the caller of the ledger seals.

use pixaven_ledger::{RequestSecrets, Secret};

use crate::fixture::{Fixture, webhook};

pub(crate) async fn replaced_texts_of_secrets_and_requests_are_returned_by_claims_and_accounts(f: Fixture) {
    let mut stored = f.ledger.stored_secrets().await.unwrap();
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].secret.expose(), "whsec_first");
    stored[0].secret = Secret::from("sealed".to_owned());
    f.ledger.replace_stored_secret(stored.remove(0)).await.unwrap();
    let account = f.ledger.account(f.account).await.unwrap().unwrap();
    let secrets: Vec<_> = account.webhook_secrets.iter().map(Secret::expose).collect();
    assert_eq!(secrets, ["sealed"]);

    let ids = [f.accept(webhook()).await, f.accept(webhook()).await, f.accept(webhook()).await];
    let first = f.ledger.request_secrets(0, 2).await.unwrap();
    assert_eq!(first.iter().map(|request| request.id).collect::<Vec<_>>(), ids[..2]);
    let rest = f.ledger.request_secrets(first[1].seq, 2).await.unwrap();
    assert_eq!(rest.iter().map(|request| request.id).collect::<Vec<_>>(), ids[2..]);
    let changed = RequestSecrets {
        webhook_url: "https://sealed@h/".to_owned(),
        webhook_headers: vec![("x".to_owned(), "sealed".to_owned())],
        spec: "sealed spec".to_owned(),
        ..first[1].clone()
    };
    f.ledger.replace_request_secrets(vec![changed.clone()]).await.unwrap();
    assert_eq!(f.ledger.request_secrets(0, 2).await.unwrap(), [first[0].clone(), changed.clone()]);
    let jobs = f.ledger.claim_jobs(3, 60_000).await.unwrap();
    let job = jobs.iter().find(|job| job.value.id == changed.id).unwrap();
    assert_eq!(job.value.spec, "sealed spec");
}
