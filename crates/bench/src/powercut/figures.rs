//! The figures of the tool `powercut`: what was recorded, and what was found in the disk images.

use serde::Serialize;

use super::check::Damage;
use super::events::EventKind;
use super::recording::Recording;

#[derive(Serialize)]
pub(super) struct Figures {
    pub(super) seed: u64,
    pub(super) requests: usize,
    pub(super) recordings: Vec<RecordingFigures>,
    #[serde(flatten)]
    pub(super) images: ImageFigures,
    /// The number of disk images on which the real server was started.
    pub(super) servers: usize,
    /// The number of disk images on which the real server lost something.
    pub(super) bad_servers: usize,
    /// The figures of the negative control: the disk images of a server whose flushes do nothing.
    pub(super) control: ImageFigures,
}

/// How many writes, flushes and requests one recorded run of the server has.
#[derive(Serialize)]
pub(super) struct RecordingFigures {
    pub(super) recording: &'static str,
    pub(super) writes: usize,
    pub(super) written_bytes: usize,
    /// Created, linked, renamed and removed files and directories.
    pub(super) name_changes: usize,
    pub(super) flushes: usize,
    pub(super) answers: usize,
}

/// What was found in disk images, each a copy of the data directory as it may be after a power cut.
#[derive(Default, Serialize)]
pub(super) struct ImageFigures {
    /// The number of checked disk images. Two equal disk images both count if they come after different
    /// numbers of answers.
    pub(super) images: usize,
    /// The number of planned disk images that were not checked, because an equal disk image was checked
    /// before.
    pub(super) repeated: usize,
    /// The number of disk images in which something is lost or damaged.
    pub(super) bad_images: usize,
    /// The number of answered requests and API keys that are missing, summed over all disk images.
    pub(super) lost: usize,
    /// Errors in databases.
    pub(super) corrupt: usize,
    /// Uploads and results with missing or wrong bytes.
    pub(super) wrong_bytes: usize,
}

impl ImageFigures {
    pub(super) fn count(&mut self, damage: &Damage) {
        self.images += 1;
        self.bad_images += usize::from(!damage.is_none());
        self.lost += damage.lost.len();
        self.corrupt += damage.corrupt.len();
        self.wrong_bytes += damage.wrong_bytes.len();
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.images += other.images;
        self.repeated += other.repeated;
        self.bad_images += other.bad_images;
        self.lost += other.lost;
        self.corrupt += other.corrupt;
        self.wrong_bytes += other.wrong_bytes;
    }
}

impl RecordingFigures {
    pub(super) fn new(recording: &Recording) -> Self {
        let count =
            |is: fn(&EventKind) -> bool| recording.events.iter().filter(|event| is(&event.kind)).count();
        let data = recording.events.iter().map(|event| match &event.kind {
            EventKind::Write { data, .. } => data.len(),
            _ => 0,
        });
        Self {
            recording: recording.name,
            writes: count(|kind| matches!(kind, EventKind::Write { .. } | EventKind::Truncate { .. })),
            written_bytes: data.sum(),
            name_changes: count(EventKind::is_of_a_name),
            flushes: count(|kind| matches!(kind, EventKind::Flush { .. })),
            answers: recording.answered.values().filter(|line| **line > 0).count(),
        }
    }
}
