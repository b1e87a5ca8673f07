//! What a receiver does on a connection, act by act, down to the byte.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Between two bytes of a drip.
const DRIP_EVERY: Duration = Duration::from_millis(20);

/// A request's head is shorter.
const MAX_HEAD_BYTES: usize = 1 << 20;

/// One thing to do. After the last one the connection is closed; with a reset, if the request was not read whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// Read a request, head and body.
    Read,
    /// Read a request's head and leave the body.
    ReadHead,
    /// Read the first byte of whatever comes.
    ReadByte,
    /// Send this.
    Say(Vec<u8>),
    /// Send this again and again, as fast as it is taken, until the other side has gone.
    Flood(Vec<u8>),
    /// Send this again and again, byte by byte, until the other side has gone.
    Drip(Vec<u8>),
    /// Do nothing until the other side has gone.
    Hold,
}

/// Does all of it. An error says that the other side went away meanwhile, which is the end of most scripts.
pub(super) async fn follow(
    script: &[Act],
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> io::Result<()> {
    for act in script {
        match act {
            Act::Read => {
                let n_body_bytes = read_head(stream).await?;
                stream.read_exact(&mut vec![0; n_body_bytes]).await?;
            }
            Act::ReadHead => {
                read_head(stream).await?;
            }
            Act::ReadByte => {
                stream.read_u8().await?;
            }
            Act::Say(bytes) => say(stream, bytes).await?,
            Act::Flood(bytes) => loop {
                say(stream, bytes).await?;
            },
            Act::Drip(bytes) => {
                for byte in bytes.iter().cycle() {
                    say(stream, &[*byte]).await?;
                    if tokio::time::timeout(DRIP_EVERY, gone(stream)).await.is_ok() {
                        return Ok(());
                    }
                }
            }
            Act::Hold => gone(stream).await,
        }
    }
    Ok(())
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// Waits until the other side has gone, whatever it says before.
async fn gone(stream: &mut (impl AsyncRead + Unpin)) {
    while let Ok(1..) = stream.read(&mut [0; 1024]).await {}
}

/// Reads a head to its last byte and no further. Returns the length of the body it announces.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > MAX_HEAD_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    length.map_or(Ok(0), |length| length.trim().parse().map_err(|_| io::ErrorKind::InvalidData.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_script_is_followed_to_the_byte() {
        let (mut client, mut server) = tokio::io::duplex(1024);
        let script = [Act::ReadHead, Act::Say(b"one".to_vec()), Act::Read, Act::Say(b"two".to_vec())];
        let request = "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n";
        // The second request begins where the head of the first ended.
        client.write_all(format!("{request}{request}abc").as_bytes()).await.unwrap();
        follow(&script, &mut server).await.unwrap();
        drop(server);
        let mut said = String::new();
        client.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "onetwo");
    }

    #[tokio::test]
    async fn a_flood_ends_with_the_other_side() {
        for script in [Act::Flood(vec![0; 64]), Act::Drip(b"x".to_vec()), Act::Hold] {
            let (client, mut server) = tokio::io::duplex(64);
            drop(client);
            // Whether it ended by an error does not matter, only that it did.
            let _gone = follow(&[script], &mut server).await;
        }
    }
}
