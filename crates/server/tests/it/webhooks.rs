//! Delivery from the ledger to a receiver: the real driver, the real SQLite, a clock that only the test moves.

use std::time::Duration;

use pixaven::delivery::signing::{SignedHeaders, SigningKey, verify};
use pixaven::delivery::{Dispatcher, DispatcherSettings};
use pixaven::runtime::lifecycle::Tasks;
use pixaven_ledger::schedule::Schedule;
use pixaven_ledger::{
    Account, Clock, DueReason, FailureReason, InputRef, JobOutcome, Ledger, NewKey, NewRequest, NewWebhook,
    Outcome, Store, UsageDelta, WebhookRecord, WebhookStatus,
};
use pixaven_net::{AddressPolicy, Net, NetSettings};
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::request::ReceivedRequest;
use pixaven_testkit::script::{Action, respond, respond_status};
use tempfile::TempDir;
use uuid::Uuid;

/// 2026-01-10T11:57:04.322Z
const START_MS: i64 = 1_768_046_224_322;
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// With what a careless serialiser would change: order, spaces, escapes, a number's form.
const PAYLOAD: &str = r#"{"success":true, "id":"ü","code":200.0,"a":"<\/a>"}"#;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// A ledger with one account, and a driver on it.
struct Desk {
    ledger: Ledger,
    clock: Clock,
    account: Account,
    dispatcher: Dispatcher,
    directory: TempDir,
}

impl Desk {
    async fn open() -> Self {
        Self::with_secret(SECRET).await
    }

    async fn with_secret(secret: &str) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let clock = Clock::manual(START_MS);
        let ledger = open_ledger(&directory, &clock).await;
        let key = NewKey {
            sha256: [7; 32],
            prefix: "pxv_test".to_owned(),
            label: "test".to_owned(),
            webhook_secret: secret.to_owned(),
        };
        let key = ledger.create_key(key).await.expect("the first key");
        let account =
            ledger.account(key.account).await.expect("the ledger answers").expect("the key made it");
        Self { dispatcher: driver(&ledger), ledger, clock, account, directory }
    }

    /// Ends the process as a crash would, without a word to anybody, and starts the next one.
    async fn crash(self) -> Self {
        let Self { clock, account, directory, ledger, dispatcher } = self;
        drop((ledger, dispatcher));
        let ledger = open_ledger(&directory, &clock).await;
        ledger.recover().await.expect("the ledger recovers");
        Self { dispatcher: driver(&ledger), ledger, clock, account, directory }
    }

    /// Accepts a request and ends its job now: its webhook is on its way.
    async fn accept(&self, url: &url::Url, change: impl FnOnce(&mut NewWebhook)) -> Uuid {
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
            .expect("the ledger accepts");
        let [job] = <[_; 1]>::try_from(self.ledger.claim_jobs(1, 60_000).await.expect("the ledger answers"))
            .expect("one job");
        let usage = UsageDelta { requests: 1, input_bytes: 1, output_bytes: 1 };
        let done = JobOutcome { payload: PAYLOAD.to_owned(), usage, result: None };
        self.ledger.finish_job(job, done).await.expect("the job is ours");
        id
    }

    async fn accept_plain(&self, url: &url::Url) -> Uuid {
        self.accept(url, |_| {}).await
    }

    async fn step(&self) -> usize {
        self.dispatcher.step().await.expect("the ledger answers")
    }

    async fn record(&self, id: Uuid) -> WebhookRecord {
        self.ledger.webhook(self.account.id, id).await.expect("the ledger answers").expect("it was accepted")
    }

    /// Lets the driver run as in a server.
    fn run(&self) -> Tasks {
        let tasks = Tasks::new();
        tasks.spawn("webhooks", self.dispatcher.clone().run(tasks.clone()));
        tasks
    }
}

async fn open_ledger(directory: &TempDir, clock: &Clock) -> Ledger {
    let path = directory.path().join("ledger.db");
    Ledger::open(Store::Sqlite { path }, clock.clone()).await.expect("a ledger")
}

