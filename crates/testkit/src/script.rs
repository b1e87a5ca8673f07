//! The script of a receiver for one connection: a list of actions with exact bytes.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::request::{ReceivedRequest, read_head, read_request};

/// The pause between two bytes of an [`Action::Drip`].
const DRIP_EVERY: Duration = Duration::from_millis(5);

/// One action on a connection. After the last action the receiver closes the connection. The close is a TCP
/// reset if some received bytes were not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Read the head and the body of a request, and record the request.
    ReadRequest,
    /// Read and record the head of a request, and do not read its body.
    ReadHead,
    /// Read one byte. If the receiver closes the connection next, the close is a TCP reset, because the other
    /// bytes of the request were not read.
    ReadByte,
    /// Send these bytes.
    Send(Vec<u8>),
    /// Send these bytes repeatedly, as fast as the peer reads them, until the peer closes the connection.
    Flood(Vec<u8>),
    /// Send these bytes repeatedly, one byte every few milliseconds, until the peer closes the connection.
    Drip(Vec<u8>),
    /// Send no bytes, and discard all received bytes until the peer closes the connection.
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

/// Creates a script that reads a request, then sends a response with this head and body. The lines of `head`
/// are separated by `\n`; the function adds the empty line after the head.
pub fn respond_with(head: &str, body: &str) -> Vec<Action> {
    respond(format!("{}\r\n\r\n{body}", head.replace('\n', "\r\n")))
}

/// Creates a script that reads a request, then sends a response with this status and an empty body.
pub fn respond_status(status: u16) -> Vec<Action> {
    respond_with(&format!("HTTP/1.1 {status} Said\ncontent-length: 0"), "")
}

/// Creates a script that reads a request, then sends a response with the status 200 and this body.
pub fn respond_body(body: &[u8]) -> Vec<Action> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    respond([head.as_bytes(), body].concat())
}

/// Runs all actions of a script on a stream, and calls `record` with each request that is read. `connection`
/// is the connection number that these requests get.
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

/// Waits until the peer closes the connection, and discards what the peer sends before.
async fn wait_for_close(stream: &mut (impl AsyncRead + Unpin)) {
    while let Ok(1..) = stream.read(&mut [0; 1024]).await {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_script_reads_and_sends_exact_bytes() {
        let (mut client, mut server) = tokio::io::duplex(1024);
        let script =
            [Action::ReadHead, Action::send("one"), Action::ReadRequest, Action::Send(b"two".to_vec())];
        let request = "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n";
        // The client does not send the body of the first request: the second request follows the head of the
        // first request.
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
    async fn endless_actions_end_when_the_peer_closes_the_connection() {
        for script in [Action::Flood(vec![0; 64]), Action::Drip(b"x".to_vec()), Action::Hang] {
            let (client, mut server) = tokio::io::duplex(64);
            drop(client);
            // The result is ignored, because the test only checks that the script ends.
            let _ended = run_script(&[script], &mut server, 0, |_| {}).await;
        }
    }
}
