//! The requests of the fault tools: any request of the API, its answer as JSON.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode, header};
use serde_json::Value;
use uuid::Uuid;

use crate::job::{MULTIPART, multipart};
use crate::loopback::Client;

/// After this an answer is no longer waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client of one server.
pub(crate) struct Api {
    client: Client,
    host: String,
    authorization: String,
}

/// An answer that was read to its end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// Null when the body is no JSON.
    pub(crate) json: Value,
    pub(crate) n_bytes: usize,
}

impl Api {
    /// A client of the server at `address`.
    pub(crate) fn new(address: SocketAddr, key: &str) -> Self {
        let authorization = format!("Bearer {key}");
        Self { client: Client::new(address), host: address.to_string(), authorization }
    }

    /// Asks for what `data` says, of `upload` if there is one, under a name if there is one.
    pub(crate) async fn process(
        &self,
        data: &Value,
        upload: Option<&Bytes>,
        name: Option<&str>,
    ) -> anyhow::Result<Answer> {
        let data = data.to_string();
        let (path, content_type, body) = match upload {
            Some(image) => ("/1.0/upload", MULTIPART, multipart(image, &data)),
            None => ("/1.0/fetch", "application/json", data.into_bytes()),
        };
        let mut request = Request::post(path).header(header::CONTENT_TYPE, content_type);
        if let Some(name) = name {
            request = request.header("idempotency-key", name);
        }
        self.send(request, body.into()).await
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(Request::get(path), Bytes::new()).await
    }

    pub(crate) async fn post(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(Request::post(path), Bytes::new()).await
    }

    async fn send(&self, request: hyper::http::request::Builder, body: Bytes) -> anyhow::Result<Answer> {
        let request = request
            .header(header::HOST, &self.host)
            .header(header::AUTHORIZATION, &self.authorization)
            .body(Full::new(body))?;
        let answer = tokio::time::timeout(PATIENCE, self.client.send(request)).await;
        let (status, body) = answer.context("no answer in time")??;
        let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Ok(Answer { status, json, n_bytes: body.len() })
    }
}

impl Answer {
    /// The request's id, which every envelope has.
    pub(crate) fn id(&self) -> Option<Uuid> {
        self.json["id"].as_str()?.parse().ok()
    }
}
