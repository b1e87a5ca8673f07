//! The documented job as requests: a picture to 100×75, with a webhook.

use std::net::SocketAddr;

use anyhow::Context;
use bytes::Bytes;
use clap::ValueEnum;
use http_body_util::Full;
use hyper::{Request, header};
use pixaven_imaging::plan::Output;
use pixaven_imaging::{Format, sample};
use serde_json::{Value, json};

/// The size of the picture in the API's documentation.
const WIDTH: u32 = 550;
const HEIGHT: u32 = 412;

const BOUNDARY: &str = "pixaven-bench-c0d2f5a1";

/// The type of a body that is JSON.
pub(crate) const JSON: &str = "application/json";

/// The type of the body that [`multipart`] makes.
pub(crate) const MULTIPART: &str = "multipart/form-data; boundary=pixaven-bench-c0d2f5a1";

/// How the picture reaches the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// The server fetches it from the origin.
    Fetch,
    /// It is part of the request.
    Upload,
    /// In turns.
    Mix,
}

/// The job's requests, ready to be sent any number of times.
pub(crate) struct Job {
    host: String,
    authorization: String,
    way: Way,
    fetch: Bytes,
    upload: Bytes,
}

impl Job {
    /// The job for a server, its image at the URL or in `image`.
    pub(crate) fn new(server: SocketAddr, key: &str, way: Way, image: &Image, urls: &Urls) -> Self {
        let mut data = image.operations.clone();
        data["webhook"] = urls.webhook.clone();
        let upload = multipart(&image.bytes, &data.to_string());
        data["url"] = json!(urls.image);
        Self {
            host: server.to_string(),
            authorization: format!("Bearer {key}"),
            way,
            fetch: Bytes::from(data.to_string()),
            upload: Bytes::from(upload),
        }
    }

    /// The `n`th request.
    pub(crate) fn request(&self, n: u64) -> Request<Full<Bytes>> {
        let upload = match self.way {
            Way::Fetch => false,
            Way::Upload => true,
            Way::Mix => n % 2 == 1,
        };
        let (path, content_type, body) =
            if upload { ("/1.0/upload", MULTIPART, &self.upload) } else { ("/1.0/fetch", JSON, &self.fetch) };
        Request::post(path)
            .header(header::HOST, &self.host)
            .header(header::AUTHORIZATION, &self.authorization)
            .header(header::CONTENT_TYPE, content_type)
            .body(Full::new(body.clone()))
            .expect("a fixed path and printable header values make a request")
    }
}

/// Where the server finds the image and the receiver.
pub(crate) struct Urls {
    pub(crate) image: String,
    /// The request's `webhook`: its URL, and how it is to be sent.
    pub(crate) webhook: Value,
}

/// What is processed and what is done with it.
pub(crate) struct Image {
    pub(crate) bytes: Bytes,
    operations: Value,
}

impl Image {
    /// The documented example: `file` or a painted picture of its size, to 100×75.
    pub(crate) fn documented(file: Option<&std::path::Path>) -> anyhow::Result<Self> {
        let bytes = match file {
            Some(file) => std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?,
            None => painted(WIDTH, HEIGHT)?,
        };
        Ok(Self { bytes: bytes.into(), operations: json!({ "resize": { "width": 100, "height": 75 } }) })
    }

    /// A single pixel and nothing to do: what remains is the cost of everything but pixels.
    pub(crate) fn noop() -> anyhow::Result<Self> {
        Ok(Self { bytes: painted(1, 1)?.into(), operations: json!({}) })
    }
}

fn painted(width: u32, height: u32) -> anyhow::Result<Vec<u8>> {
    // As a camera writes it: baseline, and just good enough to keep 4:2:0.
    let output = Output { quality: Some(89), baseline: true, ..Output::default() };
    Ok(pixaven_imaging::encode(sample::landscape(width, height, 1), Format::Jpeg, &output)?)
}

/// An upload's body.
pub(crate) fn multipart(image: &[u8], data: &str) -> Vec<u8> {
    let mut body = Vec::with_capacity(image.len() + data.len() + 512);
    let file =
        "Content-Disposition: form-data; name=\"file\"; filename=\"image.jpg\"\r\nContent-Type: image/jpeg";
    body.extend_from_slice(format!("--{BOUNDARY}\r\n{file}\r\n\r\n").as_bytes());
    body.extend_from_slice(image);
    let data = format!("Content-Disposition: form-data; name=\"data\"\r\n\r\n{data}");
    body.extend_from_slice(format!("\r\n--{BOUNDARY}\r\n{data}\r\n--{BOUNDARY}--\r\n").as_bytes());
    body
}
