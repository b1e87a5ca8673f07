//! Seals secrets before they are written to the ledger, so that the database and its copies show none: the keys of
//! customers' buckets, the credentials and headers of webhooks, and the secrets that sign webhooks.
//!
//! A sealed text is `sealed.1.KEY.DATA`. `KEY` is the id of the seal key. `DATA` is URL-safe Base64 of a random
//! salt and the ciphertext of ChaCha20-Poly1305. Each text has an encryption key of its own, the HMAC-SHA-256 of
//! the salt under the seal key, so that no nonce is ever used twice with the same encryption key. The context of a text, such as
//! the id of its request, is authenticated: a sealed text does not open in another row.

mod key_file;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;
use url::Url;
use uuid::Uuid;

pub use key_file::{KeyFileError, SealKey};

/// The beginning of every sealed text.
const PREFIX: &str = "sealed.1.";
/// The length of a salt, in bytes.
const SALT_BYTES: usize = 24;

/// The context of the secrets that sign webhooks.
pub const SIGNING_SECRET: &str = "signing secret";

/// Returns the context of the stored JSON of a request.
pub fn request_context(id: Uuid) -> String {
    format!("request {id}")
}

/// Returns the context of the URL and of the headers of a webhook.
pub fn webhook_context(id: Uuid) -> String {
    format!("webhook {id}")
}

/// The reason why a text could not be sealed or unsealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The operating system gave no random bytes.
    #[error("no random bytes")]
    Random(#[from] getrandom::Error),
    /// The text was sealed with a key that the key file does not contain.
    #[error(
        "a secret of the ledger was sealed with the key {0}, which the file of seal keys does not contain"
    )]
    UnknownKey(String),
    /// The sealed text was changed, or belongs to another row.
    #[error("a sealed secret of the ledger is damaged")]
    Damaged,
}

/// Seals and unseals secrets with the keys of one key file. A clone is cheap. The `Debug` output contains no key.
#[derive(Clone)]
pub struct Seal {
    /// The keys of the file. The first key seals, and all keys unseal.
    keys: Arc<[SealKey]>,
}

impl Seal {
    /// Reads the keys in the file `path`. A missing file is created with a new key, durably and readable only by
    /// its owner.
    pub fn open(path: &Path) -> Result<Self, KeyFileError> {
        Ok(Self { keys: key_file::read_or_create(path)?.into() })
    }

    /// Adds a new key, which seals from now on, to the file `path`. The earlier keys stay in the file and unseal.
    pub fn add_key(path: &Path) -> Result<Self, KeyFileError> {
        let mut keys = key_file::read_or_create(path)?;
        keys.insert(0, SealKey::generate()?);
        key_file::replace(path, &keys)?;
        Ok(Self { keys: keys.into() })
    }

    /// Removes all keys except the first one from the file `path`.
    pub fn drop_earlier_keys(path: &Path) -> Result<(), KeyFileError> {
        let keys = key_file::read_or_create(path)?;
        key_file::replace(path, &keys[..1])
    }

    /// Seals a text. `context` names the row that the text belongs to.
    pub fn seal(&self, context: &str, text: &str) -> Result<String, SealError> {
        let key = &self.keys[0];
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt)?;
        let mut data = text.as_bytes().to_vec();
        let sealed = cipher(key, &salt).seal_in_place_append_tag(nonce(), Aad::from(context), &mut data);
        sealed.map_err(|_| SealError::Damaged)?;
        let data = BASE64_URL_SAFE_NO_PAD.encode([&salt[..], &data].concat());
        Ok(format!("{PREFIX}{}.{data}", key.id()))
    }

    /// Unseals a text. A text that is not sealed is returned as it is, because rows of earlier versions are not
    /// sealed.
    pub fn unseal(&self, context: &str, text: &str) -> Result<String, SealError> {
        let Some(rest) = text.strip_prefix(PREFIX) else { return Ok(text.to_owned()) };
        let (id, data) = rest.split_once('.').ok_or(SealError::Damaged)?;
        let key = self.keys.iter().find(|key| key.id() == id);
        let key = key.ok_or_else(|| SealError::UnknownKey(id.chars().take(16).collect()))?;
        let data = BASE64_URL_SAFE_NO_PAD.decode(data).map_err(|_| SealError::Damaged)?;
        let (salt, ciphertext) = data.split_at_checked(SALT_BYTES).ok_or(SealError::Damaged)?;
        let mut ciphertext = ciphertext.to_vec();
        let opened = cipher(key, salt).open_in_place(nonce(), Aad::from(context), &mut ciphertext);
        let opened = opened.map_err(|_| SealError::Damaged)?;
        String::from_utf8(opened.to_vec()).map_err(|_| SealError::Damaged)
    }

    /// Returns whether a text is sealed with the key that seals now.
    pub fn is_current(&self, text: &str) -> bool {
        text.strip_prefix(PREFIX)
            .and_then(|rest| rest.strip_prefix(self.keys[0].id()))
            .is_some_and(|rest| rest.starts_with('.'))
    }

    /// Seals the user name and the password of a URL. The rest of the URL stays readable, because the circuit
    /// breaker tells receivers apart by it. A URL without credentials is returned as it is.
    pub fn seal_url(&self, context: &str, url: &Url) -> Result<String, SealError> {
        let credentials = match (url.username(), url.password()) {
            ("", None) => return Ok(url.as_str().to_owned()),
            (user, None) => user.to_owned(),
            (user, Some(password)) => format!("{user}:{password}"),
        };
        let mut sealed = url.clone();
        let text = self.seal(context, &credentials)?;
        sealed
            .set_password(None)
            .and_then(|()| sealed.set_username(&text))
            .map_err(|()| SealError::Damaged)?;
        Ok(sealed.into())
    }

    /// Unseals the user name and the password of a URL. A text that is no URL, or has no sealed credentials, is
    /// returned as it is.
    pub fn unseal_url(&self, context: &str, text: &str) -> Result<String, SealError> {
        let Ok(mut url) = Url::parse(text) else { return Ok(text.to_owned()) };
        if !url.username().starts_with(PREFIX) {
            return Ok(text.to_owned());
        }
        let credentials = self.unseal(context, url.username())?;
        let (user, password) = match credentials.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (credentials.as_str(), None),
        };
        url.set_username(user).and_then(|()| url.set_password(password)).map_err(|()| SealError::Damaged)?;
        Ok(url.into())
    }

    /// Seals the values of headers.
    pub fn seal_headers(
        &self,
        context: &str,
        headers: &[(String, String)],
    ) -> Result<Vec<(String, String)>, SealError> {
        headers.iter().map(|(name, value)| Ok((name.clone(), self.seal(context, value)?))).collect()
    }

    /// Unseals the values of headers.
    pub fn unseal_headers(
        &self,
        context: &str,
        headers: &[(String, String)],
    ) -> Result<Vec<(String, String)>, SealError> {
        headers.iter().map(|(name, value)| Ok((name.clone(), self.unseal(context, value)?))).collect()
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(SealKey::id)).finish()
    }
}

