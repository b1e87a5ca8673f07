//! Which files there are to work on, and where their results belong.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::bail;
use pixaven_imaging::sniff;

/// By so many of its first bytes a file is recognised as an image.
const HEAD_BYTES: u64 = 64 << 10;
/// Folders below each other; deeper ones are told of and left.
const DEPTH_MAX: usize = 64;

/// A file to work on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Input {
    /// Where it is.
    pub(super) path: PathBuf,
    /// Its folder, seen from the folder it was found in: the same below the results.
    pub(super) folder: PathBuf,
    /// Its name.
    pub(super) name: String,
    /// Whether another one there differs from it in nothing but the extension.
    pub(super) is_crowded: bool,
}

/// Everything that was found.
#[derive(Default)]
pub(super) struct Found {
    /// In the order of their results.
    pub(super) inputs: Vec<Input>,
    /// WorkerInput in folders that are no images.
    pub(super) n_skipped: usize,
    /// What could not be looked at, and why.
    pub(super) failures: Vec<(PathBuf, String)>,
}

/// Finds all inputs; the folder `out` is none, even if it lies in one.
///
/// # Errors
/// When two inputs would have the same result, or there is none.
pub(super) fn find(roots: &[PathBuf], out: &Path) -> anyhow::Result<Found> {
    let mut search = Search { out: out.canonicalize()?, files: BTreeMap::new(), found: Found::default() };
    for root in roots {
        if root.is_dir() {
            if root.canonicalize()? == search.out {
                bail!("{} is the folder for the results, too; they need one of their own", root.display());
            }
            search.folder(root, Path::new(""), 0)?;
        } else if root.exists() {
            search.file(root.clone(), Path::new(""))?;
        } else {
            bail!("there is no {}", root.display());
        }
    }
    let Search { files, mut found, .. } = search;
    let mut n_by_stem = HashMap::new();
    for (folder, name) in files.keys() {
        *n_by_stem.entry((folder.clone(), stem(name).to_owned())).or_insert(0) += 1;
    }
    let input = |((folder, name), path): ((PathBuf, String), PathBuf)| {
        let is_crowded = n_by_stem[&(folder.clone(), stem(&name).to_owned())] > 1;
        Input { path, folder, name, is_crowded }
    };
    found.inputs = files.into_iter().map(input).collect();
    Ok(found)
}

/// A name without its extension.
fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

struct Search {
    /// Without links.
    out: PathBuf,
    /// Paths by folder and name.
    files: BTreeMap<(PathBuf, String), PathBuf>,
    found: Found,
}

impl Search {
    fn folder(&mut self, folder: &Path, below: &Path, depth: usize) -> anyhow::Result<()> {
        if folder.canonicalize().is_ok_and(|folder| folder == self.out) {
            return Ok(());
        }
        let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
        let entries = match entries {
            Ok(_) if depth > DEPTH_MAX => {
                self.fail(folder, format!("it lies more than {DEPTH_MAX} folders deep"));
                return Ok(());
            }
            Ok(entries) => entries,
            Err(error) => {
                self.fail(folder, error.to_string());
                return Ok(());
            }
        };
        for entry in entries {
            let path = entry.path();
            // Links to folders are not followed: they may lead back.
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => {
                    self.folder(&path, &below.join(entry.file_name()), depth + 1)?;
                }
                Ok(_) if path.is_file() => match is_image(&path) {
                    Ok(true) => self.file(path, below)?,
                    Ok(false) => self.found.n_skipped += 1,
                    Err(error) => self.fail(&path, error.to_string()),
                },
                Ok(_) => self.found.n_skipped += 1,
                Err(error) => self.fail(&path, error.to_string()),
            }
        }
        Ok(())
    }

    fn file(&mut self, path: PathBuf, folder: &Path) -> anyhow::Result<()> {
        let Some(name) = path.file_name().and_then(|name| name.to_str()).map(str::to_owned) else {
            self.fail(&path, "its name is no Unicode".to_owned());
            return Ok(());
        };
        let key = (folder.to_owned(), name);
        match self.files.get(&key) {
            None => {
                self.files.insert(key, path);
            }
            Some(other) if other.canonicalize()? == path.canonicalize()? => {}
            Some(other) => bail!(
                "{} and {} would have the same result; give them to two calls",
                other.display(),
                path.display()
            ),
        }
        Ok(())
    }

    fn fail(&mut self, path: &Path, why: String) {
        self.found.failures.push((path.to_owned(), why));
    }
}

fn is_image(path: &Path) -> std::io::Result<bool> {
    let mut head = Vec::new();
    File::open(path)?.take(HEAD_BYTES).read_to_end(&mut head)?;
    Ok(sniff(&head).is_some())
}
