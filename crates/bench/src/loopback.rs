//! HTTP on the loopback interface: a listener that answers from a function, and a client that keeps its connections.
//! What is said over them is the business of [`crate::origin`], [`crate::receiver`], [`crate::receivers`] and
//! [`crate::load`].

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// Answers every request that arrives at a free port of `address` with `answer`, until the runtime ends.
pub(crate) async fn listen<F>(address: Ipv4Addr, answer: F) -> io::Result<SocketAddr>
where
    F: Fn(Parts, Bytes) -> Response<Full<Bytes>> + Send + Sync + 'static,
{
    let answer = Arc::new(answer);
    accept(address, move |stream| {
        let answer = Arc::clone(&answer);
        async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = Arc::clone(&answer);
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await?.to_bytes();
                    Ok::<_, hyper::Error>(answer(parts, body))
                }
            });
            // A peer that was killed cuts its connections: that is what is being measured, not an error here.
            let _cut = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        }
    })
    .await
}

/// Serves every connection to a free port of `address` with `serve`, until the runtime ends.
pub(crate) async fn accept<F, S>(address: Ipv4Addr, mut serve: F) -> io::Result<SocketAddr>
where
    F: FnMut(TcpStream) -> S + Send + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind((address, 0)).await?;
    let address = listener.local_addr()?;
    spawn(async move {
        // Out of sockets or gone: what it cannot accept shows up as lost in the result.
        while let Ok((stream, _)) = listener.accept().await {
            spawn(serve(without_delay(stream)));
        }
    });
    Ok(address)
}

/// A client of one address that keeps idle connections and opens new ones as they are needed.
pub(crate) struct Client {
    target: SocketAddr,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

impl Client {
    /// A client without connections yet.
    pub(crate) fn new(target: SocketAddr) -> Self {
        Self { target, idle: Mutex::default() }
    }

    /// Sends a request and reads the whole answer. An answer that is cut short is an error.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> anyhow::Result<(StatusCode, Bytes)> {
        let mut connection = self.connection().await?;
        let response = connection.send_request(request).await.context("no answer")?;
        let status = response.status();
        let body = response.into_body().collect().await.context("the answer was cut short")?.to_bytes();
        self.idle.lock().expect("nobody panics while holding it").push(connection);
        Ok((status, body))
    }

    async fn connection(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        loop {
            let idle = self.idle.lock().expect("nobody panics while holding it").pop();
            let Some(mut idle) = idle else { break };
            if idle.ready().await.is_ok() {
                return Ok(idle);
            }
        }
        let stream = connect(self.target).await.context("no connection")?;
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(without_delay(stream))).await?;
        spawn(async move {
            // Its end is seen by whoever waits for an answer on it.
            let _cut = connection.await;
        });
        Ok(sender)
    }
}

fn without_delay(stream: TcpStream) -> TcpStream {
    // Without it a reply may wait 40 ms for an acknowledgement; a refusal only costs precision.
    let _refused = stream.set_nodelay(true);
    stream
}

#[expect(
    clippy::disallowed_methods,
    reason = "the load tools dial the server under test, they are not the server"
)]
async fn connect(target: SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect(target).await
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
    use super::*;

    #[tokio::test]
    async fn a_client_asks_again_on_the_connection_it_has() {
        let address = listen(Ipv4Addr::LOCALHOST, |request, body| {
            assert_eq!(request.uri.path(), "/");
            Response::new(Full::new(body))
        });
        let client = Client::new(address.await.unwrap());
        for body in ["one", "two", "three"] {
            let request = Request::post("/").body(Full::new(Bytes::from(body))).unwrap();
            assert_eq!(client.send(request).await.unwrap(), (StatusCode::OK, Bytes::from(body)));
            assert_eq!(client.idle.lock().unwrap().len(), 1);
        }
    }
}
