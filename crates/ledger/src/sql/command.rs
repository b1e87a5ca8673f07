//! Runs the commands that work on a whole database, each on a thread of its own.

use tokio::sync::oneshot;

use super::database::spawn;
use crate::error::Error;

/// Runs a function on a new thread, and waits for its result.
pub(crate) async fn in_thread<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let (ended, answer) = oneshot::channel();
    spawn(name, move || drop(ended.send(run())))?;
    answer.await.map_err(|_| Error::Closed)
}
