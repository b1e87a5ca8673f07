//! Tests the delivery of webhooks from the ledger to a receiver, with the real dispatcher, a real SQLite
//! file, and a clock that only the test moves. The submodule `failing_paths`
//! tests receivers of which one path fails. The submodule `retries` tests failed attempts. The submodule
//! `stops` tests stops and crashes of the dispatcher.

mod failing_paths;
mod retries;
mod stops;

use std::time::Duration;

use pixaven::delivery::signing::{SignedHeaders, SigningKey, verify};
use pixaven::delivery::{Dispatcher, DispatcherSettings};
use pixaven::runtime::lifecycle::Tasks;
use pixaven::runtime::seal::Seal;
use pixaven_ledger::schedule::Schedule;
use pixaven_ledger::{
    Account, Clock, InputRef, JobOutcome, Ledger, NewKey, NewRequest, NewWebhook, Outcome, Store, UsageDelta,
    WebhookRecord, WebhookStatus,
};
use pixaven_net::{AddressPolicy, Net, NetSettings};
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::request::ReceivedRequest;
use pixaven_testkit::script::{Action, respond, respond_status};
use tempfile::TempDir;
use uuid::Uuid;

/// The time that the test clock shows at the start of every test, in milliseconds since 1970:
/// 2026-01-10T11:57:04.322Z.
const START_MS: i64 = 1_768_046_224_322;
/// The signing secret of the test account.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// The payload of every webhook. Its bytes would change if it were parsed and serialised again, because of
/// its member order, spaces, escapes and number format.
const PAYLOAD: &str = r#"{"success":true, "id":"ü","code":200.0,"a":"<\/a>"}"#;
/// The length of a lease on a webhook, in milliseconds.
const LEASE_MS: i64 = 30_000;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// A ledger with one account, and a dispatcher that sends the account's webhooks.
struct DeliveryHarness {
    ledger: Ledger,
    clock: Clock,
    account: Account,
    dispatcher: Dispatcher,
    directory: TempDir,
}

impl DeliveryHarness {
    /// Creates an empty ledger, whose account has a valid signing secret.
    async fn open() -> Self {
        Self::with_secret(SECRET).await
    }

    async fn with_secret(secret: &str) -> Self {
        let directory = TempDir::new().expect("a temporary directory can be created");
        let clock = Clock::manual(START_MS);
        let ledger = open_ledger(&directory, &clock).await;
        let key = NewKey {
            sha256: [7; 32],
            prefix: "pxv_test".to_owned(),
            label: "test".to_owned(),
            webhook_secret: secret.to_owned(),
        };
        let key = ledger.create_key(key).await.expect("the ledger creates the first key");
        let account = ledger
            .account(key.account)
            .await
            .expect("the ledger responds")
            .expect("the account was created with its first key");
        Self { dispatcher: new_dispatcher(&ledger, &directory), ledger, clock, account, directory }
    }

    /// Simulates a crash: drops the ledger and the dispatcher, and opens the ledger again as a new process
    /// does after a crash.
    async fn crash(self) -> Self {
        let Self { clock, account, directory, ledger, dispatcher } = self;
        drop((ledger, dispatcher));
        let ledger = open_ledger(&directory, &clock).await;
        ledger.recover().await.expect("the ledger ends the old leases");
        Self { dispatcher: new_dispatcher(&ledger, &directory), ledger, clock, account, directory }
    }

    /// Accepts a request and finishes its job, so that its webhook is due after the webhook's delay. `change`
    /// can change the webhook before the request is accepted.
    async fn accept_with(&self, url: &url::Url, change: impl FnOnce(&mut NewWebhook)) -> Uuid {
        let mut webhook = NewWebhook {
            url: url.to_string(),
            authority: url.authority().parse().expect("host:port"),
            delay_ms: 0,
            expires_ms: None,
            retry: true,
            headers: Vec::new(),
        };
        change(&mut webhook);
        let id = Uuid::new_v4();
        let (account, spec) = (self.account.id, "{}".to_owned());
        self.ledger
            .accept(NewRequest { id, account, spec, input: InputRef::Url, webhook })
            .await
            .expect("the ledger accepts the request");
        let [job] = <[_; 1]>::try_from(self.ledger.claim_jobs(1, 60_000).await.expect("the ledger responds"))
            .expect("one job is due");
        let usage = UsageDelta { requests: 1, input_bytes: 1, output_bytes: 1 };
        let done = JobOutcome { payload: PAYLOAD.to_owned(), usage, result: None, redacted_spec: None };
        self.ledger.finish_job(&job, done).await.expect("the lease is valid");
        id
    }

    /// Accepts a request and finishes its job, so that its webhook is due at once.
    async fn accept(&self, url: &url::Url) -> Uuid {
        self.accept_with(url, |_| {}).await
    }

    /// Sends all webhooks that are due. Returns how many webhooks the dispatcher claimed.
    async fn step(&self) -> usize {
        self.dispatcher.step().await.expect("the ledger responds")
    }

    /// Reads a webhook and its attempts from the ledger.
    async fn record(&self, id: Uuid) -> WebhookRecord {
        self.ledger
            .webhook(self.account.id, id)
            .await
            .expect("the ledger responds")
            .expect("the request was accepted")
    }

    /// Runs the dispatcher in the background, as a server does, until the returned tasks are stopped.
    fn run(&self) -> Tasks {
        let tasks = Tasks::new();
        tasks.spawn("webhooks", self.dispatcher.clone().run(tasks.clone()));
        tasks
    }
}

