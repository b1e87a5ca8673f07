//! Accounts, keys, signing secrets and usage.

use std::fmt::Write as _;

use super::{Row, Tx, column, params, statements};
use crate::error::Error;
use crate::model::account::{Account, AccountId, KeyInfo, NewKey, Secret, SecretInfo, Usage};
use crate::model::webhook::WebhookStatus;

/// The account that the first key makes.
const DEFAULT_ACCOUNT: &str = "default";

/// How many bytes of a key's hash make its id: enough that two keys of one ledger never share it.
const KEY_ID_BYTES: usize = 5;

statements! {
    ADD_ACCOUNT = "INSERT INTO accounts (name, created_ms) VALUES (?1, ?2)
                   ON CONFLICT (name) DO NOTHING RETURNING id";
    ADD_SECRET = "INSERT INTO webhook_secrets (account, secret, created_ms) VALUES (?1, ?2, ?3)";
    ADD_COUNTERS = "INSERT INTO counters (account) VALUES (?1)";
    ACCOUNT_BY_NAME = "SELECT id FROM accounts WHERE name = ?1";
    ADD_KEY = "INSERT INTO api_keys (id, sha256, prefix, label, account, created_ms)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    KEYS = "SELECT id, prefix, label, account, created_ms, revoked_ms FROM api_keys ORDER BY created_ms, id";
    REVOKE_KEY = "UPDATE api_keys SET revoked_ms = ?2 WHERE id = ?1 AND revoked_ms IS NULL";
    ACCOUNT_BY_KEY = "SELECT a.id, a.name, a.created_ms
                      FROM api_keys k JOIN accounts a ON a.id = k.account
                      WHERE k.sha256 = ?1 AND k.revoked_ms IS NULL";
    ACCOUNT_BY_ID = "SELECT id, name, created_ms FROM accounts WHERE id = ?1";
    ACCOUNT_IDS = "SELECT id FROM accounts ORDER BY id";
    SECRETS = "SELECT secret, created_ms, retired_ms FROM webhook_secrets
               WHERE account = ?1 AND (retired_ms IS NULL OR retired_ms > ?2) ORDER BY no DESC";
    RETIRE_SECRETS = "UPDATE webhook_secrets SET retired_ms = ?3
                      WHERE account = ?1 AND (retired_ms IS NULL OR retired_ms > ?3) AND created_ms <= ?2";
    FORGET_SECRETS = "DELETE FROM webhook_secrets WHERE account = ?1 AND retired_ms <= ?2";
    USAGE = "SELECT requests, input_bytes, output_bytes, n_created, n_scheduled, n_dispatched, n_delivered, n_failed
             FROM counters WHERE account = ?1";
}

pub(crate) fn create_key(tx: &mut Tx<'_>, new: &NewKey) -> Result<KeyInfo, Error> {
    let key = KeyInfo {
        id: key_id(&new.sha256),
        prefix: new.prefix.clone(),
        label: new.label.clone(),
        account: default_account(tx, &new.webhook_secret)?,
        created_ms: tx.now_ms(),
        revoked_ms: None,
    };
    tx.execute(
        &ADD_KEY,
        params![&key.id, &new.sha256, &key.prefix, &key.label, key.account, key.created_ms],
    )?;
    Ok(key)
}

pub(crate) fn keys(tx: &mut Tx<'_>) -> Result<Vec<KeyInfo>, Error> {
    tx.query(&KEYS, params![], |row| {
        Ok(KeyInfo {
            id: row.take()?,
            prefix: row.take()?,
            label: row.take()?,
            account: row.take()?,
            created_ms: row.take()?,
            revoked_ms: row.take()?,
        })
    })
}

pub(crate) fn revoke_key(tx: &mut Tx<'_>, id: &str) -> Result<bool, Error> {
    let now_ms = tx.now_ms();
    Ok(tx.execute(&REVOKE_KEY, params![id, now_ms])? == 1)
}