/// Returns the cipher of one text: its key is derived from the seal key and the salt of the text.
fn cipher(key: &SealKey, salt: &[u8]) -> LessSafeKey {
    let derived = hmac::sign(key.secret(), salt);
    let key = UnboundKey::new(&CHACHA20_POLY1305, derived.as_ref());
    LessSafeKey::new(key.expect("an HMAC-SHA-256 has the length of a key"))
}

/// Returns the nonce of every text. It may be constant, because no two texts have the same key.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal_in(directory: &Path) -> Seal {
        Seal::open(&directory.join("seal.key")).expect("the directory is writable")
    }

    #[test]
    fn a_sealed_text_opens_only_in_its_own_context_and_unchanged() {
        let directory = tempfile::tempdir().expect("a temporary directory can be created");
        let seal = seal_in(directory.path());
        let sealed = seal.seal("request 1", "CANARY").expect("the machine has randomness");
        assert!(!sealed.contains("CANARY") && seal.is_current(&sealed));
        assert_ne!(sealed, seal.seal("request 1", "CANARY").expect("the machine has randomness"));
        assert_eq!(seal.unseal("request 1", &sealed).expect("the text opens"), "CANARY");
        assert!(matches!(seal.unseal("request 2", &sealed), Err(SealError::Damaged)));
        for at in PREFIX.len()..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("the text is ASCII");
            assert!(seal.unseal("request 1", &changed).is_err(), "{at}");
        }
        assert_eq!(seal.unseal("request 1", "{\"url\":1}").expect("a clear text passes"), "{\"url\":1}");
    }

    #[test]
    fn credentials_of_a_url_are_sealed_and_everything_else_stays_readable() {
        let directory = tempfile::tempdir().expect("a temporary directory can be created");
        let seal = seal_in(directory.path());
        for url in [
            "https://us%40er:pa%2Fss@h.example:8443/p?x=1#f",
            "http://user@h/",
            "http://:word@h/",
            "http://sealed.1.x.y:z@h/",
        ] {
            let parsed = Url::parse(url).expect("the URL is valid");
            let sealed = seal.seal_url("webhook 1", &parsed).expect("the machine has randomness");
            let read = Url::parse(&sealed).expect("a sealed URL is a URL");
            assert_eq!(
                (read.host(), read.path(), read.query()),
                (parsed.host(), parsed.path(), parsed.query())
            );
            assert!(read.username().starts_with(PREFIX) && read.password().is_none(), "{sealed}");
            assert_eq!(seal.unseal_url("webhook 1", &sealed).expect("the URL opens"), url);
        }
        let clear = Url::parse("https://h.example/p?token=1").expect("the URL is valid");
        assert_eq!(seal.seal_url("webhook 1", &clear).expect("nothing to seal"), clear.as_str());
        for old in ["https://a:b@h/", "no URL"] {
            assert_eq!(seal.unseal_url("webhook 1", old).expect("old rows are clear"), old);
        }
    }

    #[test]
    fn after_a_new_key_old_texts_open_until_the_earlier_keys_are_dropped() {
        let directory = tempfile::tempdir().expect("a temporary directory can be created");
        let path = directory.path().join("seal.key");
        let old = seal_in(directory.path()).seal("c", "text").expect("the machine has randomness");
        let seal = Seal::add_key(&path).expect("the file is writable");
        assert!(!seal.is_current(&old));
        assert_eq!(seal.unseal("c", &old).expect("the earlier key is there"), "text");
        let new = seal.seal("c", "text").expect("the machine has randomness");
        Seal::drop_earlier_keys(&path).expect("the file is writable");
        let seal = seal_in(directory.path());
        assert_eq!(seal.unseal("c", &new).expect("the new key is there"), "text");
        assert!(matches!(seal.unseal("c", &old), Err(SealError::UnknownKey(_))));
    }
}
