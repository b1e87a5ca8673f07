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

/// The response of the server to a request of the demo.
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Client {
    /// Creates a client. Does not connect to the server yet.
    pub(super) fn new(server: SocketAddr, key: String) -> Self {
        Self { server, key }
    }

    /// Formats the request that [`Self::post`] sends as a `curl` command. Each element is one line of the
    /// shell command.
    pub(super) fn curl(&self, path: &str, body: &Value) -> [String; 3] {
        // The shell quotes the JSON in single quotes. Inside them, the only special character is the single
        // quote.
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

    /// Returns the path of a URL of this server.
    ///
    /// # Errors
    /// The function fails if the URL belongs to another server.
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
            // An error of the connection is ignored here, because `send_request` below reports the same
            // error.
            let _broken = connection.await;
        });
        let (head, body) =
            sender.send_request(request).await.context("the server gives no answer")?.into_parts();
        let body = body.collect().await.context("the server's answer breaks off")?.to_bytes();
        Ok(Response { status: head.status, headers: head.headers, body })
    }
}

impl Response {
    /// Parses the body of the response as JSON.
    ///
    /// # Errors
    /// The function fails if the status of the response is not `expected`, or if the body is not JSON.
    pub(super) fn json(&self, expected: StatusCode) -> anyhow::Result<Value> {
        let text = String::from_utf8_lossy(&self.body);
        ensure!(self.status == expected, "expected {expected}, got {}: {text}", self.status);
        serde_json::from_slice(&self.body).with_context(|| format!("the answer is no JSON: {text}"))
    }
}
