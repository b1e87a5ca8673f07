//! `pixaven listen`: a webhook receiver for development. It prints each webhook, checks its signature and can
//! forward it to an application. It is not part of a server; it takes the role of the receiver.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use clap::Args;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use pixaven_ledger::Clock;
use tokio::net::TcpListener;
use url::Url;

use super::ConfigArgs;
use super::secrets::active_secrets;
use crate::app::{ledger_file, open_ledger, open_seal};
use crate::delivery::signing::{SignedHeaders, SigningKey, VerifyError, verify};
use crate::runtime::lifecycle::StopSignals;
use pixaven_net::{AddressPolicy, Net, NetSettings};

/// The largest webhook that is accepted, in bytes.
const MAX_BODY_BYTES: usize = 16 << 20;
/// The largest accepted difference between the timestamp of a webhook and the current time, in seconds.
const TOLERANCE_S: u64 = 300;
/// The deadline for the answer of the application to which webhooks are forwarded. It is shorter than the
/// default of `webhooks.deadline_s`, the time in which the server expects an answer from `pixaven listen`, so
/// that `pixaven listen` can still answer after a timeout of the application.
const FORWARD_DEADLINE: Duration = Duration::from_secs(9);
/// The most bytes of the application's answer that are read.
const FORWARD_RESPONSE_BYTES: usize = 1024;

#[derive(Args)]
pub(super) struct ListenArgs {
    /// Address and port; port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8090")]
    listen: String,
    /// Forwards each webhook to this URL and answers with the status of the response.
    #[arg(long, value_name = "URL")]
    forward: Option<Url>,
    /// A secret to check signatures with; without it the secrets of the data directory, if it exists.
    #[arg(long, value_name = "whsec_…")]
    secret: Vec<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// The state of the webhook receiver.
struct Receiver {
    keys: Vec<SigningKey>,
    forward: Option<Url>,
    net: Net,
}

pub(super) async fn run(args: ListenArgs) -> anyhow::Result<()> {
    let secrets = if args.secret.is_empty() { stored_secrets(args.config).await? } else { args.secret };
    let keys: Result<_, _> = secrets.iter().map(|secret| SigningKey::parse(secret)).collect();
    let all_networks = ["0.0.0.0/0", "::/0"].map(|network| network.parse().expect("a network"));
    let policy = AddressPolicy::allowing(all_networks.to_vec());
    let receiver = Receiver {
        keys: keys.context("--secret")?,
        forward: args.forward,
        net: Net::new(NetSettings { policy, ..NetSettings::default() })?,
    };
    if receiver.keys.is_empty() {
        println!("no secret is known: signatures are not checked");
    }
    let listener =
        TcpListener::bind(&args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    let mut signals = StopSignals::register().context("signals cannot be received")?;
    println!("listening on http://{}", listener.local_addr()?);
    let router = Router::new().fallback(receive).with_state(Arc::new(receiver));
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            let _signal = signals.received().await;
        })
        .await?;
    Ok(())
}

/// Reads the active signing secrets from the ledger of a server. If there is no ledger, the list is empty, and
/// no ledger is created.
async fn stored_secrets(config: ConfigArgs) -> anyhow::Result<Vec<String>> {
    let config = config.load([])?;
    if config.ledger.url.is_none() && !ledger_file(&config).exists() {
        return Ok(Vec::new());
    }
    let ledger = open_ledger(&config, Clock::System).await?;
    let secrets = active_secrets(&ledger, &open_seal(&config)?).await?;
    ledger.close().await;
    Ok(secrets)
}

async fn receive(State(receiver): State<Arc<Receiver>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY_BYTES).await else {
        println!("a body that is too large, or was cut off");
        return StatusCode::BAD_REQUEST.into_response();
    };
    let signature = receiver.check_signature(&head.headers, &body);
    print_webhook(&head, &body, signature);
    if matches!(signature, Some(Err(_))) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    receiver.forward_webhook(&head.headers, body).await.into_response()
}

impl Receiver {
    /// Checks that the webhook was signed with one of the known secrets. Returns `None` if no secret is
    /// known.
    fn check_signature(&self, headers: &HeaderMap, body: &[u8]) -> Option<Result<(), VerifyError>> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let signed = SignedHeaders {
            id: header("webhook-id"),
            timestamp: header("webhook-timestamp"),
            signature: header("webhook-signature"),
        };
        let now_s = Clock::System.now_ms() / 1_000;
        let mut last_error = None;
        for key in &self.keys {
            let checked = verify(key, signed, body, now_s, TOLERANCE_S);
            if checked.is_ok() {
                return Some(checked);
            }
            last_error = Some(checked);
        }
        last_error
    }

    /// Forwards the webhook to the application and returns the status of its answer. Without an application,
    /// the status is 204.
    async fn forward_webhook(&self, headers: &HeaderMap, body: Bytes) -> StatusCode {
        let Some(url) = &self.forward else { return StatusCode::NO_CONTENT };
        let exchange =
            self.net.post(url, headers.clone(), body, FORWARD_DEADLINE, FORWARD_RESPONSE_BYTES).await;
        match exchange.result {
            Ok(response) => {
                println!("  forwarded: {}, {} ms", response.status, exchange.duration.as_millis());
                response.status
            }
            Err(error) => {
                println!("  not forwarded: {}", crate::runtime::telemetry::with_causes(&error));
                StatusCode::BAD_GATEWAY
            }
        }
    }
}

fn print_webhook(head: &Parts, body: &[u8], signature: Option<Result<(), VerifyError>>) {
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("-");
    let signature = match signature {
        None => "not checked".to_owned(),
        Some(Ok(())) => "good".to_owned(),
        Some(Err(error)) => format!("BAD: {error}"),
    };
    let (id, attempt) = (header("webhook-id"), header("webhook-attempt"));
    println!("{} {}  {id}  attempt {attempt}  signature {signature}", head.method, head.uri);
    match serde_json::from_slice::<serde_json::Value>(body) {
        Ok(json) => println!("{json:#}"),
        Err(_) => println!("  {} bytes that are no JSON", body.len()),
    }
}
