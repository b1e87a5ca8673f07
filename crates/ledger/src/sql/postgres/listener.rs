//! The listening thread of a process. When another process commits work that is due at once, this thread wakes the
//! drivers of this process. The notifications are only hints: a lost one delays work by at most a second, because
//! the drivers claim at least once per second.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Builder;
use tokio_postgres::{AsyncMessage, Connection, NoTls};

use uuid::Uuid;

use super::url::Server;
use crate::clock::Clock;
use crate::due_signal::{DueTimes, DueUpdate, Queue};
use crate::error::Error;
use crate::sql::database::{Shared, spawn};

/// The name of the notifications.
const CHANNEL: &str = "pixaven_due";

/// The pause after a connection was lost or could not be opened.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

/// The SQL text of a notification about due work, with a semicolon at its end. `sender` is the writer that sends
/// it.
pub(super) fn notify(queue: Queue, sender: Uuid) -> String {
    format!("NOTIFY {CHANNEL}, '{} {sender}';", word(queue))
}

fn word(queue: Queue) -> &'static str {
    match queue {
        Queue::Jobs => "jobs",
        Queue::Webhooks => "webhooks",
    }
}

/// Returns the queue that a notification of another process is about.
fn queue_of(payload: &str, own: Uuid) -> Option<Queue> {
    let (about, sender) = payload.split_once(' ')?;
    let is_own = sender == own.to_string();
    [Queue::Jobs, Queue::Webhooks].into_iter().find(|queue| !is_own && word(*queue) == about)
}

/// Where the hints of other processes go.
pub(super) struct Hints {
    pub(super) clock: Clock,
    pub(super) due_times: Arc<DueTimes>,
    /// The writer of this process, whose own notifications are ignored.
    pub(super) own: Uuid,
}

/// Starts the listening thread. The thread ends when the database is closed.
pub(super) fn start(server: Arc<Server>, hints: Hints, shared: &Shared) -> Result<(), Error> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::Database(Box::new(error)))?;
    let mut is_closed = shared.is_closed.subscribe();
    spawn("ledger-listener", move || {
        runtime.block_on(async {
            while !*is_closed.borrow() {
                let listening = listen(&server, &hints);
                tokio::select! {
                    // The result is ignored: the thread connects again in any case.
                    _ = listening => {}
                    _ = is_closed.wait_for(|is_closed| *is_closed) => return,
                }
                tokio::select! {
                    () = tokio::time::sleep(RECONNECT_PAUSE) => {}
                    _ = is_closed.wait_for(|is_closed| *is_closed) => return,
                }
            }
        });
    })
}

/// Connects and receives notifications until the connection ends.
async fn listen(server: &Server, hints: &Hints) -> Result<(), tokio_postgres::Error> {
    match server.tls.clone() {
        Some(tls) => {
            let (client, connection) = server.config.connect(tls).await?;
            receive(&client, connection, hints).await
        }
        None => {
            let (client, connection) = server.config.connect(NoTls).await?;
            receive(&client, connection, hints).await
        }
    }
}

async fn receive<S, T>(
    client: &tokio_postgres::Client,
    mut connection: Connection<S, T>,
    hints: &Hints,
) -> Result<(), tokio_postgres::Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let listen = client.batch_execute("LISTEN pixaven_due");
    let mut listen = std::pin::pin!(listen);
    let mut is_listening = false;
    loop {
        tokio::select! {
            listening = &mut listen, if !is_listening => {
                listening?;
                is_listening = true;
            }
            message = poll_fn(|context| connection.poll_message(context)) => match message {
                Some(Ok(AsyncMessage::Notification(due))) if due.channel() == CHANNEL => {
                    if let Some(queue) = queue_of(due.payload(), hints.own) {
                        hints.due_times.apply(queue, DueUpdate::WorkDueAt(hints.clock.now_ms()));
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            },
        }
    }
}
