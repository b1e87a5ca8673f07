//! The SQL operations on accounts, API keys, signing secrets and usage.

use std::fmt::Write as _;

use super::counters;
use super::{Params, Row, Tx, columns, params, statements};
use crate::error::Error;
use crate::model::account::{Account, AccountId, KeyInfo, NewKey, Secret, SecretInfo, Usage};
use crate::sql::row::FromRow;

/// The name of the account that the first API key creates. Every API key belongs to this account.
const DEFAULT_ACCOUNT: &str = "default";

/// The number of bytes of a key's hash that form the id of the key. Two keys of one ledger are very unlikely
/// to have hashes that start with the same five bytes.
const KEY_ID_BYTES: usize = 5;

columns! { KeyInfo as key_columns, read + write { id, prefix, label, account, created_ms, revoked_ms } }
columns! {
    Account as account_columns, read {
        id = "accounts.id", name = "accounts.name", created_ms = "accounts.created_ms";
        webhook_secrets = Vec::new()
    }
}
columns! { SecretInfo as secret_columns, read { secret, created_ms, retires_ms = "retired_ms" } }

statements! {
    ADD_ACCOUNT = "INSERT INTO accounts (name, created_ms) VALUES (?1, ?2)
                   ON CONFLICT (name) DO NOTHING RETURNING id";
    ADD_SECRET = "INSERT INTO webhook_secrets (account, secret, created_ms) VALUES (?1, ?2, ?3)";
    ADD_COUNTERS = "INSERT INTO counters (account) VALUES (?1)";
    ACCOUNT_ID_BY_NAME = "SELECT id FROM accounts WHERE name = ?1";
    ADD_KEY = concat!(
        "INSERT INTO api_keys (", key_columns!(), ", sha256) VALUES (", key_columns!(values), ", ?)"
    );
    KEYS = concat!("SELECT ", key_columns!(), " FROM api_keys ORDER BY created_ms, id");
    REVOKE_KEY = "UPDATE api_keys SET revoked_ms = ?2 WHERE id = ?1 AND revoked_ms IS NULL";
    ACCOUNT_BY_KEY = concat!(
        "SELECT ", account_columns!(), " FROM api_keys k JOIN accounts ON accounts.id = k.account
         WHERE k.sha256 = ?1 AND k.revoked_ms IS NULL"
    );
    ACCOUNT_BY_ID = concat!("SELECT ", account_columns!(), " FROM accounts WHERE id = ?1");
    ACCOUNT_IDS = "SELECT id FROM accounts ORDER BY id";
    ACTIVE_SECRETS = concat!(
        "SELECT ", secret_columns!(), " FROM webhook_secrets
         WHERE account = ?1 AND (retired_ms IS NULL OR retired_ms > ?2) ORDER BY seq DESC"
    );
    RETIRE_SECRETS = "UPDATE webhook_secrets SET retired_ms = ?3
                      WHERE account = ?1 AND (retired_ms IS NULL OR retired_ms > ?3) AND created_ms <= ?2";
    DELETE_RETIRED_SECRETS = "DELETE FROM webhook_secrets WHERE account = ?1 AND retired_ms <= ?2";
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
    tx.execute(&ADD_KEY, Params::of(&key).and(&new.sha256).as_slice())?;
    Ok(key)
}

pub(crate) fn keys(tx: &mut Tx<'_>) -> Result<Vec<KeyInfo>, Error> {
    tx.query(&KEYS, params![])
}

/// Revokes an API key. Returns `false` when the key does not exist or was revoked before.
pub(crate) fn revoke_key(tx: &mut Tx<'_>, id: &str) -> Result<bool, Error> {
    let now_ms = tx.now_ms();
    Ok(tx.execute(&REVOKE_KEY, params![id, now_ms])? == 1)
}

pub(crate) fn account_by_key(tx: &mut Tx<'_>, sha256: &[u8; 32]) -> Result<Option<Account>, Error> {
    let account = tx.query_optional(&ACCOUNT_BY_KEY, params![sha256])?;
    account.map(|account| with_secrets(tx, account)).transpose()
}

pub(crate) fn account(tx: &mut Tx<'_>, id: AccountId) -> Result<Option<Account>, Error> {
    let account = tx.query_optional(&ACCOUNT_BY_ID, params![id])?;
    account.map(|account| with_secrets(tx, account)).transpose()
}

/// Returns the active signing secrets of an account, newest first.
pub(crate) fn active_secrets(tx: &mut Tx<'_>, account: AccountId) -> Result<Vec<SecretInfo>, Error> {
    let now_ms = tx.now_ms();
    tx.query(&ACTIVE_SECRETS, params![account, now_ms])
}

/// Adds a signing secret. Each earlier secret retires after `overlap_ms`, or at the time that an earlier
/// rotation has set, whichever comes first.
pub(crate) fn rotate_secret(
    tx: &mut Tx<'_>,
    account: AccountId,
    secret: &str,
    overlap_ms: i64,
) -> Result<Vec<SecretInfo>, Error> {
    let now_ms = tx.now_ms();
    tx.query_optional::<Account>(&ACCOUNT_BY_ID, params![account])?.ok_or(Error::UnknownAccount(account))?;
    tx.execute(&DELETE_RETIRED_SECRETS, params![account, now_ms])?;
    tx.execute(&RETIRE_SECRETS, params![account, now_ms, now_ms.saturating_add(overlap_ms.max(0))])?;
    tx.execute(&ADD_SECRET, params![account, secret, now_ms])?;
    active_secrets(tx, account)
}

/// Returns the ids of all accounts. A ledger contains few accounts, because operators create accounts by
/// hand.
pub(super) fn ids(tx: &mut Tx<'_>) -> Result<Vec<AccountId>, Error> {
    tx.query(&ACCOUNT_IDS, params![])
}

pub(crate) fn usage(tx: &mut Tx<'_>, account: AccountId) -> Result<Usage, Error> {
    counters::read(tx, account)?.ok_or(Error::UnknownAccount(account))
}

/// Returns the account `default`. When the account does not exist, the function creates the account with
/// `secret` as its first signing secret.
fn default_account(tx: &mut Tx<'_>, secret: &str) -> Result<AccountId, Error> {
    let now_ms = tx.now_ms();
    let Some(id) = tx.query_optional::<AccountId>(&ADD_ACCOUNT, params![DEFAULT_ACCOUNT, now_ms])? else {
        return tx.query_one(&ACCOUNT_ID_BY_NAME, params![DEFAULT_ACCOUNT]);
    };
    tx.execute(&ADD_SECRET, params![id, secret, now_ms])?;
    tx.execute(&ADD_COUNTERS, params![id])?;
    Ok(id)
}

fn with_secrets(tx: &mut Tx<'_>, account: Account) -> Result<Account, Error> {
    let secrets = active_secrets(tx, account.id)?;
    Ok(Account { webhook_secrets: secrets.into_iter().map(|info| info.secret).collect(), ..account })
}

fn key_id(sha256: &[u8; 32]) -> String {
    let mut id = String::with_capacity(2 * KEY_ID_BYTES);
    for byte in &sha256[..KEY_ID_BYTES] {
        write!(id, "{byte:02x}").expect("writing into a String cannot fail");
    }
    id
}

impl FromRow for Secret {
    fn from_row(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self::from(row.take::<String>()?))
    }
}
