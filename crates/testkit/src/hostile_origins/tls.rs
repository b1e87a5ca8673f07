//! Origins with TLS whose handshake or certificate is wrong, or that misbehave behind a valid certificate.

use super::{Endpoint, HostileOrigin, REFUSED, UNREACHABLE, at};
use crate::script::Action::{self, Drip, Flood, Hang, ReadByte, ReadRequest};
use crate::script::respond;
use crate::tls::{CertificateAuthority, self_signed_server_config};

/// The header of a TLS handshake record of 16 KiB.
const HANDSHAKE_RECORD: [u8; 5] = [0x16, 3, 3, 0x40, 0];
/// A TLS record with a warning, which a client ignores.
const WARNING_RECORD: [u8; 7] = [0x15, 3, 3, 0, 2, 1, 0x5a];
/// A TLS record that changes the cipher. Clients ignore the first of these records.
const CHANGE_CIPHER_RECORD: [u8; 6] = [0x14, 3, 3, 0, 1, 1];

pub(super) fn origins(authority: &CertificateAuthority) -> Vec<HostileOrigin> {
    let failed: &[_] = &[UNREACHABLE];
    let response = || respond("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx");
    let handshake = |name, script| at(name, Endpoint::HttpsWithoutTls(script), failed);
    let slow = |origin| HostileOrigin { ends_at_deadline: true, ..origin };
    let flood =
        |record: &[u8]| vec![ReadByte, Flood(record.repeat((16 * 1024_usize).div_ceil(record.len())))];
    let small_chunks = vec![
        ReadRequest,
        Action::send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
        Flood(b"1\r\nx\r\n".repeat(2_000)),
    ];
    vec![
        slow(handshake("a TLS handshake that stops", vec![Hang])),
        slow(handshake(
            "a TLS handshake that drips",
            vec![ReadByte, Action::Send(HANDSHAKE_RECORD.into()), Drip(vec![0])],
        )),
        handshake("hangs up within the TLS handshake", vec![ReadByte]),
        handshake(
            "plain HTTP where TLS is due",
            vec![ReadByte, Action::send("HTTP/1.1 400 Bad\r\n\r\n"), Hang],
        ),
        handshake("endless TLS handshake records", flood(&[&HANDSHAKE_RECORD[..], &[0; 0x4000]].concat())),
        handshake("endless TLS warnings", flood(&WARNING_RECORD)),
        handshake("endless TLS cipher changes", flood(&CHANGE_CIPHER_RECORD)),
        at(
            "a self-signed certificate",
            Endpoint::Https(self_signed_server_config("localhost"), response()),
            failed,
        ),
        at(
            "a certificate for another host",
            Endpoint::Https(authority.server_config("other.test"), response()),
            failed,
        ),
        at(
            "an expired certificate",
            Endpoint::Https(authority.expired_server_config("localhost"), response()),
            failed,
        ),
        at(
            "chunks of one byte behind TLS",
            Endpoint::Https(authority.server_config("localhost"), small_chunks),
            &[REFUSED],
        ),
        slow(at(
            "silence behind TLS",
            Endpoint::Https(authority.server_config("localhost"), vec![ReadRequest, Hang]),
            failed,
        )),
    ]
}
