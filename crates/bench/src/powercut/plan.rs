//! Decides which disk images are made from a recording, and makes the disk images one after the other. A disk
//! image is a copy of the data directory as it may be after a power cut.

use std::collections::BTreeMap;
use std::fmt;

use super::disk::{Disk, FileSystem};
use super::events::EventKind;
use super::image::{Image, KINDS, Survivors};
use super::recording::Recording;

/// The number of disk images of a moment at which nothing was flushed or answered.
const N_BETWEEN: usize = 5;

/// A planned disk image: the moment of the power cut, and which unflushed changes survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PlannedImage {
    /// The number of the disk image in the plan. The random choices for the disk image follow from this
    /// number.
    pub(super) number: usize,
    /// The power fails just after this line of the trace.
    pub(super) line: usize,
    pub(super) file_system: FileSystem,
    pub(super) survivors: Survivors,
}

impl fmt::Display for PlannedImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, line, file_system, survivors } = self;
        write!(f, "image {number} (after line {}, {file_system:?}, {survivors:?})", line + 1)
    }
}

/// Plans the disk images of a recording in the order of their moments. The power fails before and after each
/// call. Before and after each flush and each answer, the plan has disk images of all kinds. At other moments
/// the plan has disk images of some kinds.
pub(super) fn plan(recording: &Recording) -> Vec<PlannedImage> {
    let mut moments: BTreeMap<usize, bool> = BTreeMap::new();
    for event in &recording.events {
        let is_important = matches!(event.kind, EventKind::Flush { .. } | EventKind::Answer { .. });
        for line in [event.begin, event.end].into_iter().filter(|line| *line != usize::MAX) {
            *moments.entry(line).or_default() |= is_important;
        }
    }
    let mut images = Vec::new();
    for (line, is_important) in moments {
        let n_images = if is_important { KINDS.len() } else { N_BETWEEN };
        for _ in 0..n_images {
            let number = images.len();
            let (file_system, survivors) = KINDS[number % KINDS.len()];
            images.push(PlannedImage { number, line, file_system, survivors });
        }
    }
    images
}

/// Selects a random sample of at most `n` disk images, in the order of the plan.
pub(super) fn sample(mut images: Vec<PlannedImage>, n: usize, seed: u64) -> Vec<PlannedImage> {
    fastrand::Rng::with_seed(seed).shuffle(&mut images);
    images.truncate(n);
    images.sort_unstable_by_key(|image| image.number);
    images
}

/// Repeats the events of a recording on models of disks, and makes disk images at the planned moments.
pub(super) struct Replay<'a> {
    recording: &'a Recording,
    seed: u64,
    disks: [Disk; 2],
    n_begun: usize,
    /// The lines at which flushes end, in their order.
    flush_ends: Vec<usize>,
    n_ended: usize,
}

impl<'a> Replay<'a> {
    /// Begins with the files from before the recording.
    pub(super) fn new(recording: &'a Recording, seed: u64) -> Self {
        let disk = |file_system| Disk::new(file_system, recording.nodes.clone());
        let flushes = recording.events.iter().filter(|event| matches!(event.kind, EventKind::Flush { .. }));
        let mut flush_ends: Vec<usize> = flushes.map(|event| event.end).collect();
        flush_ends.sort_unstable();
        let disks = [disk(FileSystem::Posix), disk(FileSystem::Journal)];
        Self { recording, seed, disks, n_begun: 0, flush_ends, n_ended: 0 }
    }

    /// Makes a disk image. The disk images must be requested in the order of the plan.
    pub(super) fn image(&mut self, planned: &PlannedImage) -> anyhow::Result<Image> {
        self.advance(planned.line)?;
        let disk = self.disks.iter().find(|disk| disk.file_system == planned.file_system);
        let disk = disk.expect("there is a disk with each file system");
        let mut random = fastrand::Rng::with_seed(self.seed.wrapping_add(planned.number as u64));
        Ok(Image::new(disk, planned.survivors, &mut random))
    }

    /// Repeats the events of the recording up to the line `line` of the trace.
    fn advance(&mut self, line: usize) -> anyhow::Result<()> {
        loop {
            let event = self.recording.events.get(self.n_begun).filter(|event| event.begin <= line);
            let end = self.flush_ends.get(self.n_ended).copied().filter(|end| *end <= line);
            match (event, end) {
                // If a call begins and ends in the same line, its beginning is repeated before its end.
                (Some(event), end) if end.is_none_or(|end| event.begin <= end) => {
                    for disk in &mut self.disks {
                        disk.begin(event)?;
                    }
                    self.n_begun += 1;
                }
                (_, Some(end)) => {
                    self.disks.iter_mut().for_each(|disk| disk.end_flushes(end));
                    self.n_ended += 1;
                }
                (_, None) => return Ok(()),
            }
        }
    }
}