fn driver(ledger: &Ledger) -> Dispatcher {
    let policy = AddressPolicy::allowing(vec!["127.0.0.1/32".parse().expect("a network")]);
    let net = Net::new(NetSettings { policy, ..NetSettings::default() }).expect("no file to fail on");
    let settings = DispatcherSettings {
        concurrency: 16,
        retry_concurrency: 8,
        deadline: Duration::from_secs(10),
        response_max_bytes: 16 * 1024,
        lease_ms: 30_000,
        schedule: Schedule::default(),
    };
    Dispatcher::new(ledger.clone(), net, settings)
}

fn next_due_ms(record: &WebhookRecord) -> Option<i64> {
    record.next_attempt.map(|next| next.due_ms)
}

fn outcomes(record: &WebhookRecord) -> Vec<Outcome> {
    record.attempts.iter().map(|recorded| recorded.attempt.outcome).collect()
}

/// Checks the signature as a receiver would; returns the timestamp.
fn check_signature(request: &ReceivedRequest, now_ms: i64) -> i64 {
    let header = |name| request.header(name).unwrap_or_else(|| panic!("{name} is there"));
    let headers = SignedHeaders {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
    };
    let key = SigningKey::parse(SECRET).expect("a secret");
    assert_eq!(verify(&key, headers, &request.body, now_ms / 1_000, 0), Ok(()));
    headers.timestamp.parse().expect("a number")
}

#[tokio::test]
async fn a_webhook_arrives_as_the_contract_says() {
    let receiver =
        ScriptedReceiver::start(vec![respond("HTTP/1.1 202 Accepted\r\ncontent-length: 6\r\n\r\nthanks")]);
    let desk = Desk::open().await;
    let mut url = receiver.url("/hook?x=1");
    url.set_username("user").unwrap();
    url.set_password(Some("pa:ss")).unwrap();
    let own = [("X-Mine", "yes"), ("Webhook-Id", "forged"), ("User-Agent", "forged")];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let id = desk.accept(&url, |webhook| webhook.headers = own.to_vec()).await;
    assert_eq!(desk.step().await, 1);

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

    let record = desk.record(id).await;
    assert_eq!((record.status, record.delivered_ms), (WebhookStatus::Delivered, Some(START_MS)));
    let [recorded] = &record.attempts[..] else { panic!("one attempt, got {:?}", record.attempts) };
    assert_eq!((recorded.number, recorded.attempt.started_ms), (1, START_MS));
    assert_eq!((recorded.attempt.outcome, recorded.attempt.status), (Outcome::Delivered, Some(202)));
    assert_eq!(recorded.attempt.address, Some(receiver.address.to_string()));
    assert_eq!(recorded.attempt.response.as_deref(), Some("thanks"));
    assert!(
        recorded.attempt.timings.connect_ms.is_some() && recorded.attempt.timings.first_byte_ms.is_some()
    );
    assert_eq!(desk.step().await, 0, "delivered once");
}

#[tokio::test]
async fn a_delay_is_kept() {
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let desk = Desk::open().await;
    let id = desk.accept(&receiver.url("/"), |webhook| webhook.delay_ms = 7 * DAY_MS).await;
    desk.clock.advance(7 * DAY_MS - 1);
    assert_eq!(desk.step().await, 0);
    assert_eq!(receiver.n_connections(), 0);
    desk.clock.advance(1);
    assert_eq!(desk.step().await, 1);
    assert_eq!(desk.record(id).await.status, WebhookStatus::Delivered);
}

#[tokio::test]
async fn failures_are_followed_by_the_same_bytes() {
    let receiver =
        ScriptedReceiver::start(vec![respond_status(500), vec![Action::ReadRequest], respond_status(200)]);
    let desk = Desk::open().await;
    let id = desk.accept_plain(&receiver.url("/")).await;
    let mut timestamps = Vec::new();
    for (attempt, pause_ms, jitter_ms) in [(1, 0, 0), (2, 5_000, 0), (3, 300_000, 60_000)] {
        if attempt > 1 {
            desk.clock.advance(pause_ms - jitter_ms - 1);
            assert_eq!(desk.step().await, 0, "attempt {attempt} is not early");
            desk.clock.advance(2 * jitter_ms + 1);
        }
        assert_eq!(desk.step().await, 1, "attempt {attempt} is not late");
        let request = receiver.requests().pop().unwrap();
        timestamps.push(check_signature(&request, desk.clock.now_ms()));
        assert_eq!(request.header("webhook-attempt"), Some(attempt.to_string().as_str()));
        assert_eq!(request.header("webhook-id"), Some(id.to_string().as_str()));
        assert_eq!(request.body, PAYLOAD.as_bytes());
    }
    assert!(timestamps.is_sorted_by(|earlier, later| earlier < later), "each attempt is signed anew");
    let record = desk.record(id).await;
    assert_eq!(record.status, WebhookStatus::Delivered);
    assert_eq!(outcomes(&record), [Outcome::Rejected, Outcome::Protocol, Outcome::Delivered]);
}

