//! Tests the process `pixaven image-worker` alone, without the server that usually starts it.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use pixaven_imaging::Limits;
use serde_json::{Value, json};

/// A document with a number that makes the renderer panic.
const PANICS: &[u8] =
    b"<svg xmlns='http://www.w3.org/2000/svg'><filter id='f'><feOffset dy='999999999999999999990'/></filter>\
    <circle cy='20' r='20' filter='url(#f)'/></svg>";

/// Builds the frame of one image for a worker: the lengths of head and body, then head and body.
fn frame(image: &[u8]) -> Vec<u8> {
    let head = json!({ "plan": {}, "limits": Limits::default(), "watermark_bytes": null, "is_large": false })
        .to_string();
    let mut frame = u32::try_from(head.len()).expect("the head is short").to_le_bytes().to_vec();
    frame.extend((image.len() as u64).to_le_bytes());
    frame.extend(head.as_bytes());
    frame.extend(image);
    frame
}

/// Splits the output of a worker into the heads of its frames.
fn heads(mut output: &[u8]) -> Vec<Value> {
    let mut heads = Vec::new();
    while let Some((lengths, rest)) = output.split_first_chunk::<12>() {
        let [h0, h1, h2, h3, body @ ..] = *lengths;
        let (head, rest) = rest.split_at(u32::from_le_bytes([h0, h1, h2, h3]) as usize);
        heads.push(serde_json::from_slice(head).expect("a head is JSON"));
        output = &rest[usize::try_from(u64::from_le_bytes(body)).expect("the body is short")..];
    }
    heads
}

#[test]
fn a_panic_of_a_decoder_ends_neither_the_worker_nor_is_written_to_a_file() {
    let errors = tempfile::NamedTempFile::new().expect("a temporary file can be created");
    let mut worker = Command::new(env!("CARGO_BIN_EXE_pixaven"))
        .args(["image-worker", "30"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(errors.reopen().expect("the file can be opened"))
        .spawn()
        .expect("the worker can be started");
    let mut requests = worker.stdin.take().expect("standard input is a pipe");
    for _ in 0..2 {
        requests.write_all(&frame(PANICS)).expect("the worker reads");
    }
    drop(requests);
    let mut output = Vec::new();
    let mut replies = worker.stdout.take().expect("standard output is a pipe");
    replies.read_to_end(&mut output).expect("the worker writes");
    let status = worker.wait().expect("the worker ends");
    let heads = heads(&output);
    assert!(status.success(), "{status} {heads:?}");
    let [first, failed, second, failed_again] = &heads[..] else { panic!("{heads:?}") };
    for message in [first, second] {
        assert!(message["Message"].as_str().is_some_and(|text| text.contains("panicked")), "{message}");
    }
    for failed in [failed, failed_again] {
        assert!(!failed["Failed"].is_null(), "{failed}");
    }
    assert_eq!(std::fs::read_to_string(errors.path()).expect("the file can be read"), "");
}
