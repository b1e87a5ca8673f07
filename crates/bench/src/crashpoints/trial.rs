//! One trial of a crash point: a server gets a script of requests and is killed at the crash point. A second
//! server then starts on the same data directory, and the tool checks it.

use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use pixaven_testkit::image_origin::ImageOrigin;

use super::call_groups::CallGroup;
use super::recovery::{Recovery, check_recovery};
use super::script::{Acknowledged, ScriptInputs};
use crate::api_client::ApiClient;
use crate::audit::Audit;
use crate::environment::IMAGE_PATH;
use crate::report::progress;
use crate::request_template::TestImage;
use crate::server::{Build, Installation, Server, ServerArgs, temporary_directory};
use crate::strace::{CallCounts, Tracer};
use crate::webhook_receiver::WebhookReceiver;

const SIGKILL: i32 = 9;

/// If no webhook arrives for this long, the tool assumes that a server that was not killed has sent all its
/// webhooks.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// The servers of the trials have one image worker and run one job at a time: with few threads, the order of
/// the system calls varies less from run to run.
const SETTINGS: [&str; 2] = ["images.workers=1", "jobs.concurrency=1"];

/// The server binary, the settings, the image and the image origin, which all trials share.
pub(super) struct TrialSetup {
    binary: PathBuf,
    settings: Vec<String>,
    keep: bool,
    image: TestImage,
    origin: ImageOrigin,
}

/// Runs trials one after the other. Each runner has its own webhook receiver.
pub(super) struct TrialRunner<'a> {
    setup: &'a TrialSetup,
    receiver: WebhookReceiver,
    inputs: ScriptInputs,
}

/// The result of a trial of one crash point.
pub(super) struct Trial {
    pub(super) was_killed: bool,
    pub(super) counts: CallCounts,
    pub(super) audit: Audit,
    /// Descriptions of everything that was missing or wrong after the restart.
    pub(super) problems: Vec<String>,
}

impl TrialSetup {
    pub(super) async fn new(args: &ServerArgs) -> anyhow::Result<Self> {
        let binary = args.binary(Build::SameProfile).await?;
        let settings = SETTINGS.into_iter().map(str::to_owned).chain(args.settings.iter().cloned()).collect();
        let image = TestImage::documented(None)?;
        let origin = ImageOrigin::start(TestImage::noop()?.bytes).await?;
        Ok(Self { binary, settings, keep: args.keep, image, origin })
    }

    pub(super) async fn start_runner(&self) -> anyhow::Result<TrialRunner<'_>> {
        let receiver = WebhookReceiver::start().await?;
        let inputs = ScriptInputs {
            image: self.image.bytes.clone(),
            image_url: self.origin.url(IMAGE_PATH),
            webhook_url: receiver.url(),
        };
        Ok(TrialRunner { setup: self, receiver, inputs })
    }
}

impl TrialRunner<'_> {
    /// Kills a server at its `n`th system call of a group, or does not kill the server if `n` is 0. Then
    /// starts a second server on the same data directory and checks it.
    pub(super) async fn run_trial(&self, group: &CallGroup, n: u64) -> anyhow::Result<Trial> {
        let mut directory = temporary_directory(false)?;
        // `strace` compares paths byte for byte, and the operating system uses canonical paths. The path of
        // the data directory must therefore be canonical.
        let root = directory.path().canonicalize()?;
        let TrialSetup { binary, settings, .. } = self.setup;
        let installation = Installation::new(binary, root.join("data"), settings).await?;
        let mut tracer = Tracer::new(group.calls, group.path(installation.dir()), root.join("trace"));
        if n > 0 {
            tracer = tracer.with_fault(format!("signal=SIGKILL:when={n}"));
        }
        self.receiver.clear();
        let (was_killed, Recovery { audit, problems }) =
            self.run_and_recover(&installation, &tracer).await.unwrap_or_else(|error| {
                (true, Recovery { audit: Audit::default(), problems: vec![format!("{error:#}")] })
            });
        if self.setup.keep && !problems.is_empty() {
            directory.disable_cleanup(true);
            progress(format_args!("{} {n} is kept in {}", group.name(), root.display()));
        }
        Ok(Trial { was_killed, counts: tracer.trace()?.counts(), audit, problems })
    }

    /// Runs a server under `strace`, then a second server without injected faults. Returns whether the first
    /// server was killed, and the result of checking the second server.
    async fn run_and_recover(
        &self,
        installation: &Installation,
        tracer: &Tracer,
    ) -> anyhow::Result<(bool, Recovery)> {
        let server = installation.spawn_traced(tracer)?;
        let (acknowledged, was_killed) = self.run_script(installation, server).await?;
        let mut recovery = check_recovery(installation, &acknowledged, &self.inputs, &self.receiver).await?;
        let n_cut = acknowledged.n_cut;
        if !was_killed && n_cut > 0 {
            recovery.problems.push(format!("{n_cut} answers were cut off by a server that was not killed"));
        }
        Ok((was_killed, recovery))
    }

    /// Runs the script until its end or until the server dies. If the server still runs at the end of the
    /// script, the server is stopped. Returns what the server had acknowledged, and whether the server was
    /// killed.
    async fn run_script(
        &self,
        installation: &Installation,
        mut server: Server,
    ) -> anyhow::Result<(Acknowledged, bool)> {
        let Ok(address) = server.wait_until_listening().await else {
            let status = server.wait_for_exit().await?;
            let reason = || format!("the server ended with {status}:\n{}", installation.log_tail());
            ensure!(status.signal() == Some(SIGKILL), reason());
            return Ok((Acknowledged::default(), true));
        };
        let api = ApiClient::new(address, &installation.key);
        let acknowledged = Acknowledged::by_script(&api, &self.inputs).await;
        tokio::select! {
            status = server.wait_for_exit() => return Ok((acknowledged, status?.signal() == Some(SIGKILL))),
            () = self.receiver.wait_for(&acknowledged.accepted, IDLE_TIMEOUT) => {}
        }
        let status = server.terminate().await.context("no orderly end")?;
        Ok((acknowledged, status.signal() == Some(SIGKILL)))
    }
}
