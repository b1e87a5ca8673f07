//! A PostgreSQL server for tests: a cluster in a temporary directory, which ends with this process.

use std::io;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::ports::unused_address;

/// The environment variable with the URL of a server that the tests may use instead of a cluster of their own.
/// The user of the URL must be allowed to create databases.
const URL_VARIABLE: &str = "TEST_DATABASE_URL";

/// If this environment variable is set, a missing server makes the tests fail.
const REQUIRE_VARIABLE: &str = "PIXAVEN_REQUIRE_POSTGRES";

/// Waits for the end of its input, which is the end of the process that started it. Then stops the server and
/// deletes the files of the cluster. The arguments are `pg_ctl` and the directory.
const GUARD: &str = r#"cat >/dev/null; "$0" -s -D "$1/data" -m immediate stop; rm -rf "$1""#;

/// A running cluster. It ends when it is dropped, or when this process ends.
#[derive(Debug)]
pub struct Cluster {
    programs: PathBuf,
    directory: PathBuf,
    port: u16,
    guard: Option<Child>,
}

/// How a cluster treats its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// Each commit is flushed, as in production.
    Always,
    /// Nothing is flushed, which is faster and safe as long as the machine does not crash.
    Never,
}

/// Returns the URL of a new, empty database on a server that all tests of this process share. Returns `None`,
/// and says so on the standard error, if this machine has no PostgreSQL.
///
/// # Panics
/// If the server or the database cannot be created, or if `PIXAVEN_REQUIRE_POSTGRES` is set and this machine
/// has no PostgreSQL.
pub fn new_database() -> Option<String> {
    static SERVER: OnceLock<Option<Cluster>> = OnceLock::new();
    static N_DATABASES: AtomicU32 = AtomicU32::new(0);
    let name = format!("pixaven_test_{}_{}", std::process::id(), N_DATABASES.fetch_add(1, Ordering::Relaxed));
    if let Some(url) = variable(URL_VARIABLE) {
        let (server, parameters) = url.split_once('?').unwrap_or((&url, ""));
        let (base, _) = server.rsplit_once('/').expect("TEST_DATABASE_URL names a database");
        run(Command::new("createdb").arg(format!("--maintenance-db={url}")).arg(&name));
        let separator = if parameters.is_empty() { "" } else { "?" };
        return Some(format!("{base}/{name}{separator}{parameters}"));
    }
    let cluster = SERVER.get_or_init(|| new_cluster(Flush::Never));
    cluster.as_ref().map(|cluster| cluster.create_database(&name))
}

/// Starts a cluster for tests that stop and start it. Returns `None`, and says so on the standard error, if
/// this machine has no PostgreSQL.
///
/// # Panics
/// As [`new_database`].
pub fn new_cluster(flush: Flush) -> Option<Cluster> {
    let programs = programs();
    if programs.is_none() {
        assert!(variable(REQUIRE_VARIABLE).is_none(), "PostgreSQL is required, and initdb was not found");
        eprintln!("SKIPPED: tests on PostgreSQL, because initdb was not found");
    }
    programs.map(|programs| Cluster::start(programs, flush))
}

impl Cluster {
    fn start(programs: PathBuf, flush: Flush) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be created").keep();
        if let Some(user) = other_user() {
            chown(&directory, Some(user), Some(user)).expect("root can change owners");
        }
        let mut cluster = Self { programs, directory, port: unused_address().port(), guard: None };
        let mut guard = cluster.command("sh");
        guard.args(["-c", GUARD]).arg(cluster.programs.join("pg_ctl")).arg(&cluster.directory);
        guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        cluster.guard = Some(guard.spawn().expect("a shell can be started"));
        run(cluster
            .command("initdb")
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .arg("--pgdata")
            .arg(cluster.data()));
        let flush = if flush == Flush::Never { "fsync = off\nfull_page_writes = off\n" } else { "" };
        let settings = format!(
            "{flush}listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = ''\n\
             max_connections = 300\n",
            cluster.port
        );
        std::fs::write(cluster.data().join("postgresql.auto.conf"), settings)
            .expect("the settings can be written");
        cluster.start_again();
        cluster
    }

    /// Starts the server, and waits until it accepts connections.
    ///
    /// # Panics
    /// If the server does not start.
    pub fn start_again(&self) {
        run(self.control().arg("-w").arg("-l").arg(self.directory.join("log")).arg("start"));
    }

    /// Stops the server at once, as a crash of the server would: it recovers at the next start.
    ///
    /// # Panics
    /// If the server does not run.
    pub fn stop_at_once(&self) {
        run(self.control().args(["-m", "immediate", "stop"]));
    }

    fn control(&self) -> Command {
        let mut control = self.command("pg_ctl");
        control.arg("-s").arg("-D").arg(self.data());
        control
    }

    /// Creates an empty database, and returns its URL.
    ///
    /// # Panics
    /// If the database cannot be created.
    pub fn create_database(&self, name: &str) -> String {
        let port = self.port.to_string();
        run(self.command("createdb").args(["-h", "127.0.0.1", "-p", &port, "-U", "postgres", name]));
        self.url(name)
    }

    /// Returns the URL of a database.
    pub fn url(&self, name: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port)
    }

    /// Returns the process id of the server's first process, whose children are its other processes.
    ///
    /// # Panics
    /// If the server does not run.
    pub fn pid(&self) -> u32 {
        let file = std::fs::read_to_string(self.data().join("postmaster.pid")).expect("the server runs");
        file.lines().next().and_then(|line| line.parse().ok()).expect("the first line is the process id")
    }

    /// Returns the port at which the server listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// Creates a command that runs a program of PostgreSQL, or of the system, as a user that is not root.
    fn command(&self, program: &str) -> Command {
        let path = self.programs.join(program);
        let mut command = Command::new(if path.exists() { path } else { program.into() });
        command.current_dir(&self.directory);
        if let Some(user) = other_user() {
            command.uid(user).gid(user);
        }
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            drop(guard.stdin.take());
            // The guard reports nothing. Its end is the end of the server.
            let _ = guard.wait();
        }
    }
}

/// PostgreSQL refuses to run as root, so root runs it as the user `nobody`.
fn other_user() -> Option<u32> {
    const NOBODY: u32 = 65_534;
    rustix::process::geteuid().is_root().then_some(NOBODY)
}

/// Finds the directory of the programs `initdb` and `postgres`.
fn programs() -> Option<PathBuf> {
    let path = variable("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).find(|directory| directory.join("initdb").is_file());
    // A link to `initdb` may lie in another directory than the other programs.
    let real = in_path.and_then(|directory| directory.join("initdb").canonicalize().ok());
    let debian = || {
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
        let mut directories: Vec<_> = versions.flatten().map(|version| version.path().join("bin")).collect();
        directories.sort();
        directories.pop().filter(|directory| directory.join("initdb").is_file())
    };
    real.as_deref().and_then(Path::parent).map(Path::to_owned).or_else(debian)
}

fn run(command: &mut Command) {
    let output: io::Result<_> = command.output();
    let output = output.unwrap_or_else(|error| panic!("{command:?} could not be run: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn variable(name: &str) -> Option<String> {
    std::env::var_os(name)?.into_string().ok()
}
