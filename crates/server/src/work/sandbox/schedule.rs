//! Decides in which order images get workers, and estimates when a new image would start. The functions read
//! no clock: the caller passes the time.
//!
//! The rules:
//!
//! 1. The image with the shortest expected time starts first. The expected time is the estimated CPU time of
//!    processing the image. Each second of waiting counts like an expected time that is one second shorter,
//!    so that no image waits forever behind images with shorter expected times.
//! 2. An image whose expected time is at most [`LIGHT_MAX`] is light, every other image is heavy. Express
//!    workers take only light images of interactive requests. Ordinary workers take every image.
//! 3. While interactive requests and jobs wait, interactive requests get three quarters of the time of the
//!    ordinary workers, and jobs get one quarter.

mod forecast;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use self::forecast::{Workers, remaining_s};
use crate::work::Caller;

/// The longest expected time of a light image.
pub(super) const LIGHT_MAX: Duration = Duration::from_millis(100);

/// The CPU time after which a light image counts as heavy, because the expected time was too short.
pub(super) const OVERRUN: Duration = Duration::from_millis(300);

/// The expected time of a light image that has used the CPU time [`OVERRUN`].
const OVERRUN_EXPECTED: Duration = Duration::from_secs(3);

/// The time of ordinary workers that jobs get for each second that interactive requests get, while
/// interactive requests and jobs wait.
const JOB_SHARE: f64 = 1.0 / 3.0;

/// How fast [`Schedule::arrival_share`] follows a change: the weight of the newest arrival.
const ARRIVAL_WEIGHT: f64 = 0.05;

/// The number of a ticket. A ticket is the place of one image in the [`Schedule`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct TicketId(u64);

/// The two kinds of places for running images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Ordinary,
    Express,
}

/// An image that starts now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) id: TicketId,
    pub(super) place: Place,
    pub(super) is_heavy: bool,
}

/// What happens to a running light image that has used the CPU time [`OVERRUN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterOverrun {
    /// The image continues on the place of an ordinary worker.
    Continues,
    /// The image waits again as a heavy image. The caller must stop the worker of the image.
    WaitsAgain,
}

/// All images that arrive, wait or run.
#[derive(Debug)]
pub(super) struct Schedule {
    n_ordinary: usize,
    n_express: usize,
    last_id: u64,
    images: BTreeMap<TicketId, Image>,
    /// The time of ordinary workers, in seconds, that is due to jobs by [`JOB_SHARE`] and that jobs have not
    /// used yet.
    job_credit_s: f64,
    /// The share of the arriving interactive requests that later wait for a worker. The other requests are
    /// invalid, or have a webhook and are processed later as jobs.
    arrival_share: f64,
}

#[derive(Debug)]
struct Image {
    caller: Caller,
    expected: Duration,
    arrived_at: Instant,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The bytes of the image are not complete yet.
    Arriving,
    Waiting,
    Running {
        place: Place,
        since: Instant,
    },
}

impl Image {
    fn is_light(&self) -> bool {
        self.expected <= LIGHT_MAX
    }

    fn rank(&self, now: Instant) -> f64 {
        rank(self.expected, self.arrived_at, now)
    }

    /// Returns whether the image has the given caller and has not started in a worker yet.
    fn is_before(&self, caller: Caller) -> bool {
        self.caller == caller && !matches!(self.state, State::Running { .. })
    }
}

/// The rank of an image: the image with the lowest rank starts first.
fn rank(expected: Duration, arrived_at: Instant, now: Instant) -> f64 {
    expected.as_secs_f64() - now.saturating_duration_since(arrived_at).as_secs_f64()
}

impl Schedule {
    /// Creates an empty schedule for `n_ordinary` ordinary workers, at least 1, and `n_express` express
    /// workers.
    pub(super) fn new(n_ordinary: usize, n_express: usize) -> Self {
        let n_ordinary = n_ordinary.max(1);
        let images = BTreeMap::new();
        Self { n_ordinary, n_express, last_id: 0, images, job_credit_s: 0.0, arrival_share: 1.0 }
    }

    /// Adds an image whose bytes are not complete yet.
    pub(super) fn arrive(&mut self, caller: Caller, expected: Duration, now: Instant) -> TicketId {
        self.last_id += 1;
        let id = TicketId(self.last_id);
        self.images.insert(id, Image { caller, expected, arrived_at: now, state: State::Arriving });
        id
    }

    /// Records that the bytes of an image are complete and that the image waits for a worker. `expected`
    /// replaces the first estimate of the expected time.
    pub(super) fn wait(&mut self, id: TicketId, expected: Duration) {
        let Some(image) = self.images.get_mut(&id) else { return };
        (image.expected, image.state) = (expected, State::Waiting);
        if image.caller == Caller::Interactive {
            self.count_arrival(1.0);
        }
    }

    /// Removes an image that was processed, or whose caller no longer waits.
    pub(super) fn leave(&mut self, id: TicketId) {
        let Some(image) = self.images.remove(&id) else { return };
        if image.state == State::Arriving && image.caller == Caller::Interactive {
            self.count_arrival(0.0);
        }
    }

    fn count_arrival(&mut self, waits: f64) {
        self.arrival_share += ARRIVAL_WEIGHT * (waits - self.arrival_share);
    }

