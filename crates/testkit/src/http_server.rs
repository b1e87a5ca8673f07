//! An HTTP server on the loopback interface for tests and load tools. A function of the caller creates each
//! response. The server keeps connections open. The server runs on the caller's runtime, because a load tool
//! uses a single thread and leaves the other processors to the server under test.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// Listens on a free port of `address` and answers every request with `respond`, until the caller's runtime
/// ends. Returns the address on which the server listens.
///
/// # Errors
///
/// Fails when `address` cannot be bound.
pub async fn listen<F>(address: Ipv4Addr, respond: F) -> io::Result<SocketAddr>
where
    F: Fn(Parts, Bytes) -> Response<Full<Bytes>> + Send + Sync + 'static,
{
    let listener = TcpListener::bind((address, 0)).await?;
    let address = listener.local_addr()?;
    let respond = Arc::new(respond);
    spawn(async move {
        // Accepting a connection fails when the process has no free file descriptor. New clients then get no
        // response.
        while let Ok((stream, _)) = listener.accept().await {
            spawn(serve(stream, Arc::clone(&respond)));
        }
    });
    Ok(address)
}

async fn serve<F>(stream: TcpStream, respond: Arc<F>)
where
    F: Fn(Parts, Bytes) -> Response<Full<Bytes>> + Send + Sync + 'static,
{
    // TCP_NODELAY is set, because without it a response may wait 40 ms for an acknowledgement. An error of
    // setting the option is ignored, because it only makes measured times less precise.
    let _refused = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let respond = Arc::clone(&respond);
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, hyper::Error>(respond(parts, body))
        }
    });
    // An error of the connection is ignored. Tests and load tools kill the client on purpose, and a killed
    // client cuts its connections.
    let _cut = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

#[expect(clippy::disallowed_methods, reason = "a test server has no orderly stop: it ends with the runtime")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}
