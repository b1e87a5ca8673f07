//! What stands around the server: an origin with a good and a broken picture, and a receiver of webhooks with a
//! reliable and an unreliable endpoint. Both are one listener.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// The endpoint that fails [`N_FAILURES`] times.
pub(super) const UNRELIABLE: &str = "/hooks/unreliable";
/// How often it does.
pub(super) const N_FAILURES: u32 = 2;

/// How long a webhook may let the demo wait.
const ARRIVAL_PATIENCE: Duration = Duration::from_secs(15);

/// Arrivals nobody has looked at yet; more than the demo ever causes.
const MAX_ARRIVALS: usize = 256;

/// The listener.
pub(super) struct Neighbours {
    address: SocketAddr,
    arrivals: mpsc::Receiver<Arrival>,
}

/// A webhook that came in.
pub(super) struct Arrival {
    pub(super) at: Instant,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// What the receiver said to it.
    pub(super) answer: StatusCode,
}

struct Listener {
    photo: Bytes,
    n_failures_left: AtomicU32,
    arrivals: mpsc::Sender<Arrival>,
}

impl Neighbours {
    /// Listens at a free port of the loopback interface, with `photo` at the origin.
    pub(super) async fn start(photo: Bytes) -> std::io::Result<Self> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = socket.local_addr()?;
        let (sender, arrivals) = mpsc::channel(MAX_ARRIVALS);
        let n_failures_left = AtomicU32::new(N_FAILURES);
        let listener = Arc::new(Listener { photo, n_failures_left, arrivals: sender });
        tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                let listener = Arc::clone(&listener);
                tokio::spawn(async move {
                    let service = service_fn(move |request| Arc::clone(&listener).answer(request));
                    let http = hyper::server::conn::http1::Builder::new();
                    // A peer that goes away in the middle is the peer's business.
                    let _broken = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Ok(Self { address, arrivals })
    }

    /// The URL of a path of theirs.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next webhook, whatever it is.
    pub(super) async fn arrival(&mut self) -> Arrival {
        self.arrivals.recv().await.expect("the listener keeps the sender for as long as the runtime lives")
    }

    /// The next webhook, which must come soon and at `path`.
    pub(super) async fn expect(&mut self, path: &str) -> anyhow::Result<Arrival> {
        let arrival = tokio::time::timeout(ARRIVAL_PATIENCE, self.arrival()).await;
        let arrival = arrival.with_context(|| format!("no webhook arrived within {ARRIVAL_PATIENCE:?}"))?;
        ensure!(arrival.path == path, "a webhook arrived at {} instead of {path}", arrival.path);
        Ok(arrival)
    }
}

impl Listener {
    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes);
        Ok(match (head.method, head.uri.path(), body) {
            (Method::GET, "/photo.jpg", _) => jpeg(self.photo.clone()),
            // The signature of a JPEG and the beginning of a header, then nothing that makes sense.
            (Method::GET, "/broken.jpg", _) => {
                jpeg(Bytes::from_static(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00torn apart"))
            }
            (Method::POST, path, Ok(body)) if path.starts_with("/hooks/") => {
                let answer = self.verdict(path);
                let path = path.to_owned();
                let arrival = Arrival { at: Instant::now(), path, headers: head.headers, body, answer };
                // Nobody looks any more: then nobody misses it either.
                let _full = self.arrivals.try_send(arrival);
                status(answer)
            }
            _ => status(StatusCode::NOT_FOUND),
        })
    }

    fn verdict(&self, path: &str) -> StatusCode {
        let one_less = |left: u32| left.checked_sub(1);
        let left = &self.n_failures_left;
        if path == UNRELIABLE && left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok() {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        StatusCode::OK
    }
}

fn jpeg(bytes: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(bytes));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
    response
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
