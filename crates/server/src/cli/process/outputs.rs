//! Where results go: whole or not at all, over no input, and over another file only if that was asked for.

use std::collections::HashSet;
use std::fs::{Metadata, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use pixaven_imaging::Format;
use tempfile::Builder;

use super::inputs::Input;
use crate::work::result_names::output_name;

/// What a new file may be used for, less what the user's mask takes away.
const MODE: u32 = 0o666;

/// The folder for the results.
pub(super) struct Outputs {
    root: PathBuf,
    overwrites: bool,
    /// Device and number of every input.
    inputs: HashSet<(u64, u64)>,
    /// Results of this run, which overwrite each other in no case.
    written: Mutex<HashSet<PathBuf>>,
}

impl Outputs {
    pub(super) fn new(root: PathBuf, overwrites: bool, inputs: &[Input]) -> Self {
        let ids = inputs.iter().filter_map(|input| input.path.metadata().ok()).map(|metadata| id(&metadata));
        Self { root, overwrites, inputs: ids.collect(), written: Mutex::default() }
    }

    /// Writes the result of an input; the error says why not.
    pub(super) fn write(&self, input: &Input, from: Format, to: Format, bytes: &[u8]) -> Result<(), String> {
        let folder = self.root.join(&input.folder);
        // Of `a.jpg` and `a.png`, both made WebP, neither may become `a.webp`.
        let name = match input.is_crowded && from != to {
            true => format!("{}.{}", input.name, to.extension()),
            false => output_name(&input.name, from, to),
        };
        let path = folder.join(name);
        let is_new = self.written.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone());
        if !is_new {
            return Err(format!("{} is the result of another input", path.display()));
        }
        if self.overwrites && path.metadata().is_ok_and(|there| self.inputs.contains(&id(&there))) {
            return Err(format!("{} is an input, which is never overwritten", path.display()));
        }
        let put = || -> io::Result<()> {
            std::fs::create_dir_all(&folder)?;
            let permissions = Permissions::from_mode(MODE);
            let mut file =
                Builder::new().prefix(".pixaven-").permissions(permissions).tempfile_in(&folder)?;
            file.write_all(bytes)?;
            let kept = if self.overwrites { file.persist(&path) } else { file.persist_noclobber(&path) };
            kept.map(drop).map_err(|error| error.error)
        };
        put().map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                format!("{} exists already; --force overwrites it", path.display())
            }
            _ => format!("{} cannot be written: {error}", path.display()),
        })
    }
}

fn id(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