    /// Starts the next waiting image for which a suitable worker is free. Returns `None` if no such image
    /// exists.
    pub(super) fn start_next(&mut self, now: Instant) -> Option<Start> {
        let has_ordinary = self.n_free(Place::Ordinary) > 0;
        let has_express = self.n_free(Place::Express) > 0;
        let interactive = self.first(now, |image| {
            image.caller == Caller::Interactive && (has_ordinary || (has_express && image.is_light()))
        });
        let job = self.first(now, |image| image.caller == Caller::Job);
        let place_of =
            |image: &Image| match image.caller == Caller::Interactive && image.is_light() && has_express {
                true => Place::Express,
                false => Place::Ordinary,
            };
        let id = match (interactive, job.filter(|_| has_ordinary)) {
            (Some(interactive), Some(job)) if place_of(&self.images[&interactive]) == Place::Ordinary => {
                self.share(interactive, job)
            }
            (interactive, job) => interactive.or(job)?,
        };
        if job.is_none() {
            self.job_credit_s = 0.0;
        }
        let image = self.images.get_mut(&id)?;
        let place = place_of(image);
        image.state = State::Running { place, since: now };
        Some(Start { id, place, is_heavy: !image.is_light() })
    }

    /// Chooses whether the image of an interactive request or the image of a job starts first, if an ordinary
    /// worker is free for one image and no express worker can process the interactive image.
    fn share(&mut self, interactive: TicketId, job: TicketId) -> TicketId {
        let job_s = self.images[&job].expected.as_secs_f64();
        if self.job_credit_s >= job_s {
            self.job_credit_s -= job_s;
            return job;
        }
        self.job_credit_s += self.images[&interactive].expected.as_secs_f64() * JOB_SHARE;
        interactive
    }

    /// The image with the lowest rank among the waiting images for which `is_eligible` returns true.
    fn first(&self, now: Instant, is_eligible: impl Fn(&Image) -> bool) -> Option<TicketId> {
        let waiting =
            self.images.iter().filter(|(_, image)| image.state == State::Waiting && is_eligible(image));
        let first = waiting.min_by(|(_, a), (_, b)| a.rank(now).total_cmp(&b.rank(now)));
        first.map(|(&id, _)| id)
    }

    /// Records that a running light image has used the CPU time [`OVERRUN`]. The image is heavy from now on.
    pub(super) fn overrun(&mut self, id: TicketId) -> AfterOverrun {
        let has_ordinary = self.n_free(Place::Ordinary) > 0;
        let Some(image) = self.images.get_mut(&id) else { return AfterOverrun::Continues };
        image.expected = image.expected.max(OVERRUN_EXPECTED);
        match &mut image.state {
            State::Running { place: place @ Place::Express, .. } if has_ordinary => *place = Place::Ordinary,
            State::Running { place: Place::Express, .. } => {
                image.state = State::Waiting;
                return AfterOverrun::WaitsAgain;
            }
            State::Running { place: Place::Ordinary, .. } | State::Arriving | State::Waiting => {}
        }
        AfterOverrun::Continues
    }

    /// Returns how long the image of an interactive request would wait for its start. `ticket` is the place
    /// of the image, if the image is already in the schedule.
    ///
    /// The function assigns the images that would start earlier to the workers, one after the other. Images
    /// that arrive later are not considered.
    pub(super) fn expected_wait(
        &self,
        expected: Duration,
        ticket: Option<TicketId>,
        now: Instant,
    ) -> Duration {
        let arrived_at = ticket.and_then(|id| self.images.get(&id)).map_or(now, |image| image.arrived_at);
        let own_rank = rank(expected, arrived_at, now);
        let mut ahead: Vec<(f64, &Image)> = self
            .images
            .iter()
            .filter(|&(&id, image)| Some(id) != ticket && image.is_before(Caller::Interactive))
            .map(|(_, image)| (image.rank(now), image))
            .filter(|&(rank, _)| rank <= own_rank)
            .collect();
        ahead.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let mut workers = self.workers(now);
        for (_, image) in ahead {
            let share = if image.state == State::Arriving { self.arrival_share } else { 1.0 };
            workers.take(image.expected.as_secs_f64() * share, image.is_light());
        }
        Duration::from_secs_f64(workers.take(0.0, expected <= LIGHT_MAX))
    }

    fn workers(&self, now: Instant) -> Workers {
        let jobs_wait = self.images.values().any(|image| image.is_before(Caller::Job));
        let slowness = if jobs_wait { 1.0 + JOB_SHARE } else { 1.0 };
        let remaining = |of: Place| {
            let running = self.images.values().filter_map(move |image| match image.state {
                State::Running { place, since } if place == of => {
                    Some(remaining_s(image.expected, since, now))
                }
                _ => None,
            });
            running.collect::<Vec<_>>()
        };
        let (mut ordinary, mut express) = (remaining(Place::Ordinary), remaining(Place::Express));
        ordinary.resize(ordinary.len().max(self.n_ordinary), 0.0);
        express.resize(express.len().max(self.n_express), 0.0);
        Workers { ordinary, express, slowness }
    }

    /// The number of interactive requests that wait or will probably wait, minus the number of ordinary
    /// workers that are free.
    pub(super) fn queue_length(&self) -> f64 {
        let count = |state: State| {
            let is_counted = |image: &&Image| image.caller == Caller::Interactive && image.state == state;
            self.images.values().filter(is_counted).count() as f64
        };
        let n = count(State::Waiting) + count(State::Arriving) * self.arrival_share;
        n - self.n_free(Place::Ordinary) as f64
    }

    /// The number of workers that are in use.
    pub(super) fn n_running(&self) -> usize {
        self.images.values().filter(|image| matches!(image.state, State::Running { .. })).count()
    }

    fn n_free(&self, of: Place) -> usize {
        let is_there = |image: &&Image| matches!(image.state, State::Running { place, .. } if place == of);
        let n = match of {
            Place::Ordinary => self.n_ordinary,
            Place::Express => self.n_express,
        };
        n.saturating_sub(self.images.values().filter(is_there).count())
    }
}

#[cfg(test)]
mod tests;