#[tokio::test]
async fn ten_failures_are_the_end() {
    let receiver = ScriptedReceiver::start(vec![respond_status(503)]);
    let desk = Desk::open().await;
    let id = desk.accept_plain(&receiver.url("/")).await;
    for _ in 0..10 {
        assert_eq!(desk.step().await, 1);
        desk.clock.advance(2 * DAY_MS);
    }
    assert_eq!(desk.step().await, 0);
    assert_eq!(receiver.requests().len(), 10);
    let record = desk.record(id).await;
    assert_eq!(
        (record.status, record.failure.map(FailureReason::as_str)),
        (WebhookStatus::Failed, Some("retries_exhausted"))
    );
    assert_eq!(outcomes(&record), [Outcome::Rejected; 10]);
}

#[tokio::test]
async fn what_ends_a_webhook_early_is_said() {
    let desk = Desk::open().await;
    for (name, script, retry, expires_ms, expected) in [
        ("gone", respond_status(410), true, None, "gone"),
        ("one attempt only", respond_status(500), false, None, "retry_disabled"),
        ("no time for another attempt", respond_status(500), true, Some(5_000), "expired"),
    ] {
        let receiver = ScriptedReceiver::start(vec![script]);
        let change = |webhook: &mut NewWebhook| (webhook.retry, webhook.expires_ms) = (retry, expires_ms);
        let id = desk.accept(&receiver.url("/"), change).await;
        assert_eq!(desk.step().await, 1, "{name}");
        let record = desk.record(id).await;
        assert_eq!(
            (record.status, record.failure.map(FailureReason::as_str)),
            (WebhookStatus::Failed, Some(expected)),
            "{name}"
        );
        assert_eq!(outcomes(&record), [Outcome::Rejected], "{name}");
    }
}

#[tokio::test]
async fn what_expired_while_nobody_could_send_it_is_not_sent() {
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let desk = Desk::open().await;
    let id = desk.accept(&receiver.url("/"), |webhook| webhook.expires_ms = Some(60_000)).await;
    desk.clock.advance(60_000);
    assert_eq!(desk.step().await, 0);
    let record = desk.record(id).await;
    assert_eq!(
        (record.status, record.failure.map(FailureReason::as_str)),
        (WebhookStatus::Failed, Some("expired"))
    );
    assert_eq!((receiver.n_connections(), record.attempts.len()), (0, 0));
}

#[tokio::test]
async fn a_receiver_can_ask_to_be_left_alone() {
    let desk = Desk::open().await;
    for (retry_after, expected_ms) in
        [("60", 60_000), ("Sat, 10 Jan 2026 11:58:04 GMT", 59_678), ("soon", 5_000)]
    {
        let head = format!("HTTP/1.1 429 Busy\r\nretry-after: {retry_after}\r\ncontent-length: 0\r\n\r\n");
        let receiver = ScriptedReceiver::start(vec![respond(head)]);
        let id = desk.accept_plain(&receiver.url("/")).await;
        assert_eq!(desk.step().await, 1);
        let record = desk.record(id).await;
        assert_eq!(record.status, WebhookStatus::Scheduled);
        assert_eq!(next_due_ms(&record), Some(START_MS + expected_ms), "{retry_after}");
    }
}

