//! An image origin: an HTTP server from which the server under test fetches images.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};

use crate::http_server;

/// A running image origin that returns the same image for every path.
pub struct ImageOrigin {
    address: SocketAddr,
}

impl ImageOrigin {
    /// Starts to serve a JPEG on a free port of the loopback interface. The origin runs until the caller's
    /// runtime ends.
    ///
    /// # Errors
    ///
    /// Fails when no port can be bound.
    pub async fn start(jpeg: Bytes) -> io::Result<Self> {
        let address = http_server::listen(Ipv4Addr::LOCALHOST, move |request, _body| {
            if request.method != Method::GET {
                let mut response = Response::new(Full::default());
                *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
                return response;
            }
            let mut response = Response::new(Full::new(jpeg.clone()));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
            response
        });
        Ok(Self { address: address.await? })
    }

    /// Returns a URL that leads to the image. `path` begins with `/`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}
