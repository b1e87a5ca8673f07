//! Lets images wait for workers in the order of the [`Schedule`], and refuses images that would wait too long.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::estimate::{Estimator, Spent, Work};
use super::schedule::{AfterOverrun, Schedule, Start, TicketId};
use crate::work::Caller;
use crate::work::error::WorkError;

/// The factor by which the expected wait of an image may exceed `max_wait` after the bytes of the image were
/// read. The image was admitted by an estimate from its length, and this first estimate is less precise than
/// the second estimate.
const SECOND_CHANCE: f64 = 1.5;

/// The limits of the queue for workers.
#[derive(Debug, Clone, Copy)]
pub struct QueueLimits {
    /// The largest number of interactive requests that may wait for a worker at the same time.
    pub count: usize,
    /// The longest permitted expected wait of an interactive request for a worker.
    pub max_wait: Duration,
}

/// The queue for the workers.
pub(super) struct Scheduler {
    limits: QueueLimits,
    state: Mutex<State>,
}

struct State {
    schedule: Schedule,
    estimator: Estimator,
    /// The waiting images, each with the channel that reports the start of the image.
    waiters: HashMap<TicketId, oneshot::Sender<Start>>,
}

/// A ticket: the place of one image in the queue for workers, from the arrival of the request's head to the
/// end of the processing. Dropping the ticket gives up the place.
pub struct Ticket {
    scheduler: Arc<Scheduler>,
    id: TicketId,
    caller: Caller,
}

impl Scheduler {
    pub(super) fn new(schedule: Schedule, estimator: Estimator, limits: QueueLimits) -> Arc<Self> {
        let state = State { schedule, estimator, waiters: HashMap::new() };
        Arc::new(Self { limits, state: Mutex::new(state) })
    }

    /// Admits an image of `n_bytes` bytes to the queue before the bytes arrive. `None` means that the length
    /// is unknown. A job is always admitted.
    ///
    /// # Errors
    /// [`WorkError::LongQueue`]
    pub(super) fn admit(self: &Arc<Self>, caller: Caller, n_bytes: Option<u64>) -> Result<Ticket, WorkError> {
        let now = Instant::now();
        let mut state = self.state();
        let expected = state.estimator.of_length(n_bytes);
        if caller == Caller::Interactive {
            self.judge(&state, expected, None, self.limits.max_wait)?;
        }
        let id = state.schedule.arrive(caller, expected, now);
        Ok(Ticket { scheduler: Arc::clone(self), id, caller })
    }

    /// Waits until a worker is free for the image whose place in the queue is `ticket`.
    ///
    /// # Errors
    /// [`WorkError::LongQueue`]
    pub(super) async fn turn(&self, ticket: &Ticket, work: &Work) -> Result<Start, WorkError> {
        let waiting = {
            let mut state = self.state();
            let expected = state.estimator.of_work(work);
            if ticket.caller == Caller::Interactive {
                self.judge(&state, expected, Some(ticket.id), self.limits.max_wait.mul_f64(SECOND_CHANCE))?;
            }
            state.schedule.wait(ticket.id, expected);
            state.start_all_after_waiting(ticket.id)
        };
        waiting.await.map_err(WorkError::internal)
    }

    /// Waits until a worker is free for an image that was stopped and waits for the second time.
    pub(super) async fn next_turn(&self, ticket: &Ticket) -> Result<Start, WorkError> {
        let waiting = self.state().start_all_after_waiting(ticket.id);
        waiting.await.map_err(WorkError::internal)
    }

    /// Records that a running light image has used more CPU time than a light image may use.
    pub(super) fn overrun(&self, ticket: &Ticket) -> AfterOverrun {
        let mut state = self.state();
        let after = state.schedule.overrun(ticket.id);
        state.start_all();
        after
    }

    /// Improves the later estimates with the times of an image that was processed.
    pub(super) fn learn(&self, work: &Work, spent: Spent) {
        self.state().estimator.learn(work, spent);
    }

    /// The number of workers that are in use.
    pub(super) fn n_running(&self) -> usize {
        self.state().schedule.n_running()
    }

    /// Refuses an image if the queue is full or the wait is expected to be longer than `max_wait`.
    fn judge(
        &self,
        state: &State,
        expected: Duration,
        ticket: Option<TicketId>,
        max_wait: Duration,
    ) -> Result<(), WorkError> {
        let wait = state.schedule.expected_wait(expected, ticket, Instant::now());
        let wait = state.estimator.elapsed(wait);
        // An image that has a ticket is already counted in the length of the queue, so the image itself is
        // subtracted.
        let n_others = state.schedule.queue_length() - f64::from(u8::from(ticket.is_some()));
        if wait > max_wait || n_others >= self.limits.count as f64 {
            return Err(WorkError::LongQueue { wait });
        }
        Ok(())
    }

