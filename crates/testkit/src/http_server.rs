//! An HTTP server on the loopback interface for tests and load tools. A function of the caller creates each
//! response. The server keeps connections open. The server runs on the caller's runtime, because a load tool
//! uses a single thread and leaves the other processors to the server under test.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

/// The time that a server works on each request, and whether it works on one request at a time.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    latency: Duration,
    /// The lock that a request holds while the server works on it, if the server works on one request at a
    /// time.
    turn: Option<Arc<Mutex<()>>>,
    /// The sum of the times for which the server worked on requests, in microseconds.
    busy_us: Arc<AtomicU64>,
}

impl Pace {
    /// The pace of a server that works on all requests at the same time.
    pub fn parallel(latency: Duration) -> Self {
        Self { latency, ..Self::default() }
    }

    /// The pace of a server that works on one request at a time, in the order of arrival.
    pub fn serial(latency: Duration) -> Self {
        Self { latency, turn: Some(Arc::default()), ..Self::default() }
    }

    /// How long the server has worked on requests, summed over all requests. Timers are late by a millisecond or
    /// more, so this is longer than the sum of the latencies.
    pub fn busy(&self) -> Duration {
        Duration::from_micros(self.busy_us.load(Ordering::Relaxed))
    }

    async fn wait(&self) {
        let _turn = match &self.turn {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        if !self.latency.is_zero() {
            let start = Instant::now();
            tokio::time::sleep(self.latency).await;
            let worked_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.busy_us.fetch_add(worked_us, Ordering::Relaxed);
        }
    }
}

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
    listen_at_pace(address, Pace::default(), respond).await
}

/// Does the same as [`listen`], but sends each response after the time that the pace of the server determines.
///
/// # Errors
///
/// Fails when `address` cannot be bound.
pub async fn listen_at_pace<F>(address: Ipv4Addr, pace: Pace, respond: F) -> io::Result<SocketAddr>
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
            spawn(serve(stream, pace.clone(), Arc::clone(&respond)));
        }
    });
    Ok(address)
}

async fn serve<F>(stream: TcpStream, pace: Pace, respond: Arc<F>)
where
    F: Fn(Parts, Bytes) -> Response<Full<Bytes>> + Send + Sync + 'static,
{
    // TCP_NODELAY is set, because without it a response may wait 40 ms for an acknowledgement. An error of
    // setting the option is ignored, because it only makes measured times less precise.
    let _refused = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let (pace, respond) = (pace.clone(), Arc::clone(&respond));
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            pace.wait().await;
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
