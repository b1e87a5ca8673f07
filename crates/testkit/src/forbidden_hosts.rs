//! Hosts of URLs that the default address policy forbids, in the forms in which attackers write them.

/// Hosts of this machine, of private networks and of cloud metadata services: names, and IPv4 and IPv6 addresses in
/// usual and unusual notations.
pub const FORBIDDEN_HOSTS: [&str; 11] = [
    "127.0.0.1",
    "localhost",
    "0x7f.1",
    "2130706433",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::]",
    "0.0.0.0",
    "10.0.0.1",
    "169.254.169.254",
    "[64:ff9b::7f00:1]",
];
