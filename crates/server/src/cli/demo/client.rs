//! The HTTP client of the demo, in the role of a customer's application. It also formats each request as a
//! `curl` command.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// Sends requests to one server with one API key.
pub(super) struct Client {
    server: SocketAddr,
    key: String,
}

/// The response of the server.
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Client {
    /// Creates a client without connecting to the server.
    pub(super) fn new(server: SocketAddr, key: String) -> Self {
        Self { server, key }
    }

    /// The `curl` command for the same request as [`Self::post`], as the lines of a shell command.
    pub(super) fn curl(&self, path: &str, body: &Value) -> [String; 3] {
        // Inside single quotes, the only special character of a shell is the single quote.
        let body = body.to_string().replace('\'', r"'\''");
        [
            format!("curl -u {}: http://{}{path}", self.key, self.server),
            "-H 'Content-Type: application/json'".to_owned(),
            format!("-d '{body}'"),
        ]
    }

    /// Sends a POST request with a JSON body.
    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Response> {
        self.send(Method::POST, path, Bytes::from(body.to_string())).await
    }

    /// Sends a GET request.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Response> {
        self.send(Method::GET, path, Bytes::new()).await
    }

    /// The path of a URL of this server.
    ///
    /// # Errors
    /// If the URL belongs to another server.
    pub(super) fn path<'a>(&self, url: &'a str) -> anyhow::Result<&'a str> {
        let base = format!("http://{}", self.server);
        url.strip_prefix(&base).with_context(|| format!("{url} does not lead to {base}"))
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Response> {
        let credentials = base64::engine::general_purpose::STANDARD.encode(format!("{}:", self.key));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.server.to_string())
            .header(header::AUTHORIZATION, format!("Basic {credentials}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        let stream = TcpStream::connect(self.server).await.context("the server cannot be reached")?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            // An error of the connection is ignored, because `send_request` below reports it.
            let _broken = connection.await;
        });
        let (head, body) =
            sender.send_request(request).await.context("the server gives no answer")?.into_parts();
        let body = body.collect().await.context("the server's answer breaks off")?.to_bytes();
        Ok(Response { status: head.status, headers: head.headers, body })
    }
}

impl Response {
    /// Parses the body as JSON.
    ///
    /// # Errors
    /// If the status is not `expected`, or if the body is not JSON.
    pub(super) fn json(&self, expected: StatusCode) -> anyhow::Result<Value> {
        let text = String::from_utf8_lossy(&self.body);
        ensure!(self.status == expected, "expected {expected}, got {}: {text}", self.status);
        serde_json::from_slice(&self.body).with_context(|| format!("the answer is no JSON: {text}"))
    }
}
