//! The requests of a load: by default the example of the API's documentation, which resizes an image to
//! 100×75 and has a webhook.

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

/// How the server gets the image of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum InputMode {
    /// The server fetches the image from the origin.
    Fetch,
    /// The request contains the image.
    Upload,
    /// By turns.
    Mix,
}

/// A prepared request to process an image. It has two prepared bodies: one names the URL of the image, the
/// other contains the image.
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
    /// Prepares requests to the server at the address `server`. `input` selects whether the server fetches
    /// the image or the request contains it.
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

    /// Creates the `n`th request of a load from the prepared bodies.
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
    /// The URL from which the server downloads the image.
    pub(crate) image: String,
    /// The member `webhook` of the request: the URL of the receiver, and options such as `delay`.
    pub(crate) webhook: Value,
}

/// An image, and the operations that a request applies to it.
pub(crate) struct TestImage {
    pub(crate) bytes: Bytes,
    operations: Value,
}

impl TestImage {
    /// Creates the example of the documentation of the API: resizes `file` to 100×75. If no file is given,
    /// resizes a generated image that has the size of the image in the documentation.
    pub(crate) fn documented(file: Option<&Path>) -> anyhow::Result<Self> {
        let bytes = match file {
            Some(file) => std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?,
            None => generated(WIDTH, HEIGHT)?,
        };
        Ok(Self { bytes: bytes.into(), operations: json!({ "resize": { "width": 100, "height": 75 } }) })
    }

    /// Creates an image of a single pixel without operations. A request with this image costs the server as
    /// much as any other request, except for the image processing.
    pub(crate) fn noop() -> anyhow::Result<Self> {
        Self::unchanged(1, 1)
    }

    /// A generated image of the given size in pixels, without operations, so that the result has about the
    /// same size.
    pub(crate) fn unchanged(width: u32, height: u32) -> anyhow::Result<Self> {
        Ok(Self { bytes: generated(width, height)?.into(), operations: json!({}) })
    }
}

/// Encodes a generated landscape like the JPEG of a camera.
pub(crate) fn generated(width: u32, height: u32) -> anyhow::Result<Vec<u8>> {
    // The settings make a JPEG like that of a camera: baseline, with the highest quality at which the encoder
    // uses the chroma subsampling 4:2:0.
    let output = Output { quality: Some(89), baseline: true, ..Output::default() };
    let image = Image::new(width, height, Channels::Rgb, pixaven_sample::landscape(width, height, 1));
    Ok(pixaven_imaging::encode(image, Format::Jpeg, &output)?)
}
