//! Any request of the API, its answer as JSON. What is sent again and again, as fast as can be, is a [`crate::job::Job`].

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode, header};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::job::{JSON, MULTIPART, multipart};
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
            None => ("/1.0/fetch", JSON, data.into_bytes()),
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

    /// What the server knows of the webhook of an accepted request.
    pub(crate) async fn webhook(&self, id: Uuid) -> anyhow::Result<Value> {
        let mut answer = self.get(&format!("/1.0/webhooks/{id}")).await?;
        answer.ensure(StatusCode::OK)?;
        Ok(answer.json["webhook"].take())
    }

    /// Asks for everything that was delivered to be sent again.
    pub(crate) async fn resend_delivered(&self) -> anyhow::Result<Answer> {
        let request = Request::post("/1.0/webhooks/resend").header(header::CONTENT_TYPE, JSON);
        self.send(request, json!({ "status": "delivered" }).to_string().into()).await
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

    /// The id of a request that was accepted.
    pub(crate) fn accepted(&self) -> anyhow::Result<Uuid> {
        self.ensure(StatusCode::ACCEPTED)?;
        self.id().context("a 202 without an id")
    }

    /// Fails when the answer is another.
    pub(crate) fn ensure(&self, status: StatusCode) -> anyhow::Result<()> {
        ensure!(self.status == status, "{}: {}", self.status, self.json);
        Ok(())
    }
}
