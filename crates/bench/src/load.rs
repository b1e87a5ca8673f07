//! Open-loop load: requests leave at their scheduled times whatever the answers do, and every wait is counted from
//! the scheduled time. A server that stalls is then seen as slow by everybody who wanted something meanwhile, as it
//! is in life (a client that waits for each answer would politely not ask, and report a fast server).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::StatusCode;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::job::Job;
use crate::loopback::Client;

/// After this an answer is no longer waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What became of all requests.
#[derive(Default)]
pub(crate) struct Answers {
    /// The whole 202 was read: its id, and when that was.
    pub(crate) accepted: HashMap<Uuid, Instant>,
    /// When each of them was to be sent.
    pub(crate) sent_at: Vec<Instant>,
    /// From then to the end of the 202.
    pub(crate) waits: Vec<Duration>,
    /// 503 and 429: the server said that it has too much to do.
    pub(crate) n_refused: usize,
    /// Any other answer; the first one is kept as an example.
    pub(crate) n_rejected: usize,
    pub(crate) first_rejection: Option<String>,
    /// No connection, or one that was cut before the answer was complete.
    pub(crate) n_cut: usize,
}

enum Answer {
    Accepted { id: Uuid, wait: Duration, at: Instant },
    Refused,
    Rejected(String),
    Cut,
}

/// Sends `rate` requests a second until `stop` completes, then waits for the answers still due.
pub(crate) async fn run(
    client: &Arc<Client>,
    job: &Arc<Job>,
    rate: f64,
    stop: impl Future<Output = ()>,
) -> Answers {
    let mut asked = JoinSet::new();
    let mut answers = Answers::default();
    let start = Instant::now();
    let mut stop = std::pin::pin!(stop);
    for n in 0.. {
        let scheduled = start + Duration::from_secs_f64(n as f64 / rate);
        tokio::select! {
            biased;
            () = &mut stop => break,
            () = tokio::time::sleep_until(scheduled.into()) => {}
        }
        asked.spawn(ask(Arc::clone(client), Arc::clone(job), n, scheduled));
        while let Some(answer) = asked.try_join_next() {
            answers.add(answer.unwrap_or(Answer::Cut));
        }
    }
    while let Some(answer) = asked.join_next().await {
        answers.add(answer.unwrap_or(Answer::Cut));
    }
    answers
}

async fn ask(client: Arc<Client>, job: Arc<Job>, n: u64, scheduled: Instant) -> Answer {
    let answer = tokio::time::timeout(PATIENCE, client.send(job.request(n))).await;
    let Ok(Ok((status, body))) = answer else { return Answer::Cut };
    let at = Instant::now();
    match status {
        StatusCode::ACCEPTED => match accepted_id(&body) {
            Some(id) => Answer::Accepted { id, wait: at - scheduled, at },
            None => Answer::Rejected(format!("a 202 without an id: {}", String::from_utf8_lossy(&body))),
        },
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => Answer::Refused,
        _ => Answer::Rejected(format!("{status}: {}", String::from_utf8_lossy(&body))),
    }
}

/// The id in a 202.
fn accepted_id(body: &[u8]) -> Option<Uuid> {
    let json: serde_json::Value = serde_json::from_slice(body).ok()?;
    json["id"].as_str()?.parse().ok()
}

impl Answers {
    fn add(&mut self, answer: Answer) {
        match answer {
            Answer::Accepted { id, wait, at } => {
                self.accepted.insert(id, at);
                self.sent_at.push(at - wait);
                self.waits.push(wait);
            }
            Answer::Refused => self.n_refused += 1,
            Answer::Rejected(why) => {
                self.n_rejected += 1;
                self.first_rejection.get_or_insert(why);
            }
            Answer::Cut => self.n_cut += 1,
        }
    }

    /// Adds those of another load.
    pub(crate) fn extend(&mut self, others: Self) {
        self.accepted.extend(others.accepted);
        self.sent_at.extend(others.sent_at);
        self.waits.extend(others.waits);
        self.n_refused += others.n_refused;
        self.n_rejected += others.n_rejected;
        self.first_rejection = self.first_rejection.take().or(others.first_rejection);
        self.n_cut += others.n_cut;
    }

    /// How many requests were sent.
    pub(crate) fn n_sent(&self) -> usize {
        self.waits.len() + self.n_refused + self.n_rejected + self.n_cut
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::job::{Image, Urls, Way};

    const ID: &str = "9fccf4b5-cfab-4e92-9276-5d2028fcb6a0";

    /// Gives each connection the next of these answers, letter by letter, and closes it.
    async fn answering(answers: Vec<String>) -> (Arc<Client>, Arc<Job>, impl Future<Output = ()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let image = Image::noop().unwrap();
        let urls = Urls { image: "http://origin/".to_owned(), webhook: serde_json::json!({}) };
        let job = Job::new(address, "pxv_key", Way::Fetch, &image, &urls);
        let serve = async move {
            for answer in VecDeque::from(answers) {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 65536];
                let n_bytes = stream.read(&mut request).await.unwrap();
                assert!(request[..n_bytes].starts_with(b"POST /1.0/fetch HTTP/1.1"));
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        };
        (Arc::new(Client::new(address)), Arc::new(job), serve)
    }

    #[tokio::test]
    async fn only_a_whole_202_is_an_acceptance() {
        let body = format!(r#"{{"success":true,"code":202,"id":"{ID}"}}"#);
        let answer = |status: &str, n_bytes: usize| {
            format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {n_bytes}\r\n\r\n{body}")
        };
        let answers = vec![
            answer("202 Accepted", body.len()),
            answer("202 Accepted", body.len() + 1),
            answer("503 Service Unavailable", body.len()),
            answer("500 Internal Server Error", body.len()),
            String::new(),
        ];
        let (client, job, serve) = answering(answers).await;
        let answers = run(&client, &job, 1000.0, serve).await;
        assert_eq!(answers.accepted.into_keys().collect::<Vec<_>>(), [ID.parse::<Uuid>().unwrap()]);
        assert_eq!((answers.n_refused, answers.n_rejected), (1, 1));
        assert!(answers.first_rejection.unwrap().starts_with("500 Internal Server Error"));
        // The half 202, the closed connection, and whatever was sent after the listener had gone.
        assert!(answers.n_cut >= 2);
    }
}
