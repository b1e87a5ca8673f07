//! The script of a scripted receiver for one connection: a list of actions that read requests and send exact
//! bytes.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::request::{ReceivedRequest, read_head, read_request};

/// The pause between two bytes that [`Action::Drip`] sends.
const DRIP_EVERY: Duration = Duration::from_millis(5);

/// One action of a receiver on a connection. After the last action of a script, the receiver closes the
/// connection. If the receiver has not read all received bytes, the close is a TCP reset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Read the head and the body of a request, and record the request.
    ReadRequest,
    /// Read the head of a request and record it. Do not read the body of the request.
    ReadHead,
    /// Read one byte of a request. If the receiver closes the connection after this action, the close is a
    /// TCP reset, because the other bytes of the request were not read.
    ReadByte,
    /// Send the given bytes.
    Send(Vec<u8>),
    /// Send the given bytes as often as the number says.
    Repeat(Vec<u8>, usize),
    /// Close the sending half of the connection. The peer sees the end of the stream, but can still send.
    HalfClose,
    /// Send the given bytes again and again, as fast as the peer reads them, until the peer closes the
    /// connection.
    Flood(Vec<u8>),
    /// Send the given bytes again and again, one byte every few milliseconds, until the peer closes the
    /// connection.
    Drip(Vec<u8>),
    /// Send nothing, and discard all received bytes until the peer closes the connection.
    Hang,
}

impl Action {
    /// Creates the action that sends `text`.
    pub fn send(text: &str) -> Self {
        Self::Send(text.as_bytes().to_vec())
    }
}

/// Creates a script that reads a request, then sends `response`.
pub fn respond(response: impl Into<Vec<u8>>) -> Vec<Action> {
    vec![Action::ReadRequest, Action::Send(response.into())]
}

/// Creates a script that reads a request, then sends a response with the given head and body. The lines of
/// `head` are separated by `\n`. The function adds the empty line after the head.
pub fn respond_with(head: &str, body: &str) -> Vec<Action> {
    respond(format!("{}\r\n\r\n{body}", head.replace('\n', "\r\n")))
}

/// Creates a script that reads a request, then sends a response with the given status and an empty body.
pub fn respond_status(status: u16) -> Vec<Action> {
    respond_with(&format!("HTTP/1.1 {status} Said\ncontent-length: 0"), "")
}

/// Creates a script that reads a request, then sends a response with the status 200 and the given body.
pub fn respond_body(body: &[u8]) -> Vec<Action> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    respond([head.as_bytes(), body].concat())
}

/// Runs all actions of a script on a stream, and calls the function `record` with each request that the
/// script reads. `connection` is the connection number that is stored in these requests.
///
/// # Errors
///
/// Fails when the peer closes the connection before the script ends, which is usual for most scripts.
pub async fn run_script(
    script: &[Action],
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    connection: usize,
    mut record: impl FnMut(ReceivedRequest),
) -> io::Result<()> {
    for action in script {
        match action {
            Action::ReadRequest => record(read_request(stream, connection).await?),
            Action::ReadHead => record(read_head(stream, connection).await?),
            Action::ReadByte => {
                stream.read_u8().await?;
            }
            Action::Send(bytes) => send(stream, bytes).await?,
            Action::Repeat(bytes, n) => {
                for _ in 0..*n {
                    send(stream, bytes).await?;
                }
            }
            Action::HalfClose => stream.shutdown().await?,
            Action::Flood(bytes) => loop {
                send(stream, bytes).await?;
            },
            Action::Drip(bytes) => {
                for byte in bytes.iter().cycle() {
                    send(stream, &[*byte]).await?;
                    if tokio::time::timeout(DRIP_EVERY, wait_for_close(stream)).await.is_ok() {
                        return Ok(());
                    }
                }
            }
            Action::Hang => wait_for_close(stream).await,
        }
    }
    Ok(())
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// Waits until the peer closes the connection, and discards the bytes that the peer sends until then.
async fn wait_for_close(stream: &mut (impl AsyncRead + Unpin)) {
    while let Ok(1..) = stream.read(&mut [0; 1024]).await {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_script_of_a_test_server_reads_http_requests_and_sends_exactly_the_given_bytes() {
        let (mut client, mut server) = tokio::io::duplex(1024);
        let script =
            [Action::ReadHead, Action::send("one"), Action::ReadRequest, Action::Send(b"two".to_vec())];
        let request = "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n";
        // The client sends no body for the first request: the head of the second request directly follows the
        // head of the first request.
        client.write_all(format!("{request}{request}abc").as_bytes()).await.unwrap();
        let mut bodies = Vec::new();
        run_script(&script, &mut server, 0, |request| bodies.push(request.body)).await.unwrap();
        assert_eq!(bodies, [&b""[..], b"abc"]);
        drop(server);
        let mut sent = String::new();
        client.read_to_string(&mut sent).await.unwrap();
        assert_eq!(sent, "onetwo");
    }

    #[tokio::test]
    async fn the_endless_actions_of_a_test_server_end_when_the_peer_closes_the_connection() {
        for script in [Action::Flood(vec![0; 64]), Action::Drip(b"x".to_vec()), Action::Hang] {
            let (client, mut server) = tokio::io::duplex(64);
            drop(client);
            // The result of the script is ignored, because the test only checks that the script ends.
            let _ended = run_script(&[script], &mut server, 0, |_| {}).await;
        }
    }
}
