//! Writes the processed images. A file is written completely or not at all. It never replaces an input file,
//! and it replaces any other existing file only with `--force`.

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

/// The permissions of a new file before the umask of the user is applied.
const FILE_MODE: u32 = 0o666;

/// The folder to which the processed images are written.
pub(super) struct Outputs {
    root: PathBuf,
    overwrites: bool,
    /// The device number and the inode number of every input file, which together identify the file.
    inputs: HashSet<(u64, u64)>,
    /// The paths of the files that this run has written. A later result of the same run never overwrites
    /// them.
    written: Mutex<HashSet<PathBuf>>,
}

impl Outputs {
    pub(super) fn new(root: PathBuf, overwrites: bool, inputs: &[Input]) -> Self {
        let ids = inputs.iter().filter_map(|input| input.path.metadata().ok());
        let ids = ids.map(|metadata| file_id(&metadata));
        Self { root, overwrites, inputs: ids.collect(), written: Mutex::default() }
    }

    /// Writes the processed image of an input, whose format changes from `from` to `to`.
    ///
    /// # Errors
    /// The function fails if the file exists and may not be overwritten, or if the file cannot be written.
    /// The error text gives the reason.
    pub(super) fn write(&self, input: &Input, from: Format, to: Format, bytes: &[u8]) -> Result<(), String> {
        let folder = self.root.join(&input.folder);
        // If `a.jpg` and `a.png` both become WebP, their results are called `a.jpg.webp` and `a.png.webp`,
        // because both results cannot be called `a.webp`.
        let name = match input.shares_stem && from != to {
            true => format!("{}.{}", input.name, to.extension()),
            false => output_name(&input.name, from, to),
        };
        let path = folder.join(name);
        let is_new = self.written.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone());
        if !is_new {
            return Err(format!("{} is the result of another input", path.display()));
        }
        if self.overwrites && path.metadata().is_ok_and(|existing| self.inputs.contains(&file_id(&existing)))
        {
            return Err(format!("{} is an input, which is never overwritten", path.display()));
        }
        let write_file = || -> io::Result<()> {
            std::fs::create_dir_all(&folder)?;
            let permissions = Permissions::from_mode(FILE_MODE);
            let mut file =
                Builder::new().prefix(".pixaven-").permissions(permissions).tempfile_in(&folder)?;
            file.write_all(bytes)?;
            let persisted = if self.overwrites { file.persist(&path) } else { file.persist_noclobber(&path) };
            persisted.map(drop).map_err(|error| error.error)
        };
        write_file().map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                format!("{} exists already; --force overwrites it", path.display())
            }
            _ => format!("{} cannot be written: {error}", path.display()),
        })
    }
}

/// Returns the device number and the inode number, which together identify a file.
fn file_id(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
