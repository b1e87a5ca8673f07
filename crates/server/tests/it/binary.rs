//! Helpers for tests that start and stop processes of the real `pixaven` binary.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use pixaven_testkit::process::listening_address;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// The host name that the official clients call. The certificates of the tests are issued for this name.
pub(crate) const API_HOST: &str = "api.pixaven.com";

/// A running sub-command, such as `pixaven serve`. Dropping this value kills the process.
pub(crate) struct RunningBinary {
    pub(crate) process: Child,
    address: SocketAddr,
    /// The API key that the server printed. A server prints a key only at its first start; at later starts
    /// this string is empty.
    pub(crate) key: String,
    /// The webhook secret that the server printed together with the API key.
    pub(crate) secret: String,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl RunningBinary {
    /// Starts a server in `directory` on a free port, and waits until the server listens.
    pub(crate) async fn serve(directory: &Path, flags: &[&str]) -> Self {
        Self::start_listening("serve", directory, flags).await
    }

    /// Starts a sub-command that runs until it is killed and does not listen.
    pub(crate) fn start(directory: &Path, arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_pixaven"))
            .args(arguments)
            .current_dir(directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the binary can be started");
        let stdout = BufReader::new(process.stdout.take().expect("standard output is piped")).lines();
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { process, address, key: String::new(), secret: String::new(), stdout }
    }

    /// Starts a sub-command that listens on a port, and waits until it prints the line with its address.
    pub(crate) async fn start_listening(command: &str, directory: &Path, flags: &[&str]) -> Self {
        let arguments = [&[command, "--listen", "127.0.0.1:0"], flags].concat();
        let Self { process, mut stdout, .. } = Self::start(directory, &arguments);
        let (mut key, mut secret) = (String::new(), String::new());
        while let Some(line) = stdout.next_line().await.expect("the process prints text") {
            if let Some(shown) = line.strip_prefix("API key: ") {
                shown.clone_into(&mut key);
            } else if let Some(shown) = line.strip_prefix("Webhook secret: ") {
                shown.clone_into(&mut secret);
            } else if let Some(address) = listening_address(&line) {
                return Self { process, address, key, secret, stdout };
            }
        }
        panic!("the process exited before it listened");
    }

    /// Waits until the sub-command prints a line that contains `part`, and returns the line.
    pub(crate) async fn line_with(&mut self, part: &str) -> String {
        while let Some(line) = self.stdout.next_line().await.expect("the process prints text") {
            if line.contains(part) {
                return line;
            }
        }
        panic!("the process exited without a line that contains {part}");
    }

    /// Returns the address that the sub-command listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Runs a sub-command in `directory` until it exits. Returns whether the sub-command succeeded, its standard
/// output and its standard error.
pub(crate) async fn run(
    directory: &Path,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_pixaven"))
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(directory)
        .output()
        .await
        .expect("the binary can be started");
    let text = |bytes| String::from_utf8(bytes).expect("the binary prints UTF-8");
    (output.status.success(), text(output.stdout), text(output.stderr))
}
