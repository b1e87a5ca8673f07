//! The listening thread of a process. When another process commits work that is due at once, this thread wakes the
//! drivers of this process. The notifications are only hints: a lost one delays work by at most a second, because
//! the drivers claim at least once per second.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Builder;
use tokio_postgres::{AsyncMessage, Connection, NoTls};

use super::url::Server;
use crate::clock::Clock;
use crate::due_signal::{DueTimes, DueUpdate, Queue};
use crate::error::Error;
use crate::sql::database::{Shared, spawn};

/// The name of the notifications.
const CHANNEL: &str = "pixaven_due";

/// The pause after a connection was lost or could not be opened.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

/// The SQL text of a notification about due work, with a semicolon at its end.
pub(super) fn notify(queue: Queue) -> &'static str {
    match queue {
        Queue::Jobs => "NOTIFY pixaven_due, 'jobs';",
        Queue::Webhooks => "NOTIFY pixaven_due, 'webhooks';",
    }
}

/// Starts the listening thread. The thread ends when the database is closed.
pub(super) fn start(
    server: Arc<Server>,
    clock: Clock,
    due_times: Arc<DueTimes>,
    shared: &Shared,
) -> Result<(), Error> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::Database(Box::new(error)))?;
    let mut is_closed = shared.is_closed.subscribe();
    spawn("ledger-listener", move || {
        runtime.block_on(async {
            while !*is_closed.borrow() {
                let listening = listen(&server, &clock, &due_times);
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
async fn listen(server: &Server, clock: &Clock, due_times: &DueTimes) -> Result<(), tokio_postgres::Error> {
    match server.tls.clone() {
        Some(tls) => {
            let (client, connection) = server.config.connect(tls).await?;
            receive(&client, connection, clock, due_times).await
        }
        None => {
            let (client, connection) = server.config.connect(NoTls).await?;
            receive(&client, connection, clock, due_times).await
        }
    }
}

async fn receive<S, T>(
    client: &tokio_postgres::Client,
    mut connection: Connection<S, T>,
    clock: &Clock,
    due_times: &DueTimes,
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
                    let queue = if due.payload() == "jobs" { Queue::Jobs } else { Queue::Webhooks };
                    due_times.apply(queue, DueUpdate::WorkDueAt(clock.now_ms()));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            },
        }
    }
}
