//! The body of a request, which the handler and the middleware share. After the handler has refused a
//! request, the middleware discards the rest of the body if it is small. If the body is not small, the
//! middleware answers at once, and `listener/lingering.rs` closes the connection after the answer.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

/// The most bytes that the middleware discards of the body of a refused request. The middleware reads the
/// body because many clients read the answer only after they have sent the whole body.
const DISCARD_BYTES: usize = 64 << 10;
/// The longest time that the middleware spends on discarding the body of a refused request.
const DISCARD_TIME: Duration = Duration::from_secs(1);

/// A request body whose clones all read from the same stream: each byte is returned to only one of the
/// clones.
#[derive(Clone)]
pub(super) struct RequestBody(Arc<Mutex<State>>);

struct State {
    body: Body,
    /// Whether any clone has read from the body.
    is_begun: bool,
    is_ended: bool,
}

impl RequestBody {
    pub(super) fn new(body: Body) -> Self {
        let is_ended = body.is_end_stream();
        Self(Arc::new(Mutex::new(State { body, is_begun: false, is_ended })))
    }

    /// Discards the rest of the body of a refused request, but at most [`DISCARD_BYTES`] and for at most
    /// [`DISCARD_TIME`]. Returns whether the body was read to its end.
    ///
    /// If the declared length of the rest is larger, nothing is read, so that the client gets its answer at once.
    /// If the client has sent `Expect: 100-continue` and still waits for status 100, nothing is read either,
    /// because hyper would send this status at the first read.
    pub(super) async fn discard(mut self, expects_continue: bool) -> bool {
        let (is_begun, is_ended, n_declared) = {
            let state = self.state();
            (state.is_begun, state.is_ended, state.body.size_hint().lower())
        };
        if is_ended || (expects_continue && !is_begun) || n_declared > DISCARD_BYTES as u64 {
            return is_ended;
        }
        let mut n_bytes = 0;
        let reading = async {
            while let Some(Ok(frame)) = self.frame().await {
                n_bytes += frame.data_ref().map_or(0, Bytes::len);
                if n_bytes > DISCARD_BYTES {
                    return;
                }
            }
        };
        let _elapsed = tokio::time::timeout(DISCARD_TIME, reading).await;
        self.is_end_stream()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut state = self.state();
        state.is_begun = true;
        let polled = Pin::new(&mut state.body).poll_frame(context);
        match &polled {
            Poll::Ready(None) => state.is_ended = true,
            Poll::Ready(Some(_)) => state.is_ended = state.body.is_end_stream(),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.state().is_ended
    }

    fn size_hint(&self) -> SizeHint {
        self.state().body.size_hint()
    }
}
