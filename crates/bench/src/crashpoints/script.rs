//! What is asked of each server, always the same: twenty steps in bursts of four, images behind a URL and images in the
//! request, with webhooks, a few of them later, and without; two of them named and asked again, one sent again. What is
//! uploaded is large enough for files of its own, it and its result; what is fetched is small.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::StatusCode;
use serde_json::json;
use uuid::Uuid;

use crate::api::{Answer, Api};

/// How long a webhook may take until its delivery is written down.
const PATIENCE: Duration = Duration::from_secs(20);

/// One thing to ask.
enum Step {
    Ask(Ask),
    /// The webhook of the first accepted request that is sent at once, sent again.
    Resend,
}

/// One image to process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask {
    is_upload: bool,
    /// Seconds before the webhook; without, the answer is waited for.
    delay_s: Option<u32>,
    /// The `Idempotency-Key`.
    name: Option<&'static str>,
}

const fn ask(is_upload: bool, delay_s: Option<u32>) -> Step {
    Step::Ask(Ask { is_upload, delay_s, name: None })
}

const fn named(is_upload: bool, delay_s: Option<u32>, name: &'static str) -> Step {
    Step::Ask(Ask { is_upload, delay_s, name: Some(name) })
}

const FETCH: bool = false;
const UPLOAD: bool = true;

static SCRIPT: [[Step; 4]; 5] = [
    [ask(FETCH, Some(0)), ask(UPLOAD, Some(0)), ask(FETCH, Some(1)), ask(UPLOAD, None)],
    [named(UPLOAD, Some(0), "accepted"), ask(FETCH, None), ask(UPLOAD, Some(1)), ask(FETCH, Some(0))],
    [named(UPLOAD, Some(0), "accepted"), named(FETCH, None, "answered"), ask(UPLOAD, Some(0)), Step::Resend],
    [named(FETCH, None, "answered"), ask(UPLOAD, None), ask(FETCH, Some(0)), ask(UPLOAD, Some(0))],
    [ask(FETCH, Some(0)), ask(UPLOAD, Some(0)), ask(FETCH, Some(0)), ask(UPLOAD, Some(0))],
];

/// What the script is about.
pub(super) struct Subject {
    /// What is uploaded.
    pub(super) image: Bytes,
    /// What is fetched.
    pub(super) image_url: String,
    pub(super) webhook_url: String,
}

/// All that a server has said before it died, and so has to keep.
#[derive(Default)]
pub(super) struct Told {
    /// Requests with a webhook whose 202 was read, and when.
    pub(super) accepted: HashMap<Uuid, Instant>,
    /// Paths of results, and their bytes.
    pub(super) results: Vec<(String, usize)>,
    /// What was asked under a name, and the id of its answer.
    pub(super) named: HashMap<&'static str, (Ask, Uuid)>,
    /// What was promised to be sent again, and when that was asked for.
    pub(super) resent: Option<(Uuid, Instant)>,
    /// Requests whose answer was not read.
    pub(super) n_cut: usize,
    /// Answers that should not have been given.
    pub(super) odd: Vec<String>,
}

/// What one step came to.
enum Event {
    Asked(Ask, Answer, Instant),
    Resent(Uuid, Instant),
    Odd(String),
    Cut,
}

impl Told {
    /// Asks everything of the script, up to the burst in which an answer is cut off.
    pub(super) async fn by(api: &Api, subject: &Subject) -> Self {
        let mut told = Self::default();
        for [a, b, c, d] in &SCRIPT {
            let first = told.accepted.iter().min_by_key(|(_, at)| **at).map(|(id, _)| *id);
            let events = tokio::join!(
                step(api, subject, a, first),
                step(api, subject, b, first),
                step(api, subject, c, first),
                step(api, subject, d, first)
            );
            for event in <[Event; 4]>::from(events) {
                told.add(event);
            }
            if told.n_cut > 0 {
                break;
            }
        }
        told
    }

    fn add(&mut self, event: Event) {
        match event {
            Event::Cut => self.n_cut += 1,
            Event::Odd(why) => self.odd.push(why),
            Event::Resent(id, at) => self.resent = Some((id, at)),
            Event::Asked(ask, answer, at) => {
                if let Err(why) = self.add_answer(ask, &answer, at) {
                    self.odd.push(format!("{why}: {} {}", answer.status, answer.json));
                }
            }
        }
    }

    fn add_answer(&mut self, ask: Ask, answer: &Answer, at: Instant) -> Result<(), &'static str> {
        let id = answer.id().ok_or("an answer without an id")?;
        if answer.status != ask.status() {
            return Err("an odd status");
        }
        if ask.delay_s.is_some() {
            self.accepted.entry(id).or_insert(at);
        } else {
            self.results.push(result(answer).ok_or("an answer without a result")?);
        }
        if let Some(name) = ask.name {
            let (_, first) = self.named.entry(name).or_insert((ask, id));
            if *first != id {
                return Err("another id under the same name");
            }
        }
        Ok(())
    }
}

impl Ask {
    fn status(&self) -> StatusCode {
        if self.delay_s.is_some() { StatusCode::ACCEPTED } else { StatusCode::OK }
    }

    /// Asks for it.
    pub(super) async fn put(&self, api: &Api, subject: &Subject) -> anyhow::Result<Answer> {
        let mut data = json!({});
        if let Some(delay) = self.delay_s {
            data["webhook"] = json!({ "url": subject.webhook_url, "delay": delay });
        }
        if !self.is_upload {
            data["url"] = json!(subject.image_url);
        }
        api.process(&data, self.is_upload.then_some(&subject.image), self.name).await
    }
}

async fn step(api: &Api, subject: &Subject, step: &Step, first: Option<Uuid>) -> Event {
    match (step, first) {
        (Step::Ask(ask), _) => match ask.put(api, subject).await {
            Ok(answer) => Event::Asked(*ask, answer, Instant::now()),
            Err(_dead) => Event::Cut,
        },
        (Step::Resend, Some(id)) => resend(api, id).await,
        (Step::Resend, None) => Event::Odd("nothing was accepted".to_owned()),
    }
}

/// Sends a webhook again once it is known to be delivered.
async fn resend(api: &Api, id: Uuid) -> Event {
    let end = Instant::now() + PATIENCE;
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    loop {
        ticks.tick().await;
        let Ok(answer) = api.get(&format!("/1.0/webhooks/{id}")).await else { return Event::Cut };
        if answer.json["webhook"]["status"] == "delivered" {
            break;
        }
        if Instant::now() > end {
            return Event::Odd(format!("not delivered in time: {}", answer.json));
        }
    }
    let at = Instant::now();
    match api.post(&format!("/1.0/webhooks/{id}/resend")).await {
        Ok(answer) if answer.status == StatusCode::OK => Event::Resent(id, at),
        Ok(answer) => Event::Odd(format!("not sent again: {} {}", answer.status, answer.json)),
        Err(_dead) => Event::Cut,
    }
}

/// Where the result of an answer lies, and how many bytes it has.
fn result(answer: &Answer) -> Option<(String, usize)> {
    let output = &answer.json["output"];
    let url = output["url"].as_str()?.parse::<hyper::Uri>().ok()?;
    Some((url.path().to_owned(), usize::try_from(output["bytes"].as_u64()?).ok()?))
}
