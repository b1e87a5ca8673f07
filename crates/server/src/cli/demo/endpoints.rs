//! The HTTP servers that the demo needs besides the Pixaven server: an image origin with a valid and a broken
//! image, and a webhook receiver with a reliable and an unreliable endpoint. Both servers share one listening
//! socket.

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

/// The path of the receiver's endpoint that fails [`N_FAILURES`] times and then succeeds.
pub(super) const UNRELIABLE: &str = "/hooks/unreliable";
/// The number of webhooks that the unreliable endpoint refuses before it accepts one.
pub(super) const N_FAILURES: u32 = 2;

/// The longest time that the demo waits for a webhook.
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(15);

/// The capacity of the queue of received webhooks. The whole demo receives fewer webhooks than this, so that
/// the queue is never full while the demo reads it.
const MAX_QUEUED_WEBHOOKS: usize = 256;

/// The image origin and the webhook receiver.
pub(super) struct Endpoints {
    address: SocketAddr,
    webhooks: mpsc::Receiver<ReceivedWebhook>,
}

/// A webhook that the receiver received.
pub(super) struct ReceivedWebhook {
    pub(super) received_at: Instant,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The status with which the receiver answered.
    pub(super) answer: StatusCode,
}

/// The state that all connections to the origin and the receiver share.
struct Handler {
    photo: Bytes,
    n_failures_left: AtomicU32,
    webhooks: mpsc::Sender<ReceivedWebhook>,
}

impl Endpoints {
    /// Starts the origin and the receiver on a free port of the loopback interface. The origin serves the
    /// image `photo`.
    pub(super) async fn start(photo: Bytes) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (sender, webhooks) = mpsc::channel(MAX_QUEUED_WEBHOOKS);
        let n_failures_left = AtomicU32::new(N_FAILURES);
        let handler = Arc::new(Handler { photo, n_failures_left, webhooks: sender });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let handler = Arc::clone(&handler);
                tokio::spawn(async move {
                    let service = service_fn(move |request| Arc::clone(&handler).answer(request));
                    let http = hyper::server::conn::http1::Builder::new();
                    // An error of a connection is ignored here: if the error loses a webhook, a later check
                    // of the demo fails.
                    let _broken = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Ok(Self { address, webhooks })
    }

    /// Returns the URL of a path of the origin or of the receiver.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Waits for the next webhook on any path.
    pub(super) async fn next_webhook(&mut self) -> ReceivedWebhook {
        self.webhooks.recv().await.expect("the task of the listener keeps the sender until the runtime ends")
    }

    /// Waits for the next webhook, which must arrive at `path`.
    ///
    /// # Errors
    /// The function fails if no webhook arrives in time, or if the next webhook arrives at another path.
    pub(super) async fn expect_webhook(&mut self, path: &str) -> anyhow::Result<ReceivedWebhook> {
        let webhook = tokio::time::timeout(WEBHOOK_TIMEOUT, self.next_webhook()).await;
        let webhook = webhook.with_context(|| format!("no webhook arrived within {WEBHOOK_TIMEOUT:?}"))?;
        ensure!(webhook.path == path, "a webhook arrived at {} instead of {path}", webhook.path);
        Ok(webhook)
    }
}

impl Handler {
    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes);
        Ok(match (head.method, head.uri.path(), body) {
            (Method::GET, "/photo.jpg", _) => jpeg_response(self.photo.clone()),
            // This broken image file begins with a valid JFIF header of a JPEG. The bytes after the header
            // are not valid.
            (Method::GET, "/broken.jpg", _) => {
                jpeg_response(Bytes::from_static(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00torn apart"))
            }
            (Method::POST, path, Ok(body)) if path.starts_with("/hooks/") => {
                let answer = self.choose_answer(path);
                let webhook = ReceivedWebhook {
                    received_at: Instant::now(),
                    path: path.to_owned(),
                    headers: head.headers,
                    body,
                    answer,
                };
                // If the queue is full, the webhook is dropped: the demo then reads no more webhooks from the
                // queue.
                let _full = self.webhooks.try_send(webhook);
                empty_response(answer)
            }
            _ => empty_response(StatusCode::NOT_FOUND),
        })
    }

    /// Returns the status with which the receiver answers a webhook: 503 for the first webhooks at the
    /// unreliable endpoint, and 200 for all others.
    fn choose_answer(&self, path: &str) -> StatusCode {
        let decrement = |n: u32| n.checked_sub(1);
        let n_left = &self.n_failures_left;
        if path == UNRELIABLE && n_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, decrement).is_ok()
        {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        StatusCode::OK
    }
}

fn jpeg_response(bytes: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(bytes));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
    response
}

fn empty_response(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