#[tokio::test]
async fn a_receiver_that_asks_for_less_than_the_pause_is_not_why_it_waits() {
    let desk = Desk::open().await;
    for (retry_after, expected_ms, why) in
        [(4, 5_000, DueReason::Retry), (5, 5_000, DueReason::RetryAfter), (6, 6_000, DueReason::RetryAfter)]
    {
        let head = format!("HTTP/1.1 429 Busy\r\nretry-after: {retry_after}\r\ncontent-length: 0\r\n\r\n");
        let receiver = ScriptedReceiver::start(vec![respond(head)]);
        let id = desk.accept_plain(&receiver.url("/")).await;
        assert_eq!(desk.step().await, 1);
        let next = desk.record(id).await.next_attempt.expect("it waits");
        assert_eq!((next.due_ms, next.due_reason), (START_MS + expected_ms, why), "{retry_after}");
    }
}

#[tokio::test]
async fn addresses_that_may_not_be_reached_are_an_outcome() {
    let receiver = ScriptedReceiver::start_on("127.0.0.2:0", vec![respond_status(200)]);
    let desk = Desk::open().await;
    let id = desk.accept_plain(&receiver.url("/")).await;
    assert_eq!(desk.step().await, 1);
    let record = desk.record(id).await;
    assert_eq!((record.status, outcomes(&record)), (WebhookStatus::Scheduled, vec![Outcome::BlockedAddress]));
    assert_eq!(receiver.n_connections(), 0);
}

#[tokio::test]
async fn trouble_of_our_own_uses_up_no_attempt() {
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let desk = Desk::with_secret("not a secret").await;
    let id = desk.accept_plain(&receiver.url("/")).await;
    assert_eq!(desk.step().await, 1);
    let record = desk.record(id).await;
    assert_eq!((record.status, next_due_ms(&record)), (WebhookStatus::Scheduled, Some(START_MS + 5_000)));
    assert_eq!((receiver.n_connections(), record.attempts.len()), (0, 0), "nothing goes out unsigned");
}

#[tokio::test]
async fn an_attempt_cut_off_by_a_crash_is_shown_and_made_again() {
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let desk = Desk::open().await;
    let id = desk.accept_plain(&receiver.url("/")).await;
    let cut_off = desk.ledger.claim_webhooks(1, 30_000).await.unwrap();
    assert_eq!(cut_off.len(), 1);
    desk.clock.advance(1_000);
    let desk = desk.crash().await;
    assert_eq!(desk.step().await, 1);
    let record = desk.record(id).await;
    assert_eq!(record.status, WebhookStatus::Delivered);
    assert_eq!(outcomes(&record), [Outcome::Interrupted, Outcome::Delivered]);
    assert_eq!(receiver.requests()[0].header("webhook-attempt"), Some("2"));
    assert_eq!(receiver.requests()[0].body, PAYLOAD.as_bytes());
}

#[tokio::test]
async fn a_running_driver_sends_at_once_and_stops_when_told() {
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let desk = Desk::open().await;
    let tasks = desk.run();
    let mut expected = Vec::new();
    for n_accepted in 1..=40 {
        expected.push(desk.accept_plain(&receiver.url("/")).await.to_string());
        if n_accepted % 10 == 0 {
            receiver.wait_for_requests(n_accepted).await;
        }
    }
    assert!(tasks.stop(Duration::from_secs(10)).await);
    let mut ids: Vec<_> =
        receiver.requests().iter().map(|request| request.header("webhook-id").unwrap().to_owned()).collect();
    ids.sort();
    expected.sort();
    assert_eq!(ids, expected, "each exactly once");
    let late = desk.accept_plain(&receiver.url("/")).await;
    assert_eq!(desk.record(late).await.status, WebhookStatus::Scheduled, "nobody sends any more");
}

#[tokio::test]
async fn a_receiver_that_hangs_delays_nobody_else() {
    let hanging = ScriptedReceiver::start(vec![vec![Action::ReadRequest, Action::Hang]]);
    let healthy = ScriptedReceiver::start(vec![respond_status(200)]);
    let desk = Desk::open().await;
    for _ in 0..100 {
        desk.accept_plain(&hanging.url("/")).await;
    }
    let tasks = desk.run();
    hanging.wait_for_requests(8).await;
    for n in 1..=20 {
        desk.accept_plain(&healthy.url("/")).await;
        healthy.wait_for_requests(n).await;
    }
    assert_eq!(hanging.n_connections(), 8, "no more than one receiver gets at once");
    assert!(tasks.stop(Duration::ZERO).await);
}

