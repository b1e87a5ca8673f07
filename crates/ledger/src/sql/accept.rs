//! Accepts requests: inserts each request with its job and its webhook.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use uuid::Uuid;

use super::counters::{Delta, Deltas};
use super::{Params, Tx, columns, headers, params, statements, webhooks};
use crate::due_signal::{DueUpdate, Queue};
use crate::error::Error;
use crate::model::account::AccountId;
use crate::model::authority::Authority;
use crate::model::request::{InputRef, NewRequest, StoredContent};
use crate::model::webhook::WebhookStatus;

columns! {
    RequestRow<'_> as request_columns, write {
        id, account, created_ms, input_key, input_name, input_bytes, webhook_delay_ms, webhook_expires_ms,
        webhook_retry, webhook_authority, webhook_url, webhook_headers, spec
    }
}

statements! {
    /// This statement inserts no request whose id exists.
    ADD_REQUEST[request_columns!()] = concat!(
        "INSERT INTO requests (", request_columns!(), ") SELECT ", request_columns!(of_rows), " FROM {rows}
         ON CONFLICT (id) DO NOTHING RETURNING id, seq"
    );
    ADD_JOB["seq, account, due_ms"] = "INSERT INTO jobs (seq, account, due_ms, fence, n_crashes)
                                       SELECT v.seq, v.account, v.due_ms, 0, 0 FROM {rows}";
    ADD_INPUT["seq, content"] = "INSERT INTO inputs (seq, content) SELECT v.seq, v.content FROM {rows}";
    ACCOUNT = "SELECT id FROM accounts WHERE id = ?1";
}

/// The row of an accepted request.
struct RequestRow<'a> {
    id: Uuid,
    account: AccountId,
    created_ms: i64,
    input_key: Option<&'a String>,
    input_name: Option<&'a String>,
    input_bytes: Option<u64>,
    webhook_delay_ms: i64,
    webhook_expires_ms: Option<i64>,
    webhook_retry: bool,
    webhook_authority: &'a Authority,
    webhook_url: &'a String,
    webhook_headers: String,
    spec: &'a String,
}

/// Inserts requests with their jobs and their webhooks. Returns one answer for each request: a request whose id
/// exists, or whose account does not exist, is not inserted.
pub(crate) fn accept(tx: &mut Tx<'_>, requests: &[NewRequest]) -> Result<Vec<Result<(), Error>>, Error> {
    let now_ms = tx.now_ms();
    let mut is_known = HashMap::<AccountId, bool>::new();
    for request in requests {
        if let Entry::Vacant(entry) = is_known.entry(request.account) {
            let account: Option<AccountId> = tx.query_optional(&ACCOUNT, params![request.account])?;
            entry.insert(account.is_some());
        }
    }
    let of_known = requests.iter().filter(|request| is_known[&request.account]);
    let new: Vec<_> = of_known.map(|request| RequestRow::new(request, now_ms)).collect();
    let inserted: Vec<(Uuid, i64)> =
        tx.query_all(&ADD_REQUEST, &new.iter().map(Params::of).collect::<Vec<_>>())?;
    let mut seqs: HashMap<_, _> = inserted.into_iter().collect();
    let mut answers = Vec::with_capacity(requests.len());
    let mut accepted = Vec::with_capacity(requests.len());
    for request in requests {
        match seqs.remove(&request.id) {
            Some(seq) => {
                accepted.push((seq, request));
                answers.push(Ok(()));
            }
            None if is_known[&request.account] => answers.push(Err(Error::Exists)),
            None => answers.push(Err(Error::UnknownAccount(request.account))),
        }
    }
    let (mut deltas, mut inputs, mut jobs) = (Deltas::default(), Vec::new(), Vec::new());
    for (seq, request) in &accepted {
        deltas.add(request.account, Delta::default().with(WebhookStatus::Created, 1));
        jobs.push(Params::of(seq).and(&request.account).and(&now_ms));
        if let Some(StoredContent::Inline(bytes)) = request.input.content() {
            inputs.push(Params::of(seq).and(bytes));
        }
    }
    deltas.apply(tx)?;
    tx.execute_each(&ADD_INPUT, &inputs)?;
    tx.execute_each(&ADD_JOB, &jobs)?;
    webhooks::create(tx, &accepted)?;
    if !accepted.is_empty() {
        tx.update_due_time(Queue::Jobs, DueUpdate::WorkDueAt(now_ms));
    }
    Ok(answers)
}

impl<'a> RequestRow<'a> {
    fn new(request: &'a NewRequest, created_ms: i64) -> Self {
        let webhook = &request.webhook;
        let (input_key, input_name, input_bytes) = match &request.input {
            InputRef::Url => (None, None, None),
            InputRef::Upload { content, name, bytes } => (content.file_key(), Some(name), Some(*bytes)),
        };
        Self {
            id: request.id,
            account: request.account,
            created_ms,
            input_key,
            input_name,
            input_bytes,
            webhook_delay_ms: webhook.delay_ms,
            webhook_expires_ms: webhook.expires_ms,
            webhook_retry: webhook.retry,
            webhook_authority: &webhook.authority,
            webhook_url: &webhook.url,
            webhook_headers: headers::encode(&webhook.headers),
            spec: &request.spec,
        }
    }
}
