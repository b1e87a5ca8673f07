//! Makes disk images. A disk image is a copy of the data directory as it may be after a power cut: it has all
//! durable changes, and some of the changes that were not flushed yet.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Change, Disk, FileSystem, Node, NodeId, ROOT};

/// The probabilities with which an unflushed change or piece is on the disk. Each disk image uses one of
/// these probabilities.
const PROBABILITIES: [f64; 3] = [0.1, 0.5, 0.9];

/// Which of the unflushed changes are on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Survivors {
    Nothing,
    Everything,
    /// All changes of names, and no change of the content of a file.
    Names,
    /// All changes of contents, and no change of a name.
    Contents,
    /// A random part of the changes of contents and of names. Each change is kept whole or not at all.
    SomeChanges,
    /// A random part of the changes of names. Each file has a random length, and a random part of its changed
    /// pieces of `n_bytes` bytes. A piece is never a mixture of old and new bytes.
    SomePieces {
        n_bytes: usize,
    },
}

/// `SECTOR` has the size that a disk writes at once, and `PAGE` the size that the operating system writes at
/// once.
const SECTOR: Survivors = Survivors::SomePieces { n_bytes: 512 };
const PAGE: Survivors = Survivors::SomePieces { n_bytes: 4096 };

/// All kinds of disk images.
pub(super) const KINDS: [(FileSystem, Survivors); 11] = [
    (FileSystem::Posix, Survivors::Nothing),
    (FileSystem::Posix, SECTOR),
    (FileSystem::Journal, PAGE),
    (FileSystem::Posix, Survivors::SomeChanges),
    (FileSystem::Posix, Survivors::Everything),
    (FileSystem::Journal, Survivors::Nothing),
    (FileSystem::Posix, PAGE),
    (FileSystem::Posix, Survivors::Names),
    (FileSystem::Journal, SECTOR),
    (FileSystem::Posix, Survivors::Contents),
    (FileSystem::Journal, Survivors::Names),
];

/// The files and directories that may be on the disk after a power cut.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Image {
    directories: Vec<PathBuf>,
    files: Vec<(PathBuf, Arc<Vec<u8>>)>,
}

impl Image {
    /// Makes a disk image of a disk at the moment of the power cut.
    pub(super) fn new(disk: &Disk, survivors: Survivors, random: &mut fastrand::Rng) -> Self {
        let probability = PROBABILITIES[random.usize(..PROBABILITIES.len())];
        let mut chooser = Chooser { disk, survivors, probability, random };
        let directories = chooser.directories();
        let mut image = Self { directories: Vec::new(), files: Vec::new() };
        let mut unvisited = vec![(ROOT, PathBuf::new())];
        while let Some((id, path)) = unvisited.pop() {
            match &disk.nodes[id] {
                Node::File(durable) => image.files.push((path, chooser.content(id, durable))),
                Node::Directory(durable) => {
                    let names = directories.get(&id).unwrap_or(durable);
                    unvisited.extend(names.iter().map(|(name, id)| (*id, path.join(name))));
                    image.directories.push(path);
                }
            }
        }
        image
    }

    /// Writes the disk image to the directory `root`, and removes the earlier content of `root`.
    pub(super) fn replace(&self, root: &Path) -> std::io::Result<()> {
        if root.exists() {
            std::fs::remove_dir_all(root)?;
        }
        for directory in &self.directories {
            std::fs::create_dir_all(root.join(directory))?;
        }
        for (path, content) in &self.files {
            // The server creates its files for their owner only, and refuses seal keys that others can read.
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(root.join(path))?;
            file.write_all(content.as_slice())?;
        }
        Ok(())
    }

    /// Returns a hash of all names and contents.
    pub(super) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.directories.hash(&mut hasher);
        self.files.hash(&mut hasher);
        hasher.finish()
    }

    #[cfg(test)]
    pub(super) fn file(&self, path: &str) -> Option<&[u8]> {
        let found = self.files.iter().find(|(name, _)| name == Path::new(path));
        found.map(|(_, content)| content.as_slice())
    }
}

/// Chooses which changes survive.
struct Chooser<'a> {
    disk: &'a Disk,
    survivors: Survivors,
    probability: f64,
    random: &'a mut fastrand::Rng,
}

