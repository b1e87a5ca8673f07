//! An HTTP client that sends requests to one server. The client keeps its connections open and reuses them,
//! so that it needs little processor time.

use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A client that sends a request on an idle connection, or opens a new connection if no connection is idle.
pub(crate) struct HttpClient {
    server: SocketAddr,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

impl HttpClient {
    /// Creates a client without a connection. Sending the first request opens the first connection.
    pub(crate) fn new(server: SocketAddr) -> Self {
        Self { server, idle: Mutex::default() }
    }

    /// Sends a request and reads the whole response. Fails if the response is cut short.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> anyhow::Result<(StatusCode, Bytes)> {
        let mut connection = self.connection().await?;
        let response = connection.send_request(request).await.context("no answer")?;
        let status = response.status();
        let body = response.into_body().collect().await.context("the answer was cut short")?.to_bytes();
        self.idle.lock().expect("no holder of the lock panics").push(connection);
        Ok((status, body))
    }

    async fn connection(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        loop {
            let idle = self.idle.lock().expect("no holder of the lock panics").pop();
            let Some(mut idle) = idle else { break };
            if idle.ready().await.is_ok() {
                return Ok(idle);
            }
        }
        let stream = connect(self.server).await.context("no connection")?;
        // Sets TCP_NODELAY, because otherwise a request may wait 40 ms for an acknowledgement. An error is
        // ignored, because it affects only the precision of the measured times.
        let _refused = stream.set_nodelay(true);
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        spawn(async move {
            // An error of the connection is ignored here, because the code that sends the request gets the
            // same error.
            let _cut = connection.await;
        });
        Ok(sender)
    }
}

#[expect(clippy::disallowed_methods, reason = "the load tools are clients of the server under test")]
async fn connect(server: SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect(server).await
}

#[expect(
    clippy::disallowed_methods,
    reason = "the load tools have no orderly stop: the runtime ends with the run"
)]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use hyper::Response;
    use pixaven_testkit::http_server;

    use super::*;

    #[tokio::test]
    async fn the_http_client_sends_the_next_request_over_its_idle_connection() {
        let address = http_server::listen(Ipv4Addr::LOCALHOST, |request, body| {
            assert_eq!(request.uri.path(), "/");
            Response::new(Full::new(body))
        });
        let client = HttpClient::new(address.await.unwrap());
        for body in ["one", "two", "three"] {
            let request = Request::post("/").body(Full::new(Bytes::from(body))).unwrap();
            assert_eq!(client.send(request).await.unwrap(), (StatusCode::OK, Bytes::from(body)));
            assert_eq!(client.idle.lock().unwrap().len(), 1);
        }
    }
}
