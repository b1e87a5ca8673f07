//! A model of a disk with a cache: which changes of files and directories are durable, and which may be lost.
//!
//! A write is durable after a flush of its file that began after the write had ended. What happens to names is
//! decided by the [`FileSystem`]. Until then each change may be on the disk or not, independently of others.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};

use super::events::{Event, EventKind, is_recorded};

/// When created, renamed and removed names become durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum FileSystem {
    /// As POSIX promises: a name is durable after a flush of its directory. Until then, each change of a name
    /// may be on the disk or not.
    Posix,
    /// As ext4 and XFS do: all changes of names are written to one journal in their order, and a flush of any
    /// file or directory writes the journal.
    Journal,
}

/// The number of a file or directory, which stays the same when its name changes.
pub(super) type NodeId = usize;

/// The root directory.
pub(super) const ROOT: NodeId = 0;

/// The durable state of a file or a directory.
#[derive(Debug, Clone)]
pub(super) enum Node {
    File(Arc<Vec<u8>>),
    Directory(BTreeMap<String, NodeId>),
}

/// A change that may be lost.
#[derive(Debug, Clone)]
pub(super) struct PendingChange {
    /// The file or directory that is changed.
    pub(super) node: NodeId,
    pub(super) change: Change,
    end: usize,
}

/// A change of a file or a directory.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Write { offset: usize, data: Arc<[u8]> },
    Resize { len: usize },
    SetName { name: String, node: NodeId },
    RemoveName { name: String },
    MoveName { from: String, to: String },
}

/// A flush that has begun and not ended.
#[derive(Debug, Clone, Copy)]
struct RunningFlush {
    node: NodeId,
    begin: usize,
    end: usize,
}

/// A disk with a cache.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    pub(super) file_system: FileSystem,
    pub(super) nodes: Vec<Node>,
    /// The changes that may be lost, in the order in which they began.
    pub(super) pending: Vec<PendingChange>,
    /// The directories as the server sees them, which includes all pending changes.
    seen: BTreeMap<NodeId, BTreeMap<String, NodeId>>,
    flushes: Vec<RunningFlush>,
    /// The number of changes that became durable.
    pub(super) n_durable: usize,
}

impl Disk {
    /// Creates a disk whose files are all durable.
    pub(super) fn new(file_system: FileSystem, nodes: Vec<Node>) -> Self {
        let directory = |(id, node): (NodeId, &Node)| match node {
            Node::File(_) => None,
            Node::Directory(names) => Some((id, names.clone())),
        };
        let seen = nodes.iter().enumerate().filter_map(directory).collect();
        Self { file_system, nodes, pending: Vec::new(), seen, flushes: Vec::new(), n_durable: 0 }
    }

    /// Begins an event. The changes of an event may be on the disk from this moment.
    pub(super) fn begin(&mut self, event: &Event) -> anyhow::Result<()> {
        let applied = self.apply(event);
        applied.with_context(|| format!("line {}: {:?}", event.begin + 1, KindName(&event.kind)))
    }

    fn apply(&mut self, event: &Event) -> anyhow::Result<()> {
        let end = event.end;
        match &event.kind {
            EventKind::Answer { .. } => {}
            EventKind::Flush { path } => {
                let node = self.find(path)?;
                self.flushes.push(RunningFlush { node, begin: event.begin, end });
            }
            EventKind::Open { path, truncates } => match self.find(path) {
                Ok(node) if *truncates => self.change(node, Change::Resize { len: 0 }, end),
                Ok(_) => {}
                Err(_) => self.create(path, Node::File(Arc::default()), end)?,
            },
            EventKind::CreateDirectory { path } => {
                self.create(path, Node::Directory(BTreeMap::new()), end)?;
            }
            EventKind::Write { path, offset, data } => {
                let (node, offset) = (self.find(path)?, usize::try_from(*offset)?);
                self.change(node, Change::Write { offset, data: Arc::clone(data) }, end);
            }
            EventKind::Truncate { path, len } => {
                let (node, len) = (self.find(path)?, usize::try_from(*len)?);
                self.change(node, Change::Resize { len }, end);
            }
            EventKind::Link { from, to } => {
                let node = self.find(from)?;
                let (directory, name) = self.place(to)?;
                self.change(directory, Change::SetName { name, node }, end);
            }
            EventKind::Rename { from, to } => {
                let ((directory, from), (other, to)) = (self.place(from)?, self.place(to)?);
                ensure!(directory == other, "a move to another directory is not modelled");
                self.change(directory, Change::MoveName { from, to }, end);
            }
            EventKind::Remove { path } => {
                let (directory, name) = self.place(path)?;
                self.change(directory, Change::RemoveName { name }, end);
            }
        }
        Ok(())
    }

