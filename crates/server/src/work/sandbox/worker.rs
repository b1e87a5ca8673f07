//! The worker's side of the pipes to the server: the process `pixaven image-worker`. The process reads one
//! image at a time from standard input and writes the result to standard output. Before the process reads the
//! first image, it enters the jail (module `jail`).

use std::io;
use std::time::Duration;

use pixaven_imaging::{Input, Scratch, process};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::jail;
use super::wire::{self, Reply, Task};

/// Processes images until standard input ends. Standard input ends when the server process ends, even if the
/// server is killed by SIGKILL.
pub fn run(cpu_s_per_image: u64) -> io::Result<()> {
    // The server has logged the missing walls already, see module `jail_probe`.
    jail::enter()?;
    let mut requests = io::stdin().lock();
    let mut replies = io::stdout().lock();
    let mut scratch = Scratch::default();
    let mut input = Vec::new();
    let mut cpu = CpuAllowance::new(cpu_s_per_image);
    while let Some(task) = wire::read_task(&mut requests, &mut input)? {
        cpu.renew()?;
        let (reply, body) = process_task(task.split(&input)?, &task, &mut scratch);
        wire::write_reply(&mut replies, &reply, &body)?;
    }
    Ok(())
}

fn process_task(input: Input<'_>, task: &Task, scratch: &mut Scratch) -> (Reply, Vec<u8>) {
    match process(input, &task.plan, &task.limits, scratch) {
        Ok(done) => {
            let (faces, warnings) = (done.faces, done.warnings);
            let reply = Reply::Done { input: done.input, output: done.output, faces, warnings };
            (reply, done.bytes)
        }
        Err(error) => (Reply::Failed(error.into()), Vec::new()),
    }
}

/// The kernel's limit on CPU time (`RLIMIT_CPU`), which the worker renews for every image. The server also
/// limits the CPU time and measures it more precisely. The kernel's limit is needed if the server is killed
/// while the worker is in an endless loop, because then only the kernel can end the worker.
struct CpuAllowance {
    per_image_s: u64,
    started: std::time::Instant,
}

impl CpuAllowance {
    fn new(per_image_s: u64) -> Self {
        Self { per_image_s, started: std::time::Instant::now() }
    }

    /// Raises the kernel's limit on CPU time so that the worker can process one more image. The worker has
    /// one thread, so its CPU time so far is at most the time since its start.
    fn renew(&mut self) -> io::Result<()> {
        let slack = Duration::from_secs(5);
        let allowed_s = (self.started.elapsed() + slack).as_secs() + self.per_image_s;
        let hard = getrlimit(Resource::Cpu).maximum;
        setrlimit(Resource::Cpu, Rlimit { current: Some(allowed_s), maximum: hard })?;
        Ok(())
    }
}
