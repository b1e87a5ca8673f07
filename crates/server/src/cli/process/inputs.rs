//! Finds the input files, and decides in which subfolder of the output folder each result is written.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::bail;
use pixaven_imaging::sniff;

/// The number of bytes at the beginning of a file that are read to detect the image format.
const HEAD_BYTES: u64 = 64 << 10;
/// The number of nested folders that are searched for images. A deeper folder is reported as a failure and
/// not searched.
const MAX_DEPTH: usize = 64;

/// A file to process.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Input {
    /// The path of the input file.
    pub(super) path: PathBuf,
    /// The folder of the file, relative to the folder that the user named on the command line. The result is
    /// written to the same folder relative to the output folder.
    pub(super) folder: PathBuf,
    /// The file name of the input.
    pub(super) name: String,
    /// Whether another input in the same folder has the same name with another extension, such as `a.jpg` and
    /// `a.png`.
    pub(super) shares_stem: bool,
}

/// The input files that the search found.
#[derive(Default)]
pub(super) struct FoundInputs {
    /// The input files, sorted by the folder and the name of their results.
    pub(super) inputs: Vec<Input>,
    /// The number of files in the searched folders that are not images. They are skipped.
    pub(super) n_skipped: usize,
    /// The files and folders that could not be read, each with the reason.
    pub(super) failures: Vec<(PathBuf, String)>,
}

/// Finds all input files. The output folder `out` is not searched, even if it lies in an input folder.
///
/// # Errors
/// The function fails if a path of the command line does not exist or is the output folder, or if two inputs
/// would have the same result.
pub(super) fn find_inputs(roots: &[PathBuf], out: &Path) -> anyhow::Result<FoundInputs> {
    let mut search =
        Search { out: out.canonicalize()?, files: BTreeMap::new(), found: FoundInputs::default() };
    for root in roots {
        if root.is_dir() {
            if root.canonicalize()? == search.out {
                bail!("{} is the folder for the results, too; they need one of their own", root.display());
            }
            search.add_folder(root, Path::new(""), 0)?;
        } else if root.exists() {
            search.add_file(root.clone(), Path::new(""))?;
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
        let shares_stem = n_by_stem[&(folder.clone(), stem(&name).to_owned())] > 1;
        Input { path, folder, name, shares_stem }
    };
    found.inputs = files.into_iter().map(input).collect();
    Ok(found)
}

/// Returns a file name without its extension.
fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// The state of a search for input files.
struct Search {
    /// The path of the output folder in canonical form.
    out: PathBuf,
    /// The paths of the input files, sorted by folder and file name.
    files: BTreeMap<(PathBuf, String), PathBuf>,
    found: FoundInputs,
}

impl Search {
    /// Adds all images in a folder and in the folders below it. `relative` is the path of the folder,
    /// relative to the folder that the user named on the command line.
    fn add_folder(&mut self, folder: &Path, relative: &Path, depth: usize) -> anyhow::Result<()> {
        if folder.canonicalize().is_ok_and(|folder| folder == self.out) {
            return Ok(());
        }
        let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
        let entries = match entries {
            Ok(_) if depth > MAX_DEPTH => {
                self.add_failure(folder, format!("it lies more than {MAX_DEPTH} folders deep"));
                return Ok(());
            }
            Ok(entries) => entries,
            Err(error) => {
                self.add_failure(folder, error.to_string());
                return Ok(());
            }
        };
        for entry in entries {
            let path = entry.path();
            // Symbolic links to folders are not followed, because they may form a cycle.
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => {
                    self.add_folder(&path, &relative.join(entry.file_name()), depth + 1)?;
                }
                Ok(_) if path.is_file() => match is_image(&path) {
                    Ok(true) => self.add_file(path, relative)?,
                    Ok(false) => self.found.n_skipped += 1,
                    Err(error) => self.add_failure(&path, error.to_string()),
                },
                Ok(_) => self.found.n_skipped += 1,
                Err(error) => self.add_failure(&path, error.to_string()),
            }
        }
        Ok(())
    }

    fn add_file(&mut self, path: PathBuf, folder: &Path) -> anyhow::Result<()> {
        let Some(name) = path.file_name().and_then(|name| name.to_str()).map(str::to_owned) else {
            self.add_failure(&path, "its name is no Unicode".to_owned());
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

    fn add_failure(&mut self, path: &Path, reason: String) {
        self.found.failures.push((path.to_owned(), reason));
    }
}

fn is_image(path: &Path) -> std::io::Result<bool> {
    let mut head = Vec::new();
    File::open(path)?.take(HEAD_BYTES).read_to_end(&mut head)?;
    Ok(sniff(&head).is_some())
}