#[tokio::test]
async fn a_dead_receiver_is_probed_and_a_living_one_gets_everything() {
    let receiver =
        ScriptedReceiver::start([vec![respond_status(503); 8], vec![respond_status(200)]].concat());
    let desk = Desk::open().await;
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(desk.accept(&receiver.url("/"), |webhook| webhook.expires_ms = Some(60_000)).await);
    }
    assert_eq!(desk.step().await, 8);
    assert_eq!(desk.step().await, 0, "failures in a row opened the breaker");
    desk.clock.advance(5_000);
    let mut n_sent = 8;
    while n_sent < 12 + 8 {
        let n = desk.step().await;
        assert!(n > 0, "after {n_sent}");
        n_sent += n;
    }
    for id in ids {
        assert_eq!(desk.record(id).await.status, WebhookStatus::Delivered);
    }
}

#[tokio::test]
async fn an_attempt_cut_off_does_not_use_up_the_schedule() {
    let receiver = ScriptedReceiver::start(vec![respond_status(500)]);
    let mut desk = Desk::open().await;
    let id = desk.accept(&receiver.url("/"), |webhook| webhook.retry = false).await;
    for _ in 0..3 {
        assert_eq!(desk.ledger.claim_webhooks(1, 30_000).await.unwrap().len(), 1);
        desk = desk.crash().await;
    }
    assert_eq!(desk.step().await, 1);
    let record = desk.record(id).await;
    assert_eq!(record.failure.map(FailureReason::as_str), Some("retry_disabled"));
    let [cut_off @ .., last] = &outcomes(&record)[..] else { panic!("there are attempts") };
    assert_eq!((cut_off, last), (&[Outcome::Interrupted; 3][..], &Outcome::Rejected));
}

#[tokio::test]
async fn a_jump_of_the_clock_sends_nothing_twice_at_once() {
    let receiver = ScriptedReceiver::start(vec![
        vec![Action::ReadRequest, Action::Drip(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec())],
        respond_status(200),
    ]);
    let desk = Desk::open().await;
    let id = desk.accept_plain(&receiver.url("/")).await;
    let ((), first) = tokio::join!(
        async {
            receiver.wait_for_requests(1).await;
            desk.clock.advance(60 * DAY_MS);
            assert_eq!(desk.step().await, 1, "its lease is over, and it is put back");
            assert_eq!(receiver.n_connections(), 1);
        },
        desk.step()
    );
    assert_eq!(first, 1);
    assert_eq!(outcomes(&desk.record(id).await), [Outcome::Delivered], "what the late one saw is kept");
    desk.clock.advance(5_000);
    assert_eq!(desk.step().await, 1);
    assert_eq!(desk.record(id).await.status, WebhookStatus::Delivered);
}

#[tokio::test]
async fn a_stop_waits_for_what_is_being_sent() {
    let receiver = ScriptedReceiver::start(vec![vec![
        Action::ReadRequest,
        Action::Drip(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()),
    ]]);
    let desk = Desk::open().await;
    let tasks = desk.run();
    let id = desk.accept_plain(&receiver.url("/")).await;
    receiver.wait_for_requests(1).await;
    assert!(tasks.stop(Duration::from_secs(30)).await);
    assert_eq!(outcomes(&desk.record(id).await), [Outcome::Delivered]);
}

#[tokio::test]
async fn a_stop_without_patience_shows_the_attempt_as_interrupted() {
    let receiver = ScriptedReceiver::start(vec![vec![Action::ReadRequest, Action::Hang]]);
    let desk = Desk::open().await;
    let tasks = desk.run();
    let id = desk.accept_plain(&receiver.url("/")).await;
    receiver.wait_for_requests(1).await;
    assert!(tasks.stop(Duration::ZERO).await);
    let record = desk.record(id).await;
    assert_eq!((record.status, next_due_ms(&record)), (WebhookStatus::Scheduled, Some(START_MS)));
    assert_eq!(outcomes(&record), [Outcome::Interrupted]);
}