async fn open_ledger(directory: &TempDir, clock: &Clock) -> Ledger {
    let path = directory.path().join("ledger.db");
    Ledger::open(Store::Sqlite { path }, clock.clone()).await.expect("the ledger can be opened")
}

/// Creates a dispatcher that may connect to 127.0.0.1 only.
fn new_dispatcher(ledger: &Ledger, directory: &TempDir) -> Dispatcher {
    let policy = AddressPolicy::allowing(vec!["127.0.0.1/32".parse().expect("the text is a network")]);
    let net = Net::new(NetSettings { policy, ..NetSettings::default() }).expect("no CA file can be invalid");
    let settings = DispatcherSettings {
        concurrency: 16,
        retry_concurrency: 8,
        deadline: Duration::from_secs(10),
        response_max_bytes: 16 * 1024,
        lease_ms: LEASE_MS,
        schedule: Schedule::default(),
    };
    let seal = Seal::open(&directory.path().join("seal.key")).expect("the directory is writable");
    Dispatcher::new(ledger.clone(), net, seal, settings)
}

fn next_due_ms(record: &WebhookRecord) -> Option<i64> {
    record.next_attempt.map(|next| next.due_ms)
}

fn outcomes(record: &WebhookRecord) -> Vec<Outcome> {
    record.attempts.iter().map(|recorded| recorded.attempt.outcome).collect()
}

/// Checks the signature of a received webhook as a receiver does. Returns the signed timestamp, in seconds
/// since 1970.
fn check_signature(request: &ReceivedRequest, now_ms: i64) -> i64 {
    let header = |name| request.header(name).unwrap_or_else(|| panic!("the request has no header {name}"));
    let headers = SignedHeaders {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
    };
    let key = SigningKey::parse(SECRET).expect("the text is a secret");
    assert_eq!(verify(&key, headers, &request.body, now_ms / 1_000, 0), Ok(()));
    headers.timestamp.parse().expect("the timestamp is a number")
}

#[tokio::test]
async fn a_webhook_arrives_with_its_headers_its_signature_and_its_payload() {
    let receiver =
        ScriptedReceiver::start(vec![respond("HTTP/1.1 202 Accepted\r\ncontent-length: 6\r\n\r\nthanks")]);
    let harness = DeliveryHarness::open().await;
    let mut url = receiver.url("/hook?x=1");
    url.set_username("user").unwrap();
    url.set_password(Some("pa:ss")).unwrap();
    let custom_headers = [("X-Mine", "yes"), ("Webhook-Id", "forged"), ("User-Agent", "forged")];
    let custom_headers = custom_headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let id = harness.accept_with(&url, |webhook| webhook.headers = custom_headers.to_vec()).await;
    assert_eq!(harness.step().await, 1);

    let [request] = <[_; 1]>::try_from(receiver.requests()).unwrap();
    assert_eq!(request.request_line, "POST /hook?x=1 HTTP/1.1");
    assert_eq!(request.body, PAYLOAD.as_bytes());
    for (name, expected) in [
        ("content-type", "application/json"),
        ("user-agent", "Pixaven/1.0 (+webhooks)"),
        ("webhook-id", id.to_string().as_str()),
        ("webhook-attempt", "1"),
        ("authorization", "Basic dXNlcjpwYTpzcw=="),
        ("x-mine", "yes"),
    ] {
        assert_eq!(request.header(name), Some(expected));
    }
    assert_eq!(check_signature(&request, START_MS), START_MS / 1_000);

    let record = harness.record(id).await;
    assert_eq!((record.status, record.delivered_ms), (WebhookStatus::Delivered, Some(START_MS)));
    let [recorded] = &record.attempts[..] else {
        panic!("one attempt is expected, got {:?}", record.attempts)
    };
    assert_eq!((recorded.number, recorded.attempt.started_ms), (1, START_MS));
    assert_eq!((recorded.attempt.outcome, recorded.attempt.status), (Outcome::Delivered, Some(202)));
    assert_eq!(recorded.attempt.address, Some(receiver.address.to_string()));
    assert_eq!(recorded.attempt.response.as_deref(), Some("thanks"));
    assert!(
        recorded.attempt.timings.connect_ms.is_some() && recorded.attempt.timings.first_byte_ms.is_some()
    );
    assert_eq!(harness.step().await, 0, "a delivered webhook is not sent again");
}

#[tokio::test]
async fn a_webhook_is_not_sent_before_its_delay_ends() {
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let harness = DeliveryHarness::open().await;
    let id = harness.accept_with(&receiver.url("/"), |webhook| webhook.delay_ms = 7 * DAY_MS).await;
    harness.clock.advance(7 * DAY_MS - 1);
    assert_eq!(harness.step().await, 0);
    assert_eq!(receiver.n_connections(), 0);
    harness.clock.advance(1);
    assert_eq!(harness.step().await, 1);
    assert_eq!(harness.record(id).await.status, WebhookStatus::Delivered);
}

#[tokio::test]
async fn a_hanging_receiver_does_not_delay_another_receiver() {
    let hanging = ScriptedReceiver::start(vec![vec![Action::ReadRequest, Action::Hang]]);
    let healthy = ScriptedReceiver::start(vec![respond_status(200)]);
    let harness = DeliveryHarness::open().await;
    for _ in 0..100 {
        harness.accept(&hanging.url("/")).await;
    }
    let tasks = harness.run();
    hanging.wait_for_requests(8).await;
    for n in 1..=20 {
        harness.accept(&healthy.url("/")).await;
        healthy.wait_for_requests(n).await;
    }
    assert_eq!(
        hanging.n_connections(),
        8,
        "a receiver gets at most as many connections as the concurrency limit"
    );
    assert!(tasks.stop(Duration::ZERO).await);
}
