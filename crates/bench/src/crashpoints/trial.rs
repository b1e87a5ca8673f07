//! One server's life: started, asked, killed at a point, started again and looked at.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

use super::groups::Group;
use super::recovery::{self, Recovery};
use super::script::{Subject, Told};
use crate::api::Api;
use crate::audit::Audit;
use crate::job::Image;
use crate::origin::Origin;
use crate::receiver::Receiver;
use crate::report::progress;
use crate::server::{self, Build, Installation, Server};
use crate::strace::Tracer;

const SIGKILL: i32 = 9;

/// How long the next webhook of an undisturbed server may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// One worker and one job at a time: what differs from run to run is then the order of few threads.
const SETTINGS: [&str; 2] = ["images.workers=1", "jobs.concurrency=1"];

/// What all servers have around them.
pub(super) struct Rig {
    binary: PathBuf,
    settings: Vec<String>,
    keep: bool,
    image: Image,
    origin: Origin,
}

/// Where one server after the other is tried.
pub(super) struct Lane<'a> {
    rig: &'a Rig,
    receiver: Receiver,
    subject: Subject,
}

/// What came of it.
pub(super) struct Trial {
    pub(super) was_killed: bool,
    /// Calls in all threads, and in the one with most of them.
    pub(super) counts: (u64, u64),
    pub(super) audit: Audit,
    /// Whatever did not hold.
    pub(super) problems: Vec<String>,
}

impl Rig {
    pub(super) async fn new(subject: &server::Subject) -> anyhow::Result<Self> {
        let binary = subject.binary(Build::LikeThis).await?;
        let settings =
            SETTINGS.into_iter().map(str::to_owned).chain(subject.settings.iter().cloned()).collect();
        let image = Image::documented(None)?;
        let origin = Origin::start(Image::noop()?.bytes).await?;
        Ok(Self { binary, settings, keep: subject.keep, image, origin })
    }

    pub(super) async fn lane(&self) -> anyhow::Result<Lane<'_>> {
        let receiver = Receiver::start().await?;
        let subject = Subject {
            image: self.image.bytes.clone(),
            image_url: self.origin.image_url(),
            webhook_url: receiver.url(),
        };
        Ok(Lane { rig: self, receiver, subject })
    }
}

impl Lane<'_> {
    /// Kills a server at its `n`th call, or lets it live if that is none, and starts it again.
    pub(super) async fn attempt(&self, group: &Group, n: u64) -> anyhow::Result<Trial> {
        let mut directory = server::directory(false)?;
        // As the system calls it: strace compares paths letter by letter.
        let root = directory.path().canonicalize()?;
        let Rig { binary, settings, .. } = self.rig;
        let installation = Installation::new(binary, root.join("data"), settings).await?;
        let mut tracer = Tracer::new(group.calls, group.path(installation.dir()), root.join("trace"));
        if n > 0 {
            tracer = tracer.with_fault(format!("signal=SIGKILL:when={n}"));
        }
        self.receiver.clear();
        let (was_killed, Recovery { audit, problems }) =
            self.live_and_recover(&installation, &tracer).await.unwrap_or_else(|why| {
                (true, Recovery { audit: Audit::default(), problems: vec![format!("{why:#}")] })
            });
        if self.rig.keep && !problems.is_empty() {
            directory.disable_cleanup(true);
            progress(format_args!("{} {n} is left in {}", group.name(), root.display()));
        }
        Ok(Trial { was_killed, counts: tracer.trace()?.counts(), audit, problems })
    }

    /// Says whether the server was killed, and what it is like afterwards.
    async fn live_and_recover(
        &self,
        installation: &Installation,
        tracer: &Tracer,
    ) -> anyhow::Result<(bool, Recovery)> {
        let (told, was_killed) = self.live(installation, installation.spawn_traced(tracer)?).await?;
        let mut recovery = recovery::of(installation, &told, &self.subject, &self.receiver).await?;
        if !was_killed && told.n_cut > 0 {
            recovery.problems.push(format!("{} answers were cut off by a server that lived", told.n_cut));
        }
        Ok((was_killed, recovery))
    }

    /// Asks everything until the server dies; stops one that does not. Says whether it was killed.
    async fn live(&self, installation: &Installation, mut server: Server) -> anyhow::Result<(Told, bool)> {
        let Ok(address) = server.listening().await else {
            let status = server.ended().await?;
            let why = || format!("the server ended with {status}:\n{}", installation.log_tail());
            anyhow::ensure!(status.signal() == Some(SIGKILL), why());
            return Ok((Told::default(), true));
        };
        let api = Api::new(address, &installation.key);
        let told = Told::by(&api, &self.subject).await;
        tokio::select! {
            status = server.ended() => return Ok((told, status?.signal() == Some(SIGKILL))),
            () = self.receiver.wait_for(&told.accepted, PATIENCE) => {}
        }
        let status = server.terminate().await.context("no orderly end")?;
        Ok((told, status.signal() == Some(SIGKILL)))
    }
}
