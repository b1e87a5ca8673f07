//! Plays an attacker who has taken over an image worker: tries twelve forbidden acts inside the worker's
//! jail, such as reading the database. Every act must fail with an error, or the kernel must kill the
//! process.
//!
//! This test runs without the test harness of Rust. The test program starts itself again for each act,
//! because a process can never leave the jail.

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("SKIPPED: the jail exists on Linux only");
}

#[cfg(target_os = "linux")]
fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match &arguments[1..] {
        [flag, name, directory] if flag == "--act" => attacker::run(name, std::path::Path::new(directory)),
        // `cargo test` passes filters and flags to the program, and this test ignores them. Some tools pass
        // `--list` to request a list of tests.
        [flag, ..] if flag == "--list" => println!("the_jail_refuses_twelve_acts: test"),
        _ => judge::every_act_is_refused(),
    }
}

#[cfg(target_os = "linux")]
mod judge {
    use std::os::unix::process::ExitStatusExt as _;
    use std::path::Path;
    use std::process::{Command, Output};

    use super::attacker::{ACTS, ESCAPED, REFUSED};

    pub(super) fn every_act_is_refused() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path();
        for (file, content) in [("pixaven.db", "secret"), ("lock", "")] {
            std::fs::write(path.join(file), content).expect("the directory can be written");
        }
        for (name, _) in ACTS {
            let output = attempt(name, path);
            let (text, signal) = (String::from_utf8_lossy(&output.stdout), output.status.signal());
            let is_refused = text.contains(REFUSED) || signal == Some(libc::SIGSYS);
            assert!(is_refused && !text.contains(ESCAPED), "{name}: {text} {:?}", output.status);
            println!("{name}: {}", if signal.is_some() { "killed" } else { "refused" });
        }
        let database = std::fs::read_to_string(path.join("pixaven.db")).expect("the database is still there");
        assert_eq!(database, "secret", "the attacker has not changed the database");
        assert!(path.join("lock").exists(), "the attacker has not renamed the lock");
        assert_eq!(
            std::fs::read_dir(path).expect("a directory").count(),
            2,
            "the attacker has added no file"
        );
    }

    fn attempt(name: &str, directory: &Path) -> Output {
        let program = std::env::current_exe().expect("the path of this test");
        let mut attacker = Command::new(program);
        attacker.args(["--act", name]).arg(directory).output().expect("the attacker starts")
    }
}

#[cfg(target_os = "linux")]
mod attacker {
    use std::io;
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::fs::symlink;
    use std::os::unix::process::parent_id;
    use std::path::Path;
    use std::process::Command;

    use pixaven::work::sandbox::jail;

    pub(super) const ESCAPED: &str = "ESCAPED";
    pub(super) const REFUSED: &str = "REFUSED";

    type Act = fn(&Path) -> io::Result<()>;

    pub(super) const ACTS: [(&str, Act); 12] = [
        ("read the database", |directory| std::fs::read(directory.join("pixaven.db")).map(drop)),
        ("write the database", |directory| std::fs::write(directory.join("pixaven.db"), "mine")),
        ("open the server's memory", |_| std::fs::File::open(format!("/proc/{}/mem", parent_id())).map(drop)),
        ("trace the server", |_| trace_parent()),
        ("connect to a port", |_| TcpStream::connect("127.0.0.1:9").map(drop)),
        ("listen on a port", |_| TcpListener::bind("127.0.0.1:0").map(drop)),
        ("fork", |_| fork()),
        ("run a program", |_| Command::new("/bin/true").status().map(drop)),
        ("rename the lock", |directory| std::fs::rename(directory.join("lock"), directory.join("key"))),
        ("plant a link", |directory| symlink("/etc/passwd", directory.join("link"))),
        ("enter a new namespace", |_| unshare()),
        ("kill the server", |_| signal_parent()),
    ];

    pub(super) fn run(name: &str, directory: &Path) {
        let (_, act) = ACTS.iter().find(|(known, _)| *known == name).expect("a known act");
        let missing = jail::enter().expect("the jail closes");
        assert!(missing.is_empty() || std::env::var_os("PIXAVEN_REQUIRE_JAIL").is_none(), "{missing:?}");
        match act(directory) {
            Ok(()) => println!("{ESCAPED}"),
            // The error "connection refused" counts as an escape from the jail, because the kernel allowed
            // the worker to try to connect.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => println!("{ESCAPED}"),
            Err(error) => println!("{REFUSED}: {error}"),
        }
    }

    fn check(result: i64) -> io::Result<()> {
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    #[expect(unsafe_code, reason = "the attacker makes system calls that no safe function offers")]
    fn trace_parent() -> io::Result<()> {
        // SAFETY: ptrace(2) with `PTRACE_SEIZE` dereferences no pointer.
        check(unsafe { libc::ptrace(libc::PTRACE_SEIZE, parent_id() as libc::pid_t, 0, 0) })
    }

    #[expect(unsafe_code, reason = "the attacker makes system calls that no safe function offers")]
    fn fork() -> io::Result<()> {
        // SAFETY: the process has one thread, and the forked child exits at once without running destructors.
        match unsafe { libc::fork() } {
            // SAFETY: `_exit` only ends the child process.
            0 => unsafe { libc::_exit(0) },
            result => check(result.into()),
        }
    }

    #[expect(unsafe_code, reason = "the attacker makes system calls that no safe function offers")]
    fn unshare() -> io::Result<()> {
        // SAFETY: unshare(2) takes no pointer.
        check(unsafe { libc::unshare(libc::CLONE_NEWNS) }.into())
    }

    #[expect(unsafe_code, reason = "the attacker makes system calls that no safe function offers")]
    fn signal_parent() -> io::Result<()> {
        // SAFETY: kill(2) takes no pointer. The signal 0 is not delivered; the kernel only checks the
        // permission to send it.
        check(unsafe { libc::kill(parent_id() as libc::pid_t, 0) }.into())
    }
}
