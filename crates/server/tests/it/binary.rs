//! The real binary as a process of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use pixaven_testkit::process::listening_address;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// The host that the official clients call. Certificates of tests name it.
pub(crate) const API_HOST: &str = "api.pixaven.com";

/// A server that was started by `pixaven serve`; killed on drop.
pub(crate) struct Binary {
    pub(crate) process: Child,
    address: SocketAddr,
    /// The key it showed at its first start, empty at later ones.
    pub(crate) key: String,
    /// The webhook secret it showed with it.
    pub(crate) secret: String,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Binary {
    /// Runs in `directory`, on a free port, with its data below.
    pub(crate) async fn serve(directory: &Path, flags: &[&str]) -> Self {
        Self::listening("serve", directory, flags).await
    }

    /// Runs a sub-command that goes on until it is ended, and listens nowhere.
    pub(crate) fn running(directory: &Path, arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_pixaven"))
            .args(arguments)
            .current_dir(directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the binary runs");
        let stdout = BufReader::new(process.stdout.take().expect("piped")).lines();
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { process, address, key: String::new(), secret: String::new(), stdout }
    }

    /// Runs a sub-command that says where it listens.
    pub(crate) async fn listening(command: &str, directory: &Path, flags: &[&str]) -> Self {
        let arguments = [&[command, "--listen", "127.0.0.1:0"], flags].concat();
        let Self { process, mut stdout, .. } = Self::running(directory, &arguments);
        let (mut key, mut secret) = (String::new(), String::new());
        while let Some(line) = stdout.next_line().await.expect("the server prints lines") {
            if let Some(shown) = line.strip_prefix("API key: ") {
                shown.clone_into(&mut key);
            } else if let Some(shown) = line.strip_prefix("Webhook secret: ") {
                shown.clone_into(&mut secret);
            } else if let Some(address) = listening_address(&line) {
                return Self { process, address, key, secret, stdout };
            }
        }
        panic!("the server ended before it listened");
    }

    /// Waits for a line that contains this, and returns it.
    pub(crate) async fn line_with(&mut self, part: &str) -> String {
        while let Some(line) = self.stdout.next_line().await.expect("it prints lines") {
            if line.contains(part) {
                return line;
            }
        }
        panic!("it ended without a line that contains {part}");
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Runs a sub-command in `directory` to its end: success, standard output, standard error.
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
        .expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("the binary prints UTF-8");
    (output.status.success(), text(output.stdout), text(output.stderr))
}
