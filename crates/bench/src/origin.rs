//! Where the server under test fetches its images from.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Response, StatusCode, header};

use crate::loopback;

/// A running origin of one image.
pub(crate) struct Origin {
    address: SocketAddr,
}

impl Origin {
    /// Serves `image` at a free port of the loopback interface.
    pub(crate) async fn start(image: Bytes) -> io::Result<Self> {
        let address = loopback::listen(Ipv4Addr::LOCALHOST, move |request, _body| {
            if request.method != Method::GET || request.uri.path() != "/image.jpg" {
                let mut response = Response::new(Full::default());
                *response.status_mut() = StatusCode::NOT_FOUND;
                return response;
            }
            let mut response = Response::new(Full::new(image.clone()));
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("image/jpeg"));
            response
        })
        .await?;
        Ok(Self { address })
    }

    /// Where the image lies.
    pub(crate) fn image_url(&self) -> String {
        format!("http://{}/image.jpg", self.address)
    }
}
