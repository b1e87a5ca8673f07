//! The documented example as a request that can be sent any number of times: an image to 100×75, with a
//! webhook.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use bytes::Bytes;
use clap::ValueEnum;
use http_body_util::Full;
use hyper::{Request, header};
use pixaven_imaging::plan::Output;
use pixaven_imaging::{Channels, Format, Image};
use pixaven_testkit::multipart;
use serde_json::{Value, json};

use crate::api_client::JSON;

/// The size in pixels of the example image in the API's documentation.
const WIDTH: u32 = 550;
const HEIGHT: u32 = 412;

/// How the image reaches the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum InputMode {
    /// The server fetches it from the origin.
    Fetch,
    /// It is part of the request.
    Upload,
    /// By turns.
    Mix,
}

/// A processing request, prepared in both forms.
pub(crate) struct RequestTemplate {
    host: String,
    authorization: String,
    input: InputMode,
    /// The body of a request to `/1.0/fetch`.
    fetch: Bytes,
    /// The body of a request to `/1.0/upload`.
    upload: Bytes,
}

impl RequestTemplate {
    /// The requests to one server, with the image behind a URL or in the request.
    pub(crate) fn new(
        server: SocketAddr,
        key: &str,
        input: InputMode,
        image: &TestImage,
        urls: &RequestUrls,
    ) -> Self {
        let mut data = image.operations.clone();
        data["webhook"] = urls.webhook.clone();
        let upload = multipart::upload("image.jpg", &image.bytes, &data.to_string());
        data["url"] = json!(urls.image);
        Self {
            host: server.to_string(),
            authorization: format!("Bearer {key}"),
            input,
            fetch: Bytes::from(data.to_string()),
            upload: Bytes::from(upload),
        }
    }

    /// The `n`th request.
    pub(crate) fn request(&self, n: u64) -> Request<Full<Bytes>> {
        let is_upload = match self.input {
            InputMode::Fetch => false,
            InputMode::Upload => true,
            InputMode::Mix => n % 2 == 1,
        };
        let (path, content_type, body) = if is_upload {
            ("/1.0/upload", multipart::CONTENT_TYPE, &self.upload)
        } else {
            ("/1.0/fetch", JSON, &self.fetch)
        };
        Request::post(path)
            .header(header::HOST, &self.host)
            .header(header::AUTHORIZATION, &self.authorization)
            .header(header::CONTENT_TYPE, content_type)
            .body(Full::new(body.clone()))
            .expect("a fixed path and printable header values make a request")
    }
}

/// The URLs in a request.
pub(crate) struct RequestUrls {
    /// Where the server fetches the image.
    pub(crate) image: String,
    /// The member `webhook` of the request: the receiver's URL, and options such as `delay`.
    pub(crate) webhook: Value,
}

/// An image, and the operations that a request asks for.
pub(crate) struct TestImage {
    pub(crate) bytes: Bytes,
    operations: Value,
}

impl TestImage {
    /// The documented example: `file`, or a generated image of the same size, resized to 100×75.
    pub(crate) fn documented(file: Option<&Path>) -> anyhow::Result<Self> {
        let bytes = match file {
            Some(file) => std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?,
            None => generated(WIDTH, HEIGHT)?,
        };
        Ok(Self { bytes: bytes.into(), operations: json!({ "resize": { "width": 100, "height": 75 } }) })
    }

    /// A single pixel without operations. Its cost is the cost of everything except image processing.
    pub(crate) fn noop() -> anyhow::Result<Self> {
        Ok(Self { bytes: generated(1, 1)?.into(), operations: json!({}) })
    }
}

fn generated(width: u32, height: u32) -> anyhow::Result<Vec<u8>> {
    // Like a camera's JPEG: baseline, at the highest quality at which the encoder keeps 4:2:0.
    let output = Output { quality: Some(89), baseline: true, ..Output::default() };
    let image = Image::new(width, height, Channels::Rgb, pixaven_sample::landscape(width, height, 1));
    Ok(pixaven_imaging::encode(image, Format::Jpeg, &output)?)
}
