//! The other side of the pipe: what the process `pixaven image-worker` does. Images come in on standard input,
//! one at a time, results go out on standard output. It opens no file and no socket.

use std::io;
use std::time::Duration;

use pixaven_imaging::{Input, Scratch, process};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::wire::{self, Reply, Task};
use crate::error::ApiError;

/// Serves images until standard input ends, which it does when the server has gone, however it went.
pub fn run(cpu_s_per_image: u64) -> io::Result<()> {
    close_doors()?;
    let mut requests = io::stdin().lock();
    let mut replies = io::stdout().lock();
    let mut scratch = Scratch::default();
    let mut input = Vec::new();
    let mut cpu = CpuAllowance::new(cpu_s_per_image);
    while let Some(task) = wire::read_task(&mut requests, &mut input)? {
        cpu.renew()?;
        let (reply, body) = perform(task.split(&input)?, &task, &mut scratch);
        wire::write_reply(&mut replies, &reply, &body)?;
    }
    Ok(())
}

fn perform(input: Input<'_>, task: &Task, scratch: &mut Scratch) -> (Reply, Vec<u8>) {
    match process(input, &task.plan, &task.limits, scratch) {
        Ok(done) => {
            let (faces, warnings) = (done.faces, done.warnings);
            let reply = Reply::Done { input: done.input, output: done.output, faces, warnings };
            (reply, done.bytes)
        }
        Err(error) => {
            let detail = error.to_string();
            let error = ApiError::from(error);
            let message = error.message().to_owned();
            (Reply::Failed { kind: error.kind(), message, detail: Some(detail) }, Vec::new())
        }
    }
}

/// A worker has no business with files: none may grow, none may be dumped.
fn close_doors() -> io::Result<()> {
    for resource in [Resource::Core, Resource::Fsize] {
        setrlimit(resource, Rlimit { current: Some(0), maximum: Some(0) })?;
    }
    Ok(())
}

/// The kernel's own CPU limit, renewed for every image. The server watches more closely; this one still holds when
/// the server was killed while an image had this process in an endless loop.
struct CpuAllowance {
    per_image_s: u64,
    started: std::time::Instant,
}

impl CpuAllowance {
    fn new(per_image_s: u64) -> Self {
        Self { per_image_s, started: std::time::Instant::now() }
    }

    /// CPU time used so far is at most the time since the start, as this process has one thread.
    fn renew(&mut self) -> io::Result<()> {
        let slack = Duration::from_secs(5);
        let allowed_s = (self.started.elapsed() + slack).as_secs() + self.per_image_s;
        let hard = getrlimit(Resource::Cpu).maximum;
        setrlimit(Resource::Cpu, Rlimit { current: Some(allowed_s), maximum: hard })?;
        Ok(())
    }
}