    fn leave(&self, id: TicketId) {
        let mut state = self.state();
        state.schedule.leave(id);
        state.waiters.remove(&id);
        state.start_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn start_all_after_waiting(&mut self, id: TicketId) -> oneshot::Receiver<Start> {
        let (start, waiting) = oneshot::channel();
        self.waiters.insert(id, start);
        self.start_all();
        waiting
    }

    /// Starts images as long as workers are free.
    fn start_all(&mut self) {
        let now = Instant::now();
        while let Some(start) = self.schedule.start_next(now) {
            let is_awaited = self.waiters.remove(&start.id).is_some_and(|waiter| waiter.send(start).is_ok());
            if !is_awaited {
                // The caller no longer waits for the image, and drops the ticket of the image soon.
                self.schedule.leave(start.id);
            }
        }
    }
}

impl Ticket {
    /// Who waits for the image.
    pub fn caller(&self) -> Caller {
        self.caller
    }

    /// Gives up the place in the queue after the image was processed.
    pub(super) fn finish(&self) {
        self.scheduler.leave(self.id);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.scheduler.leave(self.id);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;
    use crate::work::sandbox::WorkerInput;

    fn scheduler(count: usize, max_wait_s: u64) -> Arc<Scheduler> {
        let limits = QueueLimits { count, max_wait: Duration::from_secs(max_wait_s) };
        Scheduler::new(Schedule::new(1, 0), Estimator::new(Duration::from_secs(30)), limits)
    }

    fn work(n_bytes: usize) -> Work {
        let input = WorkerInput { image: vec![0; n_bytes].into(), watermark: None };
        Work::of(&input, &pixaven_imaging::Plan::default(), &pixaven_imaging::Limits::default())
    }

    fn admit(scheduler: &Arc<Scheduler>, n_bytes: u64) -> Result<Ticket, WorkError> {
        scheduler.admit(Caller::Interactive, Some(n_bytes))
    }

    #[tokio::test]
    async fn an_interactive_request_is_refused_before_its_body_arrives_if_its_expected_wait_is_too_long() {
        let scheduler = scheduler(100, 10);
        // By the estimate from the length of the file, an image of one megabyte takes about 0.1 s.
        let admitted: Vec<_> = (0..200).map_while(|_| admit(&scheduler, 10 << 20).ok()).collect();
        assert!((9..=12).contains(&admitted.len()), "{}", admitted.len());
        let Err(WorkError::LongQueue { wait }) = admit(&scheduler, 10 << 20) else { panic!("too much work") };
        assert!(wait > Duration::from_secs(10));
        assert!(admit(&scheduler, 1_000).is_ok(), "a shorter image overtakes");
        assert!(scheduler.admit(Caller::Job, Some(10 << 20)).is_ok(), "a job is never refused");
        drop(admitted);
        assert!(admit(&scheduler, 10 << 20).is_ok());
    }

    #[tokio::test]
    async fn a_new_request_is_refused_if_an_image_that_turned_out_to_be_heavy_makes_the_wait_too_long() {
        let scheduler = scheduler(100, 1);
        let first = admit(&scheduler, 1_000).expect("the queue is empty");
        let running = scheduler.turn(&first, &work(20_000_000)).await.expect("the worker is free");
        assert!(running.is_heavy);
        let second = admit(&scheduler, 1_000).map(|_| ());
        assert!(matches!(second, Err(WorkError::LongQueue { .. })), "the worker is busy for two seconds");
    }

    #[tokio::test]
    async fn a_full_worker_queue_refuses_a_new_image_until_an_earlier_image_leaves_the_queue() {
        let scheduler = scheduler(1, 1_000);
        let [first, second] = [0; 2].map(|_| admit(&scheduler, 10).expect("a worker and a place are free"));
        assert!(admit(&scheduler, 10).is_err());
        scheduler.turn(&first, &work(10)).await.expect("the worker is free");
        let work = work(10);
        let mut waiting = std::pin::pin!(scheduler.turn(&second, &work));
        assert!(poll!(waiting.as_mut()).is_pending());
        assert!(admit(&scheduler, 10).is_err());
        drop(first);
        assert!(poll!(waiting.as_mut()).is_ready(), "the second image starts when the first one ends");
        assert!(admit(&scheduler, 10).is_ok(), "the place in the queue is free");
    }
}
