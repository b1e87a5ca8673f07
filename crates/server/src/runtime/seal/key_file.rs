//! The file of seal keys: one key per line, 32 bytes in Base64. The first key seals.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

/// The length of a key, in bytes.
const KEY_BYTES: usize = 32;

/// The reason why the file of seal keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are the parts of the message")]
pub enum KeyFileError {
    /// The file cannot be read or written.
    #[error("the file of seal keys {} cannot be used", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// Other users can read the file.
    #[error("the file of seal keys {} can be read by others (mode {mode:o}); set its mode to 600", path.display())]
    Mode { path: PathBuf, mode: u32 },
    /// The file does not have the required form.
    #[error("the file of seal keys {} must have one key of 32 bytes in Base64 on each line", path.display())]
    Malformed { path: PathBuf },
    /// The operating system gave no random bytes for a new key.
    #[error("no random bytes for a seal key")]
    Random(#[from] getrandom::Error),
}

/// One seal key.
#[derive(Clone)]
pub struct SealKey {
    bytes: [u8; KEY_BYTES],
    secret: hmac::Key,
    id: String,
}

impl SealKey {
    /// Creates a random key.
    pub(super) fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; KEY_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self::new(bytes))
    }

    fn new(bytes: [u8; KEY_BYTES]) -> Self {
        let id = Sha256::digest(bytes)[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        Self { bytes, secret: hmac::Key::new(hmac::HMAC_SHA256, &bytes), id }
    }

    /// Returns the key of the derivation of encryption keys.
    pub(super) fn secret(&self) -> &hmac::Key {
        &self.secret
    }

    /// Returns the id of the key, which sealed texts contain: eight hexadecimal digits of its hash.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// Reads the keys of a file. A missing file is created with a new key.
pub(super) fn read_or_create(path: &Path) -> Result<Vec<SealKey>, KeyFileError> {
    let io_error = |source| KeyFileError::Io { path: path.to_owned(), source };
    if !path.try_exists().map_err(io_error)? {
        let key = SealKey::generate()?;
        // If another process creates the file at the same time, the file of that process is read.
        match write(path, std::slice::from_ref(&key))
            .and_then(|file| file.persist_noclobber(path).map_err(io::Error::from))
        {
            Ok(_) => flush_directory(path).map_err(io_error)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io_error(error)),
        }
    }
    let mode = fs::metadata(path).map_err(io_error)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Mode { path: path.to_owned(), mode: mode & 0o777 });
    }
    let text = fs::read_to_string(path).map_err(io_error)?;
    let keys: Option<Vec<_>> = text.lines().filter(|line| !line.trim().is_empty()).map(parse).collect();
    let malformed = || KeyFileError::Malformed { path: path.to_owned() };
    keys.filter(|keys| !keys.is_empty()).ok_or_else(malformed)
}

fn parse(line: &str) -> Option<SealKey> {
    let bytes = BASE64_STANDARD.decode(line.trim()).ok()?;
    Some(SealKey::new(bytes.try_into().ok()?))
}

/// Replaces the keys of a file durably. A crash leaves the earlier file or the new file.
pub(super) fn replace(path: &Path, keys: &[SealKey]) -> Result<(), KeyFileError> {
    let replaced = write(path, keys)
        .and_then(|file| file.persist(path).map_err(io::Error::from))
        .and_then(|_| flush_directory(path));
    replaced.map_err(|source| KeyFileError::Io { path: path.to_owned(), source })
}

/// Writes keys to a temporary file beside `path`, which only its owner can read.
fn write(path: &Path, keys: &[SealKey]) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new_in(directory(path))?;
    for key in keys {
        writeln!(file, "{}", BASE64_STANDARD.encode(key.bytes))?;
    }
    file.as_file().sync_all()?;
    Ok(file)
}

fn flush_directory(path: &Path) -> io::Result<()> {
    File::open(directory(path))?.sync_all()
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_of_seal_keys_is_created_for_its_owner_only_and_read_again() {
        let directory = tempfile::tempdir().expect("a temporary directory can be created");
        let path = directory.path().join("seal.key");
        let created = read_or_create(&path).expect("the directory is writable");
        assert_eq!(fs::metadata(&path).expect("the file exists").permissions().mode() & 0o777, 0o600);
        let read = read_or_create(&path).expect("the file is readable");
        assert_eq!((read.len(), read[0].id()), (1, created[0].id()));
    }

    #[test]
    fn a_file_of_seal_keys_that_others_can_read_or_that_has_no_key_is_refused_with_its_name() {
        let directory = tempfile::tempdir().expect("a temporary directory can be created");
        let path = directory.path().join("seal.key");
        for (text, mode, expected) in [
            ("", 0o600, "must have one key"),
            ("c2hvcnQ=\n", 0o600, "must have one key"),
            ("not Base64!\n", 0o600, "must have one key"),
            ("c2hvcnQ=\n", 0o640, "can be read by others (mode 640)"),
        ] {
            fs::write(&path, text).expect("the directory is writable");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("the file is ours");
            let message = read_or_create(&path).err().expect("the file is refused").to_string();
            assert!(message.contains("seal.key") && message.contains(expected), "{message}");
        }
    }
}
