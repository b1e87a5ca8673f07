//! Runs a test in a network namespace of its own, where the test may take the network down (Linux only).
//!
//! The test runs its own program again, below `unshare --net`. This needs root or user namespaces, and the
//! programs `unshare`, `ip` and `sysctl`. Without them the test prints that it is skipped.

use std::path::Path;
use std::process::{Command, Stdio};

/// The variable that tells the child process that it is inside the namespace.
const MARKER: &str = "PIXAVEN_TEST_NETWORK_NAMESPACE";

/// The ways to get a network namespace: as root, and by a user namespace.
const UNSHARE: [&[&str]; 2] = [&["--net"], &["--net", "--map-root-user"]];

/// Returns true in a network namespace that has only a loopback interface. Otherwise runs the test in such a
/// namespace, fails if the test fails there, and returns false.
///
/// `test` is the full name of the calling test, such as `dead_network::an_attempt_without_a_route`.
pub fn is_inside(test: &str) -> bool {
    if std::env::var_os(MARKER).is_some() {
        return true;
    }
    let Some(options) = UNSHARE.into_iter().find(|options| can_unshare(options)) else {
        eprintln!("SKIPPED: {test} needs a network namespace, which this machine does not permit.");
        return false;
    };
    let program = std::env::current_exe().expect("the program of this test has a path");
    let status = Command::new("unshare")
        .args(options)
        .arg(program)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(MARKER, "1")
        .status()
        .expect("`unshare` was found before");
    assert!(status.success(), "{test} failed in its network namespace");
    false
}

/// Runs a shell command such as `ip link set lo down` in the namespace. Panics when it fails.
pub fn run(command: &str) {
    let output = Command::new("sh").args(["-c", command]).output().expect("the machine has a shell");
    assert!(output.status.success(), "`{command}` failed: {}", String::from_utf8_lossy(&output.stderr));
}

/// Returns whether a namespace with a loopback interface can be made with these options of `unshare`.
fn can_unshare(options: &[&str]) -> bool {
    let mut command = Command::new("unshare");
    command.args(options).args(["ip", "link", "set", "lo", "up"]);
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Path::new("/proc/sys/net").exists() && quiet.status().is_ok_and(|status| status.success())
}