pub(crate) fn account_by_key(tx: &mut Tx<'_>, sha256: &[u8; 32]) -> Result<Option<Account>, Error> {
    let account = tx.query_optional(&ACCOUNT_BY_KEY, params![sha256], read_account)?;
    account.map(|account| with_secrets(tx, account)).transpose()
}

pub(crate) fn account(tx: &mut Tx<'_>, id: AccountId) -> Result<Option<Account>, Error> {
    let account = tx.query_optional(&ACCOUNT_BY_ID, params![id], read_account)?;
    account.map(|account| with_secrets(tx, account)).transpose()
}

/// The secrets that webhooks are signed with now, newest first.
pub(crate) fn secrets(tx: &mut Tx<'_>, account: AccountId) -> Result<Vec<SecretInfo>, Error> {
    let now_ms = tx.now_ms();
    tx.query(&SECRETS, params![account, now_ms], |row| {
        Ok(SecretInfo {
            secret: Secret::from(row.take::<String>()?),
            created_ms: row.take()?,
            retires_ms: row.take()?,
        })
    })
}

/// Adds a secret; those before it end after `overlap_ms`, or when they were to end anyway.
pub(crate) fn rotate_secret(
    tx: &mut Tx<'_>,
    account: AccountId,
    secret: &str,
    overlap_ms: i64,
) -> Result<Vec<SecretInfo>, Error> {
    let now_ms = tx.now_ms();
    let known = tx.query_optional(&ACCOUNT_BY_ID, params![account], read_account)?;
    known.ok_or(Error::UnknownAccount(account))?;
    tx.execute(&FORGET_SECRETS, params![account, now_ms])?;
    tx.execute(&RETIRE_SECRETS, params![account, now_ms, now_ms.saturating_add(overlap_ms.max(0))])?;
    tx.execute(&ADD_SECRET, params![account, secret, now_ms])?;
    secrets(tx, account)
}

/// Every account there is. Accounts are made by hand, so they are few.
pub(super) fn ids(tx: &mut Tx<'_>) -> Result<Vec<AccountId>, Error> {
    tx.query(&ACCOUNT_IDS, params![], column)
}

pub(crate) fn usage(tx: &mut Tx<'_>, account: AccountId) -> Result<Usage, Error> {
    tx.query_optional(&USAGE, params![account], |row| {
        Ok(Usage {
            requests: row.take()?,
            input_bytes: row.take()?,
            output_bytes: row.take()?,
            webhooks: WebhookStatus::ALL
                .into_iter()
                .map(|status| Ok((status, row.take()?)))
                .collect::<Result<_, Error>>()?,
        })
    })?
    .ok_or(Error::UnknownAccount(account))
}

/// The account of every key so far; made, with its first signing secret, when there is none.
fn default_account(tx: &mut Tx<'_>, secret: &str) -> Result<AccountId, Error> {
    let now_ms = tx.now_ms();
    let Some(id) = tx.query_optional(&ADD_ACCOUNT, params![DEFAULT_ACCOUNT, now_ms], column::<AccountId>)?
    else {
        return tx.query_one(&ACCOUNT_BY_NAME, params![DEFAULT_ACCOUNT], column);
    };
    tx.execute(&ADD_SECRET, params![id, secret, now_ms])?;
    tx.execute(&ADD_COUNTERS, params![id])?;
    Ok(id)
}

fn read_account(row: &mut Row<'_>) -> Result<Account, Error> {
    Ok(Account { id: row.take()?, name: row.take()?, created_ms: row.take()?, webhook_secrets: Vec::new() })
}

fn with_secrets(tx: &mut Tx<'_>, account: Account) -> Result<Account, Error> {
    let secrets = secrets(tx, account.id)?;
    Ok(Account { webhook_secrets: secrets.into_iter().map(|known| known.secret).collect(), ..account })
}

fn key_id(sha256: &[u8; 32]) -> String {
    let mut id = String::with_capacity(2 * KEY_ID_BYTES);
    for byte in &sha256[..KEY_ID_BYTES] {
        write!(id, "{byte:02x}").expect("writing into a String cannot fail");
    }
    id
}
