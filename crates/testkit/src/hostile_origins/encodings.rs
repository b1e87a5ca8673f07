//! Origins whose compressed body expands enormously, is invalid, or takes long to decode.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::{HostileOrigin, OVERLOADED, REFUSED, TOO_LARGE, UNREACHABLE, origin, slow};
use crate::script::Action::{self, Flood, Hang, ReadRequest};
use crate::script::respond;

/// The uncompressed size of a bomb, in MiB.
const BOMB_MIB: usize = 512;

/// The start of a zstd frame with a window of 8 MiB and without a length.
const ZSTD_FRAME: &[u8] = b"\x28\xb5\x2f\xfd\x00\x68";
/// A zstd block that stands for 128 KiB of the letter x.
const ZSTD_RUN: &[u8] = b"\x02\x00\x10x";
/// A zstd frame whose only block is empty.
const EMPTY_ZSTD_FRAME: &[u8] = b"\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00";
/// A gzip member without content.
const EMPTY_GZIP_MEMBER: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0";
/// Five million zero bytes, compressed with the reference encoder of brotli.
const BROTLI_ZEROS: &[u8] = b"\x9b\x3f\x4b\x4c\xf8\x27\x00\xe2\xb1\x40\x20\x5f\x88\x09";

fn head(coding: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\n\r\n")
}

fn encoded(coding: &str, body: &[u8]) -> Vec<Action> {
    respond([head(coding).as_bytes(), body].concat())
}

fn endless(coding: &str, start: &[u8], repeated: &[u8]) -> Vec<Action> {
    let start = Action::Send([head(coding).as_bytes(), start].concat());
    vec![ReadRequest, start, Flood(repeated.repeat((16 * 1024_usize).div_ceil(repeated.len())))]
}

fn gzip(n_mib: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for _ in 0..n_mib {
        encoder.write_all(&[0; 1 << 20]).expect("writing to memory succeeds");
    }
    encoder.finish().expect("writing to memory succeeds")
}

fn zlib(n_mib: usize) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    for _ in 0..n_mib {
        encoder.write_all(&[0; 1 << 20]).expect("writing to memory succeeds");
    }
    encoder.finish().expect("writing to memory succeeds")
}

pub(super) fn origins() -> Vec<HostileOrigin> {
    [bombs(), invalid()].into_iter().flatten().collect()
}

fn bombs() -> Vec<HostileOrigin> {
    let large: &[_] = &[TOO_LARGE, OVERLOADED];
    let costly: &[_] = &[REFUSED, TOO_LARGE, OVERLOADED];
    vec![
        origin("a gzip bomb", encoded("gzip", &gzip(BOMB_MIB)), large),
        origin("a deflate bomb", encoded("deflate", &zlib(BOMB_MIB)), large),
        origin("a zstd bomb", endless("zstd", ZSTD_FRAME, ZSTD_RUN), large),
        origin("a brotli bomb", encoded("br", BROTLI_ZEROS), large),
        origin("a gzip bomb of many members", endless("gzip", b"", &gzip(1)), large),
        origin("a gzip bomb that was compressed twice", encoded("gzip, gzip", &gzip(1)), &[REFUSED]),
        origin("endless empty gzip members", endless("gzip", b"", EMPTY_GZIP_MEMBER), costly),
        origin("endless empty zstd frames", endless("zstd", b"", EMPTY_ZSTD_FRAME), costly),
        origin("endless empty zstd blocks", endless("zstd", ZSTD_FRAME, b"\0\0\0"), costly),
        HostileOrigin {
            errors: &[UNREACHABLE, OVERLOADED],
            ..slow(
                "a zstd window of 8 MiB that is never finished",
                vec![
                    ReadRequest,
                    Action::Send([head("zstd").as_bytes(), ZSTD_FRAME, &ZSTD_RUN.repeat(60)].concat()),
                    Hang,
                ],
            )
        },
    ]
}

fn invalid() -> Vec<HostileOrigin> {
    let refused: &[_] = &[REFUSED];
    let cut = |body: &[u8]| body[..body.len() / 2].to_vec();
    vec![
        origin("gzip that is cut off", encoded("gzip", &cut(&gzip(1))), refused),
        origin("deflate that is cut off", encoded("deflate", &cut(&zlib(1))), refused),
        origin("brotli that is cut off", encoded("br", &cut(BROTLI_ZEROS)), &[REFUSED, TOO_LARGE]),
        origin("zstd that is cut off", encoded("zstd", &cut(EMPTY_ZSTD_FRAME)), refused),
        origin("gzip with random bytes", encoded("gzip", b"\x1f\x8b\x08\0random bytes"), refused),
        origin(
            "gzip with an endless file name",
            endless("gzip", b"\x1f\x8b\x08\x08\0\0\0\0\0\x03", b"x"),
            refused,
        ),
        origin(
            "zstd with a window of 2 GiB",
            encoded("zstd", b"\x28\xb5\x2f\xfd\x00\xa8\x01\0\0\0\0\0\0\0\0\0\0\0\0"),
            refused,
        ),
        origin("brotli with a large window", encoded("br", b"\x11\x1e\0\0\0\0\0\0"), refused),
        origin("an unknown content coding", encoded("compress", b"x"), refused),
        origin("ten nested content codings", encoded(&["gzip"; 10].join(", "), b"x"), refused),
        origin(
            "gzip and a reset",
            vec![Action::ReadByte, Action::Send([head("gzip").as_bytes(), &gzip(1)[..100]].concat())],
            &[UNREACHABLE, REFUSED],
        ),
    ]
}