    /// Ends all flushes whose call ended in the line `line`. The flushed changes are durable from this line
    /// on.
    pub(super) fn end_flushes(&mut self, line: usize) {
        let (ended, running) = self.flushes.iter().partition(|flush| flush.end == line);
        self.flushes = running;
        let ended: Vec<RunningFlush> = ended;
        for flush in ended {
            self.make_durable(flush);
        }
    }

    fn make_durable(&mut self, flush: RunningFlush) {
        let is_covered = |change: &PendingChange| {
            let is_journaled = self.file_system == FileSystem::Journal && change.change.is_of_a_name();
            change.end < flush.begin && (change.node == flush.node || is_journaled)
        };
        let (covered, pending): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.pending).into_iter().partition(is_covered);
        self.pending = pending;
        self.n_durable += covered.len();
        for PendingChange { node, change, .. } in covered {
            change.apply_to(&mut self.nodes[node]);
        }
    }

    fn create(&mut self, path: &Path, node: Node, end: usize) -> anyhow::Result<()> {
        let (directory, name) = self.place(path)?;
        let id = self.nodes.len();
        if matches!(node, Node::Directory(_)) {
            self.seen.insert(id, BTreeMap::new());
        }
        self.nodes.push(node);
        self.change(directory, Change::SetName { name, node: id }, end);
        Ok(())
    }

    fn change(&mut self, node: NodeId, change: Change, end: usize) {
        if let Some(names) = self.seen.get_mut(&node) {
            change.apply_to_names(names);
        }
        self.pending.push(PendingChange { node, change, end });
    }

    /// Returns the directory and the last name of a path.
    fn place(&self, path: &Path) -> anyhow::Result<(NodeId, String)> {
        let name = path.file_name().and_then(|name| name.to_str()).context("a path without a name")?;
        Ok((self.find(path.parent().unwrap_or(Path::new("")))?, name.to_owned()))
    }

    /// Finds a file or directory by the path under which the server sees it.
    pub(super) fn find(&self, path: &Path) -> anyhow::Result<NodeId> {
        path.components().try_fold(ROOT, |directory, component| {
            let Component::Normal(name) = component else { bail!("{} is not plain", path.display()) };
            let names = self.seen.get(&directory);
            let found = names.and_then(|names| names.get(name.to_str()?));
            found.copied().with_context(|| format!("{} does not exist", path.display()))
        })
    }
}

impl Change {
    /// Returns whether the change is one of a directory.
    pub(super) fn is_of_a_name(&self) -> bool {
        !matches!(self, Self::Write { .. } | Self::Resize { .. })
    }

    /// Applies the change to the state of a file or directory.
    pub(super) fn apply_to(&self, node: &mut Node) {
        match node {
            Node::File(content) => self.apply_to_content(Arc::make_mut(content)),
            Node::Directory(names) => self.apply_to_names(names),
        }
    }

    /// Applies the change to the content of a file.
    pub(super) fn apply_to_content(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => {
                let end = offset + data.len();
                content.resize(content.len().max(end), 0);
                content[*offset..end].copy_from_slice(data);
            }
            Self::Resize { len } => content.resize(*len, 0),
            _ => {}
        }
    }

    /// Applies the change to the names in a directory.
    pub(super) fn apply_to_names(&self, names: &mut BTreeMap<String, NodeId>) {
        match self {
            Self::SetName { name, node } => {
                names.insert(name.clone(), *node);
            }
            Self::RemoveName { name } => {
                names.remove(name);
            }
            Self::MoveName { from, to } => {
                if let Some(node) = names.remove(from) {
                    names.insert(to.clone(), node);
                }
            }
            Self::Write { .. } | Self::Resize { .. } => {}
        }
    }
}

/// Reads the recorded files below a directory, all of them durable.
pub(super) fn read_nodes(root: &Path) -> anyhow::Result<Vec<Node>> {
    let mut nodes = vec![Node::Directory(BTreeMap::new())];
    let mut directories: Vec<(NodeId, PathBuf)> = vec![(ROOT, PathBuf::new())];
    while let Some((id, directory)) = directories.pop() {
        let mut names = BTreeMap::new();
        for entry in std::fs::read_dir(root.join(&directory))? {
            let entry = entry?;
            let name = entry.file_name().into_string().ok().context("a name that is not text")?;
            let path = directory.join(&name);
            if !is_recorded(&path) {
                continue;
            }
            names.insert(name, nodes.len());
            if entry.file_type()?.is_dir() {
                directories.push((nodes.len(), path));
                nodes.push(Node::Directory(BTreeMap::new()));
            } else {
                nodes.push(Node::File(Arc::new(std::fs::read(entry.path())?)));
            }
        }
        nodes[id] = Node::Directory(names);
    }
    Ok(nodes)
}

/// Shows the kind of an event without its data.
struct KindName<'a>(&'a EventKind);

impl std::fmt::Debug for KindName<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            EventKind::Write { path, offset, data } => {
                write!(f, "write of {} bytes at {offset} to {}", data.len(), path.display())
            }
            other => write!(f, "{other:?}"),
        }
    }
}
