//! The tool `powercut`: checks durability when the power fails. SIGKILL leaves everything that a process has
//! written in the memory of the system; a power cut does not. The tool records every write, flush and change
//! of a name that the server makes, and at which moment it answered which request. From the recording the
//! tool makes images: the data directory as it may be on the disk after a power cut. In each image, everything
//! that the server had answered before the cut must be there.
//!
//! An image has everything that was flushed: nothing, all or a random part of the other changes, down to
//! pieces of 512 bytes or 4 KiB. A created, renamed or removed name counts as a change of its directory. The
//! tool assumes that a disk writes a piece of 512 bytes completely or not at all, and that it keeps what it
//! has flushed.
//!
//! All images are checked without a server, which takes milliseconds: the ledger is opened as a server opens
//! it, and its rows are joined with the files and with the recorded answers. The real server is started on a
//! sample of the images and must deliver every accepted webhook. The negative control repeats the recording
//! with flushes that do nothing. If the tool then finds nothing lost, it would find nothing at all.

mod check;
mod disk;
mod events;
mod figures;
mod image;
mod plan;
mod recording;
mod rows;
mod script;
mod trial;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::ensure;
use clap::Args;
use pixaven_testkit::image_origin::ImageOrigin;
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use self::check::{Damage, Obligations, check};
use self::events::DATA_DIR;
use self::figures::{Figures, ImageFigures, RecordingFigures};
use self::plan::{PlannedImage, Replay, plan, sample};
use self::recording::{Recorder, Recording};
use self::script::ScriptUrls;
use crate::environment::IMAGE_PATH;
use crate::report::{Report, progress};
use crate::request_template::TestImage;
use crate::server::{Build, ServerArgs, temporary_directory};
use crate::strace;
use crate::webhook_receiver::WebhookReceiver;

/// A file system in memory, on which images are written and opened faster than on a disk.
const MEMORY: &str = "/dev/shm";

/// The largest number of damaged disk images that are described. More descriptions are not useful, because
/// damaged images usually have the same cause.
const N_DESCRIBED: usize = 10;

#[derive(Args)]
pub(crate) struct PowercutArgs {
    /// The number of requests in each of the two recordings.
    #[arg(long, default_value_t = 36)]
    requests: usize,
    /// Check only a random sample of this many disk images.
    #[arg(long, value_name = "N")]
    images: Option<usize>,
    /// Start the real server on this many disk images.
    #[arg(long, value_name = "N", default_value_t = 100)]
    servers: usize,
    /// The number of disk images that are made from the recordings without flushes (the negative control).
    #[arg(long, value_name = "N", default_value_t = 300)]
    control_images: usize,
    /// The seed of the random choices. The same recording and the same seed give the same disk images.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The number of disk images that are checked at the same time.
    #[arg(long, default_value_t = 2)]
    lanes: usize,
    #[command(flatten)]
    server: ServerArgs,
}

/// Makes the recordings, checks their disk images, and repeats both steps with flushes that do nothing.
pub(crate) async fn run(args: &PowercutArgs) -> anyhow::Result<Report> {
    ensure!(args.requests > 0 && args.lanes > 0, "--requests and --lanes are above zero");
    strace::ensure_installed().await?;
    let binary = args.server.binary(Build::SameProfile).await?;
    let origin = ImageOrigin::start(TestImage::unchanged(48, 48)?.bytes).await?;
    let receiver = WebhookReceiver::start().await?;
    let urls = ScriptUrls { image: origin.url(IMAGE_PATH), receiver: &receiver };
    let settings = &args.server.settings;
    let mut recorder = Recorder { binary: &binary, settings, n_requests: args.requests, flushes: true };
    let directory = temporary_directory(args.server.keep)?;
    let work = work_directory()?;

    let recordings = record(&recorder, &directory.path().join("disk"), &urls).await?;
    let mut figures = Figures {
        seed: args.seed,
        requests: recordings.iter().map(|recording| recording.requests.len()).max().unwrap_or(0),
        recordings: recordings.iter().map(|recording| RecordingFigures::new(recording)).collect(),
        images: ImageFigures::default(),
        servers: 0,
        bad_servers: 0,
        control: ImageFigures::default(),
    };
    let kept = args.server.keep.then(|| directory.path());
    let run = Run { args, work: work.path(), kept };
    figures.images = run.check_images(&recordings, args.images.unwrap_or(usize::MAX), "").await?;
    for recording in &recordings {
        let (n, n_bad) = run.start_servers(recording, &recorder, &receiver).await?;
        figures.servers += n;
        figures.bad_servers += n_bad;
    }
    recorder.flushes = false;
    let unflushed = record(&recorder, &directory.path().join("control"), &urls).await?;
    figures.control = run.check_images(&unflushed, args.control_images, "control: ").await?;
    let ImageFigures { lost, corrupt, wrong_bytes, .. } = figures.images;
    Ok(Report::new("powercut", &figures)?
        .require("nothing that was answered is lost", lost == 0)
        .require("no database is corrupt", corrupt == 0)
        .require("every upload and every result has its bytes", wrong_bytes == 0)
        .require("the real server loses nothing", figures.bad_servers == 0)
        .require("the negative control loses something", figures.control.lost > 0))
}