impl Chooser<'_> {
    /// Returns the names in each directory that has unflushed changes.
    fn directories(&mut self) -> BTreeMap<NodeId, BTreeMap<String, NodeId>> {
        let changes: Vec<_> =
            self.disk.pending.iter().filter(|pending| pending.change.is_of_a_name()).collect();
        // A journal has the changes in their order, so only the first `n_journaled` changes survive.
        let n_journaled = match self.disk.file_system {
            FileSystem::Posix => changes.len(),
            FileSystem::Journal => self.random.usize(..=changes.len()),
        };
        let mut directories = BTreeMap::new();
        for (n, pending) in changes.iter().enumerate() {
            let survives = match (self.survivors, self.disk.file_system) {
                (Survivors::Nothing | Survivors::Contents, _) => false,
                (Survivors::Everything | Survivors::Names, _) => true,
                (_, FileSystem::Posix) => self.random.f64() < self.probability,
                (_, FileSystem::Journal) => n < n_journaled,
            };
            let Node::Directory(durable) = &self.disk.nodes[pending.node] else { continue };
            let names = directories.entry(pending.node).or_insert_with(|| durable.clone());
            if survives {
                pending.change.apply_to_names(names);
            }
        }
        directories
    }

    /// Returns the content of a file.
    fn content(&mut self, id: NodeId, durable: &Arc<Vec<u8>>) -> Arc<Vec<u8>> {
        let changes = self.disk.pending.iter().filter(|pending| pending.node == id);
        let changes: Vec<&Change> = changes.map(|pending| &pending.change).collect();
        if changes.is_empty() {
            return Arc::clone(durable);
        }
        let mut content = durable.as_ref().clone();
        match self.survivors {
            Survivors::Nothing | Survivors::Names => {}
            Survivors::Everything | Survivors::Contents => {
                changes.iter().for_each(|change| change.apply_to_content(&mut content));
            }
            Survivors::SomeChanges => {
                for change in changes {
                    if self.random.f64() < self.probability {
                        change.apply_to_content(&mut content);
                    }
                }
            }
            Survivors::SomePieces { n_bytes } => content = self.torn(content, &changes, n_bytes),
        }
        Arc::new(content)
    }

    /// Applies changes to the content of a file, and loses some writes to some of the pieces. The file gets
    /// the length that it had before or after one of the changes.
    fn torn(&mut self, durable: Vec<u8>, changes: &[&Change], n_bytes: usize) -> Vec<u8> {
        let n_durable = durable.len();
        let lens = lens(n_durable, changes);
        let len = lens[self.n_survivors(lens.len() - 1)];
        let mut content = durable;
        content.resize(lens.iter().copied().max().unwrap_or(0), 0);
        for (piece, writes) in writes_by_piece(changes, n_bytes) {
            let start = piece * n_bytes;
            // With a journal, a file becomes longer only after all bytes of the new piece were written.
            let is_whole = self.disk.file_system == FileSystem::Journal && start >= n_durable;
            let n = if is_whole { writes.len() } else { self.n_survivors(writes.len()) };
            for (offset, data) in &writes[..n] {
                let (from, to) = (start.max(*offset), (start + n_bytes).min(offset + data.len()));
                content[from..to].copy_from_slice(&data[from - offset..to - offset]);
            }
        }
        content.resize(len, 0);
        content
    }

    /// Chooses how many of `n` changes of the same piece survive. All later changes are lost.
    fn n_survivors(&mut self, n: usize) -> usize {
        if self.random.f64() < self.probability { n } else { self.random.usize(..=n) }
    }
}

/// Returns the length of a file before all changes, and after each of them.
fn lens(n_durable: usize, changes: &[&Change]) -> Vec<usize> {
    let mut lens = vec![n_durable];
    let mut len = n_durable;
    for change in changes {
        match change {
            Change::Write { offset, data } => len = len.max(offset + data.len()),
            Change::Resize { len: new } => len = *new,
            _ => {}
        }
        lens.push(len);
    }
    lens
}

/// The writes that change at least one byte of a piece (a part of a file), in the order in which the server
/// made the writes. A write consists of the offset in the file and all written bytes, also the bytes outside
/// the piece.
type Writes<'a> = Vec<(usize, &'a [u8])>;

/// Lists, for each piece of a file, the writes to it in their order.
fn writes_by_piece<'a>(changes: &[&'a Change], n_bytes: usize) -> BTreeMap<usize, Writes<'a>> {
    let mut pieces: BTreeMap<usize, Writes<'a>> = BTreeMap::new();
    for change in changes {
        if let Change::Write { offset, data } = change
            && !data.is_empty()
        {
            for piece in offset / n_bytes..=(offset + data.len() - 1) / n_bytes {
                pieces.entry(piece).or_default().push((*offset, data));
            }
        }
    }
    pieces
}
