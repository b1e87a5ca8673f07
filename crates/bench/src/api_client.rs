//! A client that sends single requests to the API and reads the responses as JSON. The load tools send their
//! load with a [`crate::request_template::RequestTemplate`] instead, because sending prepared requests needs
//! less processor time.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::Full;
use hyper::http::request::Builder;
use hyper::{Request, StatusCode, header};
use pixaven_testkit::multipart;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::http_client::HttpClient;

/// The content type of a JSON body.
pub(crate) const JSON: &str = "application/json";

/// The time limit for one request, from its start to the end of the response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// Sends requests to one server with one API key.
pub(crate) struct ApiClient {
    http: HttpClient,
    host: String,
    authorization: String,
}

/// A complete response of the API.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ApiResponse {
    pub(crate) status: StatusCode,
    /// The body as JSON, or null when the body is not JSON.
    pub(crate) json: Value,
    /// The length of the body in bytes.
    pub(crate) n_bytes: usize,
}

impl ApiClient {
    /// Creates a client of the server at `address`, with the API key `key`.
    pub(crate) fn new(address: SocketAddr, key: &str) -> Self {
        let authorization = format!("Bearer {key}");
        Self { http: HttpClient::new(address), host: address.to_string(), authorization }
    }

    /// Sends a request to process an image, with the JSON `data`. If `upload` is given, the request contains
    /// this image. If `upload` is not given, the server downloads the image from the URL in `data`.
    pub(crate) async fn process(
        &self,
        data: &Value,
        upload: Option<&Bytes>,
        idempotency_key: Option<&str>,
    ) -> anyhow::Result<ApiResponse> {
        let data = data.to_string();
        let (path, content_type, body) = match upload {
            Some(image) => {
                ("/1.0/upload", multipart::CONTENT_TYPE, multipart::upload("image.jpg", image, &data))
            }
            None => ("/1.0/fetch", JSON, data.into_bytes()),
        };
        let mut request = Request::post(path).header(header::CONTENT_TYPE, content_type);
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        self.send(request, body.into()).await
    }

    /// Sends a GET request.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<ApiResponse> {
        self.send(Request::get(path), Bytes::new()).await
    }

    /// Sends a POST request without a body.
    pub(crate) async fn post(&self, path: &str) -> anyhow::Result<ApiResponse> {
        self.send(Request::post(path), Bytes::new()).await
    }

    /// Reads the history of the webhook that belongs to an accepted request.
    pub(crate) async fn webhook(&self, id: Uuid) -> anyhow::Result<Value> {
        let mut response = self.get(&format!("/1.0/webhooks/{id}")).await?;
        response.ensure(StatusCode::OK)?;
        Ok(response.json["webhook"].take())
    }

    /// Starts a bulk resend of all delivered webhooks.
    pub(crate) async fn resend_delivered(&self) -> anyhow::Result<ApiResponse> {
        let request = Request::post("/1.0/webhooks/resend").header(header::CONTENT_TYPE, JSON);
        self.send(request, json!({ "status": "delivered" }).to_string().into()).await
    }

    async fn send(&self, request: Builder, body: Bytes) -> anyhow::Result<ApiResponse> {
        let request = request
            .header(header::HOST, &self.host)
            .header(header::AUTHORIZATION, &self.authorization)
            .body(Full::new(body))?;
        let response = tokio::time::timeout(RESPONSE_TIMEOUT, self.http.send(request)).await;
        let (status, body) = response.context("no answer in time")??;
        let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Ok(ApiResponse { status, json, n_bytes: body.len() })
    }
}

impl ApiResponse {
    /// Returns the id of the request, which every JSON response of the API contains.
    pub(crate) fn id(&self) -> Option<Uuid> {
        self.json["id"].as_str()?.parse().ok()
    }

    /// Returns the id of an accepted request. Fails when the status of the response is not 202.
    pub(crate) fn accepted_id(&self) -> anyhow::Result<Uuid> {
        self.ensure(StatusCode::ACCEPTED)?;
        self.id().context("a 202 without an id")
    }

    /// Fails when the status of the response is not `status`.
    pub(crate) fn ensure(&self, status: StatusCode) -> anyhow::Result<()> {
        ensure!(self.status == status, "{}: {}", self.status, self.json);
        Ok(())
    }
}