async fn record(
    recorder: &Recorder<'_>,
    root: &Path,
    urls: &ScriptUrls<'_>,
) -> anyhow::Result<[Arc<Recording>; 2]> {
    std::fs::create_dir(root)?;
    let recordings = recorder.record(root, urls).await?;
    for recording in &recordings {
        let RecordingFigures { writes, flushes, answers, .. } = RecordingFigures::new(recording);
        let name = recording.name;
        progress(format_args!("{name}: {writes} writes, {flushes} flushes, {answers} answers"));
    }
    Ok(recordings.map(Arc::new))
}

fn work_directory() -> anyhow::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("pixaven-powercut-");
    Ok(if Path::new(MEMORY).is_dir() { builder.tempdir_in(MEMORY)? } else { builder.tempdir()? })
}

struct Run<'a> {
    args: &'a PowercutArgs,
    /// The directory in which disk images are written.
    work: &'a Path,
    /// The directory in which damaged disk images are kept.
    kept: Option<&'a Path>,
}

/// What one lane needs to check its share of the images of a recording.
struct Lane {
    recording: Arc<Recording>,
    planned: Vec<PlannedImage>,
    seed: u64,
    directory: PathBuf,
    kept: Option<PathBuf>,
    /// The digests of all checked disk images, each with the number of answers that came before the power
    /// cut.
    checked: Arc<Mutex<HashSet<(u64, usize)>>>,
    label: &'static str,
}

impl Run<'_> {
    /// Checks up to `limit` disk images of the recordings.
    async fn check_images(
        &self,
        recordings: &[Arc<Recording>; 2],
        limit: usize,
        label: &'static str,
    ) -> anyhow::Result<ImageFigures> {
        let mut figures = ImageFigures::default();
        for recording in recordings {
            let planned = sample(plan(recording), limit.div_ceil(recordings.len()), self.args.seed);
            progress(format_args!("{label}{}: {} images", recording.name, planned.len()));
            let checked = Arc::default();
            let mut lanes = JoinSet::new();
            for n in 0..self.args.lanes {
                let lane = Lane {
                    recording: Arc::clone(recording),
                    planned: planned.iter().skip(n).step_by(self.args.lanes).copied().collect(),
                    seed: self.args.seed,
                    directory: self.work.join(format!("lane-{n}")),
                    kept: self.kept.map(|kept| kept.join(format!("bad {label}{}", recording.name))),
                    checked: Arc::clone(&checked),
                    label,
                };
                let handle = Handle::current();
                lanes.spawn_blocking(move || lane.check_all(&handle));
            }
            while let Some(found) = lanes.join_next().await {
                figures.add(&found??);
            }
        }
        Ok(figures)
    }

    /// Starts the real server on a sample of the disk images of a recording. Returns the number of started
    /// servers, and how many of these servers lost something.
    async fn start_servers(
        &self,
        recording: &Recording,
        recorder: &Recorder<'_>,
        receiver: &WebhookReceiver,
    ) -> anyhow::Result<(usize, usize)> {
        let planned = sample(plan(recording), self.args.servers.div_ceil(2), self.args.seed);
        progress(format_args!("{}: {} servers", recording.name, planned.len()));
        let mut replay = Replay::new(recording, self.args.seed);
        let root = self.work.join("server");
        let mut n_bad = 0;
        for planned in &planned {
            let image = replay.image(planned)?;
            let found = trial::run((&image, planned.line), recording, recorder, receiver, &root).await;
            let problems = found.unwrap_or_else(|error| vec![format!("{error:#}")]);
            n_bad += usize::from(!problems.is_empty());
            for problem in &problems {
                progress(format_args!("{}, {planned}, real server: {problem}", recording.name));
            }
        }
        Ok((planned.len(), n_bad))
    }
}

impl Lane {
    /// Checks all images of this lane.
    fn check_all(&self, handle: &Handle) -> anyhow::Result<ImageFigures> {
        let mut figures = ImageFigures::default();
        let mut replay = Replay::new(&self.recording, self.seed);
        for planned in &self.planned {
            let image = replay.image(planned)?;
            let owed = Obligations::at(&self.recording, planned.line);
            let key = (image.digest(), owed.answered.len());
            if !self.checked.lock().unwrap_or_else(PoisonError::into_inner).insert(key) {
                figures.repeated += 1;
                continue;
            }
            image.replace(&self.directory)?;
            let (damage, _) = handle.block_on(check(&self.directory.join(DATA_DIR), &owed))?;
            if !damage.is_none() {
                self.describe(planned, &damage, figures.bad_images);
                if let Some(kept) = &self.kept {
                    image.replace(&kept.join(planned.number.to_string()))?;
                }
            }
            figures.count(&damage);
        }
        Ok(figures)
    }

    fn describe(&self, planned: &PlannedImage, damage: &Damage, n_bad: usize) {
        if n_bad < N_DESCRIBED {
            progress(format_args!("{}{}, {planned}: {damage}", self.label, self.recording.name));
        }
    }
}
