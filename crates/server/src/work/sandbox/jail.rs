//! The jail of a worker process. A worker enters the jail before it reads the first byte of an image. From
//! then on the process can only compute, use memory, read its standard input and write to its standard output
//! and standard error. An attacker who exploits a bug in a codec can therefore neither open a file, nor open
//! a connection, nor start a process.
//!
//! The jail consists of several independent restrictions, which are called walls, so that a kernel that lacks
//! one of them still enforces the others. The walls are resource limits, no new privileges, an empty network
//! namespace, Landlock without any path, and a seccomp filter that allows only the system calls of a process
//! that computes. A forbidden system call kills the process.

use std::collections::BTreeMap;
use std::io;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetCreated, RulesetStatus, Scope,
};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::{UnshareFlags, set_no_new_privs};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};

/// The newest version of Landlock whose access rights this program restricts. An older kernel restricts only
/// the access rights that it supports.
const LANDLOCK_ABI: ABI = ABI::V6;

/// The flag `PROT_EXEC` of mmap(2) and mprotect(2), which makes memory executable.
const PROT_EXEC: u64 = 4;

/// The number of the resource limit `RLIMIT_CPU` of setrlimit(2). A worker renews this limit for every image.
const RLIMIT_CPU: u64 = 0;

/// The error number `EACCES`. The jail returns it for system calls that libraries try, but do not need.
const EACCES: u32 = 13;

/// A wall, which is one of the restrictions of the jail, for which the running kernel lacks a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingWall {
    /// The process keeps the network namespace of the server. The other restrictions of the jail still forbid
    /// sockets.
    NetworkNamespace,
    /// The kernel has no Landlock. The seccomp filter still forbids opening files.
    Landlock,
    /// The kernel has no seccomp filters. Landlock still forbids opening files.
    Seccomp,
}

impl MissingWall {
    /// All walls that a kernel may lack.
    pub const ALL: [Self; 3] = [Self::NetworkNamespace, Self::Landlock, Self::Seccomp];

    /// Returns the name of the kernel feature that is missing.
    pub fn name(self) -> &'static str {
        match self {
            Self::NetworkNamespace => "network namespace",
            Self::Landlock => "Landlock",
            Self::Seccomp => "seccomp",
        }
    }
}

/// Locks this process into the jail, which the process can never leave. The process must have only one
/// thread. Returns the walls (restrictions) that the kernel does not offer.
///
/// # Errors
/// If a resource limit or a process attribute cannot be set.
pub fn enter() -> io::Result<Vec<MissingWall>> {
    let mut missing = Vec::new();
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    if !leave_network() {
        missing.push(MissingWall::NetworkNamespace);
    }
    set_no_new_privs(true)?;
    if !restrict_by_landlock() {
        missing.push(MissingWall::Landlock);
    }
    for resource in [Resource::Core, Resource::Fsize, Resource::Nproc, Resource::Nofile] {
        setrlimit(resource, Rlimit { current: Some(0), maximum: Some(0) })?;
    }
    if let Err(error) = filter_system_calls() {
        eprintln!("no seccomp filter: {error}");
        missing.push(MissingWall::Seccomp);
    }
    Ok(missing)
}

/// Moves this process into a network namespace without interfaces. An unprivileged process must enter a user
/// namespace of its own for this step, which some systems forbid. Returns whether the process was moved.
fn leave_network() -> bool {
    #[expect(deprecated, reason = "the flags concern no file descriptor, so the safe function is right")]
    let unshare = rustix::thread::unshare;
    unshare(UnshareFlags::NEWNET).or_else(|_| unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNET)).is_ok()
}

/// Forbids access to every file and every TCP port, signals to other processes, and connections to abstract
/// sockets of other processes. Returns whether the kernel enforces at least a part of these restrictions.
fn restrict_by_landlock() -> bool {
    let restricted = Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK_ABI))
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(LANDLOCK_ABI)))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(LANDLOCK_ABI)))
        .and_then(Ruleset::create)
        .and_then(RulesetCreated::restrict_self);
    restricted.is_ok_and(|status| status.ruleset != RulesetStatus::NotEnforced)
}

fn filter_system_calls() -> Result<(), seccompiler::Error> {
    let arch = std::env::consts::ARCH.try_into()?;
    let allow = SeccompFilter::new(allowed_calls()?, SeccompAction::KillProcess, SeccompAction::Allow, arch)?;
    let refuse =
        SeccompFilter::new(refused_calls(), SeccompAction::Allow, SeccompAction::Errno(EACCES), arch)?;
    // The kernel runs both seccomp filters, `refuse` and `allow`, for each system call and applies the more
    // restrictive of their two actions.
    let (refuse, allow): (BpfProgram, BpfProgram) = (refuse.try_into()?, allow.try_into()?);
    // The filter `refuse` must be installed before `allow`, because `allow` forbids the system call that
    // installs a filter.
    apply_filter(&refuse)?;
    apply_filter(&allow)
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Returns the rules for the system calls that a process needs to compute and to use open pipes. A system
/// call with an empty list of rules is allowed with any arguments.
fn allowed_calls() -> Result<Rules, seccompiler::Error> {
    let condition =
        |argument, operator, value| SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value);
    let not_executable = || {
        let is_clear = condition(2, SeccompCmpOp::MaskedEq(PROT_EXEC), 0)?;
        Ok::<_, seccompiler::Error>(vec![SeccompRule::new(vec![is_clear])?])
    };
    let own_cpu_limit = SeccompRule::new(vec![
        condition(0, SeccompCmpOp::Eq, 0)?,
        condition(1, SeccompCmpOp::Eq, RLIMIT_CPU)?,
    ])?;
    let mut calls: Rules = ALLOWED.iter().chain(REFUSED).map(|&call| (call, Vec::new())).collect();
    calls.insert(libc::SYS_mmap, not_executable()?);
    calls.insert(libc::SYS_mprotect, not_executable()?);
    calls.insert(libc::SYS_prlimit64, vec![own_cpu_limit]);
    Ok(calls)
}

fn refused_calls() -> Rules {
    REFUSED.iter().map(|&call| (call, Vec::new())).collect()
}

/// The system calls that are allowed with any arguments.
const ALLOWED: &[i64] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// The system calls that fail with an error without killing the process. Libraries use these calls only to
/// tune themselves and work without them.
const REFUSED: &[i64] = &[libc::SYS_openat, libc::SYS_sched_getaffinity, libc::SYS_sysinfo];
