//! Tests with servers that compress a document although the request refuses compression.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use http::HeaderMap;
use pixaven_net::{EncodingError, FetchLimits, NetError};
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::respond;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::net;

/// The text `hello`, compressed with the reference encoder of brotli.
const HELLO_BROTLI: &[u8] = b"\x0b\x02\x80hello\x03";
/// Five million zero bytes, compressed with the reference encoder of brotli.
const ZEROS_BROTLI: &[u8] = b"\x9b\x3f\x4b\x4c\xf8\x27\x00\xe2\xb1\x40\x20\x5f\x88\x09";

/// The most memory that a connection and a decoder may hold in these tests: twice the size of the window of
/// zstd.
const DECODER_MAX_BYTES: usize = 17 << 20;

const LIMITS: FetchLimits =
    FetchLimits { max_bytes: 3 << 20, deadline: Duration::from_secs(20), max_redirects: 0 };

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).expect("writing to memory succeeds");
    encoder.finish().expect("writing to memory succeeds")
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).expect("writing to memory succeeds");
    encoder.finish().expect("writing to memory succeeds")
}

fn bare_deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).expect("writing to memory succeeds");
    encoder.finish().expect("writing to memory succeeds")
}

fn zstd(data: &[u8]) -> Vec<u8> {
    compress_to_vec(data, CompressionLevel::Fastest)
}

/// Fetches `body` from a receiver that sends the given `Content-Encoding`. Returns the result and the largest
/// number of bytes that the fetch held in memory.
async fn fetch_with(encoding: &str, body: &[u8], limits: FetchLimits) -> (Result<Vec<u8>, NetError>, usize) {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\ncontent-encoding: {encoding}\r\n\r\n");
    let receiver = ScriptedReceiver::start(vec![respond([head.as_bytes(), body].concat())]);
    let mut n_held = 0;
    let mut hold = |n_bytes| {
        n_held = n_held.max(n_bytes);
        true
    };
    let fetched = net(&["127.0.0.0/8"]).fetch(&receiver.url("/"), HeaderMap::new(), limits, &mut hold).await;
    (fetched.map(|document| document.bytes.to_vec()), n_held)
}

/// Creates a document that gzip and similar encoders compress to about half of its size.
fn document(n_bytes: u32) -> Vec<u8> {
    (0..n_bytes).map(|i| (i.wrapping_mul(2_654_435_761) >> 28) as u8).collect()
}

#[tokio::test]
async fn a_document_in_every_supported_content_encoding_is_decoded() {
    let document = document(300_000);
    for (encoding, body) in [
        ("gzip", gzip(&document)),
        ("X-GZIP", gzip(&document)),
        ("gzip, identity", gzip(&document)),
        ("deflate", zlib(&document)),
        ("deflate", bare_deflate(&document)),
        ("zstd", zstd(&document)),
        ("identity", document.clone()),
        ("", document.clone()),
    ] {
        let (fetched, n_held) = fetch_with(encoding, &body, LIMITS).await;
        assert!(fetched.unwrap() == document, "{encoding}");
        assert!(
            (document.len()..document.len() + DECODER_MAX_BYTES).contains(&n_held),
            "{encoding}: the decoded bytes and the decoder are held: {n_held}"
        );
    }
    assert_eq!(fetch_with("br", HELLO_BROTLI, LIMITS).await.0.unwrap(), b"hello");
    assert_eq!(fetch_with("zstd", &zstd(b"hello"), LIMITS).await.0.unwrap(), b"hello");
    assert_eq!(fetch_with("gzip", b"", LIMITS).await.0.unwrap(), b"", "an empty body needs no decoding");
}

#[tokio::test]
async fn a_compressed_document_with_too_many_decoded_bytes_is_refused() {
    let document = document(300_000);
    let small = FetchLimits { max_bytes: 299_999, ..LIMITS };
    for (encoding, body) in [
        ("gzip", gzip(&document)),
        ("deflate", zlib(&document)),
        ("deflate", bare_deflate(&document)),
        ("zstd", zstd(&document)),
        ("br", ZEROS_BROTLI.to_vec()),
    ] {
        let (fetched, n_held) = fetch_with(encoding, &body, small).await;
        assert!(
            matches!(fetched, Err(NetError::TooLarge { limit_bytes: 299_999 })),
            "{encoding}: {fetched:?}"
        );
        assert!(n_held < 300_000 + DECODER_MAX_BYTES, "{encoding}: {n_held}");
    }
}

#[tokio::test]
async fn a_compressed_document_that_expands_over_a_thousandfold_to_over_one_mebibyte_is_refused() {
    let large = FetchLimits { max_bytes: 64 << 20, ..LIMITS };
    let zeros = vec![0; 62 << 20];
    for (encoding, body) in [
        ("gzip", gzip(&zeros)),
        ("deflate", zlib(&zeros)),
        ("zstd", zstd(&zeros)),
        ("br", ZEROS_BROTLI.to_vec()),
    ] {
        let (fetched, n_held) = fetch_with(encoding, &body, large).await;
        let is_refused = matches!(fetched, Err(NetError::Encoding(EncodingError::Ratio { max: 1_000 })));
        assert!(is_refused, "{encoding}: {:?}", fetched.map(|bytes| bytes.len()));
        let limit = (1 << 20) + 1_000 * body.len() + DECODER_MAX_BYTES;
        assert!(n_held <= limit, "{encoding}: {n_held}");
    }
    let (fetched, _) = fetch_with("gzip", &gzip(&zeros[..1 << 20]), large).await;
    assert_eq!(fetched.unwrap().len(), 1 << 20, "a small document may expand to any ratio");
}

#[tokio::test]
async fn the_error_for_an_unknown_content_encoding_or_a_broken_body_names_the_encoding() {
    let document = document(50_000);
    for encoding in ["compress", "gzip, br", "gzip, gzip", "utf-8"] {
        let (fetched, _) = fetch_with(encoding, b"x", LIMITS).await;
        let Err(NetError::Encoding(error)) = fetched else { panic!("{encoding}: {fetched:?}") };
        assert_eq!(error, EncodingError::Unknown(encoding.to_owned()));
        assert!(error.to_string().contains("gzip, deflate, br and zstd"), "{error}");
    }
    let cut = |body: Vec<u8>| body[..body.len() / 2].to_vec();
    for (encoding, body) in [
        ("gzip", b"not compressed".to_vec()),
        ("deflate", b"not compressed".to_vec()),
        ("br", b"not compressed".to_vec()),
        ("zstd", b"not compressed".to_vec()),
        ("gzip", cut(gzip(&document))),
        ("deflate", cut(zlib(&document))),
        ("br", HELLO_BROTLI[..5].to_vec()),
        ("zstd", cut(zstd(&document))),
    ] {
        let (fetched, _) = fetch_with(encoding, &body, LIMITS).await;
        assert!(
            matches!(fetched, Err(NetError::Encoding(EncodingError::Malformed(name))) if name == encoding),
            "{encoding} {}: {:?}",
            body.len(),
            fetched.map(|bytes| bytes.len())
        );
    }
}
