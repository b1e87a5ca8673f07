//! The worker's side of the pipes to the server: the process `pixaven image-worker`. The process reads one
//! image at a time from standard input and writes the result to standard output. Before the process reads the
//! first image, it enters the jail (module `jail`).

use std::cell::RefCell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pixaven_imaging::fonts::{FontFile, FontQuery, FontSource};
use pixaven_imaging::{Input, Scratch, process};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::jail;
use super::wire::{self, Reply, Task};
use crate::runtime::allocator;

/// Processes images until standard input ends. Standard input ends when the server process ends, even if the
/// server is killed by SIGKILL.
pub fn run(cpu_s_per_image: u64) -> io::Result<()> {
    keep_panic_messages();
    // The server has logged the missing walls already, see module `jail_probe`.
    jail::enter()?;
    let (requests, replies) = (io::stdin(), io::stdout());
    let fonts = ServerFonts { failure: Mutex::new(None) };
    let mut scratch = Scratch::default();
    let mut input = Vec::new();
    let mut allocator = Allocator { is_for_large: false };
    let mut cpu = CpuAllowance::new(cpu_s_per_image);
    while let Some(task) = wire::read_frame::<Task>(&mut &requests, &mut input)? {
        cpu.renew()?;
        allocator.set(task.is_large);
        let input = task.split(&input, Some(&fonts))?;
        let processed = catch_unwind(AssertUnwindSafe(|| process_task(input, &task, &mut scratch)));
        for message in PANIC_MESSAGES.take() {
            wire::write_reply(&mut &replies, &Reply::Message(message), &[])?;
        }
        let (reply, body) = processed.unwrap_or_else(|panic| resume_unwind(panic));
        if let Some(error) = fonts.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(error);
        }
        wire::write_reply(&mut &replies, &reply, &body)?;
    }
    Ok(())
}

thread_local! {
    /// The messages of the panics since the last reply. A worker has one thread.
    static PANIC_MESSAGES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Keeps the message of every panic for the server, instead of writing it to standard error. Standard error can
/// be a file if a person starts a worker, and the jail kills a process that writes to a file.
fn keep_panic_messages() {
    set_hook(Box::new(|panic| {
        PANIC_MESSAGES.with_borrow_mut(|messages| {
            if messages.len() < wire::MAX_MESSAGES {
                messages.push(panic.to_string());
            }
        });
    }));
}

/// The fonts of the server. The worker asks for them through the same pipes through which it gets its images.
#[derive(Debug)]
struct ServerFonts {
    /// The first failure of a pipe. It ends the worker after the image.
    failure: Mutex<Option<io::Error>>,
}

impl FontSource for ServerFonts {
    fn find(&self, query: &FontQuery) -> Option<FontFile> {
        match ask_server(query) {
            Ok(found) => found,
            Err(error) => {
                self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                None
            }
        }
    }
}

fn ask_server(query: &FontQuery) -> io::Result<Option<FontFile>> {
    wire::write_reply(&mut io::stdout(), &Reply::Font(query.clone()), &[])?;
    let mut bytes = Vec::new();
    let reply = wire::read_frame::<wire::FontReply>(&mut io::stdin(), &mut bytes)?;
    let reply = reply.ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(reply.index.map(|index| FontFile { bytes, index }))
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

/// The size in bytes from which on a buffer is a memory mapping of its own while the worker processes a large image:
/// it goes back to the system when it is freed, and grows without being copied.
const MAPPED_BYTES: i32 = 1 << 20;
/// The same for all other images. The worker keeps the memory, because getting it again would take longer than many
/// image operations. The value is that of the environment with which the server starts a worker.
const MAPPED_BYTES_OTHERWISE: i32 = 1 << 30;

/// The setting of the allocator.
struct Allocator {
    is_for_large: bool,
}

impl Allocator {
    /// Changes the setting if the next image needs another one.
    fn set(&mut self, is_large: bool) {
        if self.is_for_large != is_large {
            // If the allocator refuses a value, it keeps the setting that it has, which works as well.
            let _is_set =
                allocator::map_buffers_from(if is_large { MAPPED_BYTES } else { MAPPED_BYTES_OTHERWISE });
            self.is_for_large = is_large;
        }
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
