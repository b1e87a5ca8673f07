//! The SQL operations on texts that may hold secrets, for a caller that seals these texts or seals them anew.

use super::{Tx, columns, headers, params, statements};
use crate::error::Error;
use crate::model::sealed::{RequestSecrets, StoredSecret};

columns! { StoredSecret as secret_columns, read { seq, secret } }
columns! { RequestSecrets as request_columns, read { seq, id, webhook_url, webhook_headers, spec } }

statements! {
    SIGNING_SECRETS = concat!("SELECT ", secret_columns!(), " FROM webhook_secrets ORDER BY seq");
    SET_SIGNING_SECRET = "UPDATE webhook_secrets SET secret = ?2 WHERE seq = ?1";
    REQUESTS = concat!(
        "SELECT ", request_columns!(), " FROM requests WHERE seq > ?1 ORDER BY seq LIMIT ?2"
    );
    SET_REQUEST = "UPDATE requests SET webhook_url = ?2, webhook_headers = ?3, spec = ?4 WHERE seq = ?1";
}

/// Returns the signing secrets of all accounts, retired secrets included, oldest first.
pub(crate) fn signing_secrets(tx: &mut Tx<'_>) -> Result<Vec<StoredSecret>, Error> {
    tx.query(&SIGNING_SECRETS, params![])
}

/// Replaces the text of a signing secret.
pub(crate) fn replace_signing_secret(tx: &mut Tx<'_>, secret: &StoredSecret) -> Result<(), Error> {
    tx.execute(&SET_SIGNING_SECRET, params![secret.seq, secret.secret.expose()])?;
    Ok(())
}

/// Returns up to `limit` requests after the sequence number `after`, in the order of their numbers.
pub(crate) fn requests(tx: &mut Tx<'_>, after: i64, limit: u32) -> Result<Vec<RequestSecrets>, Error> {
    tx.query(&REQUESTS, params![after, limit])
}

/// Replaces the texts of requests.
pub(crate) fn replace_requests(tx: &mut Tx<'_>, requests: &[RequestSecrets]) -> Result<(), Error> {
    for RequestSecrets { seq, webhook_url, webhook_headers, spec, .. } in requests {
        let headers = headers::encode(webhook_headers);
        tx.execute(&SET_REQUEST, params![seq, webhook_url, headers, spec])?;
    }
    Ok(())
}
