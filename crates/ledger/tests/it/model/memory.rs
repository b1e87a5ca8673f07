//! A simple model of the ledger in memory: a list of webhooks in the order of acceptance.

use pixaven_ledger::{Disposition, Outcome, ReleaseReason, WebhookStatus};
use uuid::Uuid;

/// The values that identify a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeaseKey {
    pub(crate) id: Uuid,
    pub(crate) fence: i64,
}

#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) now_ms: i64,
    pub(crate) webhooks: Vec<Webhook>,
}

#[derive(Debug)]
pub(crate) struct Webhook {
    pub(crate) id: Uuid,
    created_ms: i64,
    delay_ms: i64,
    status: WebhookStatus,
    has_payload: bool,
    /// The webhook's row in a queue. While the status is `created`, the row is in the queue of jobs. While
    /// the status is `scheduled` or `dispatched`, the row is in the queue of webhooks.
    work: Option<Work>,
    n_crashes: u32,
    n_attempts: u32,
    /// Whether the webhook waits in the retry lane: an attempt has ended without an interruption, or the
    /// webhook was resent after it had ended.
    is_retry: bool,
    attempts: Vec<AttemptModel>,
}

#[derive(Clone, Copy, Debug)]
struct AttemptModel {
    number: u32,
    fence: i64,
    /// The outcome of the attempt. `None` while the attempt is under way.
    outcome: Option<Outcome>,
}

/// A webhook's row in the queue of jobs or in the queue of webhooks.
#[derive(Clone, Copy, Debug)]
struct Work {
    due_ms: i64,
    fence: i64,
    lease_until_ms: Option<i64>,
}

impl Webhook {
    fn is_job(&self) -> bool {
        self.status == WebhookStatus::Created
    }

    fn is_leased(&self, lease: &LeaseKey, is_job: bool) -> bool {
        let is_leased = |work: Work| work.fence == lease.fence && work.lease_until_ms.is_some();
        self.id == lease.id && self.is_job() == is_job && self.work.is_some_and(is_leased)
    }

    fn requeue(&mut self, due_ms: i64) {
        let work = self.work.as_mut().expect("the webhook is in a queue");
        (work.due_ms, work.lease_until_ms) = (due_ms, None);
    }
}

impl Memory {
    pub(crate) fn new(now_ms: i64) -> Self {
        Self { now_ms, webhooks: vec![] }
    }

    pub(crate) fn accept(&mut self, id: Uuid, delay_ms: i64) {
        self.webhooks.push(Webhook {
            id,
            created_ms: self.now_ms,
            delay_ms,
            status: WebhookStatus::Created,
            has_payload: false,
            work: Some(Work { due_ms: self.now_ms, fence: 0, lease_until_ms: None }),
            n_crashes: 0,
            n_attempts: 0,
            is_retry: false,
            attempts: vec![],
        });
    }

    /// Ends all leases that end at `until_ms` or earlier. Returns the number of leases on jobs and the number
    /// of leases on webhooks.
    pub(crate) fn reap(&mut self, until_ms: i64) -> (u64, u64) {
        (self.reap_kind(true, until_ms), self.reap_kind(false, until_ms))
    }

    fn reap_kind(&mut self, is_job: bool, until_ms: i64) -> u64 {
        let now_ms = self.now_ms;
        let is_over = |webhook: &&mut Webhook| {
            let ends_ms = webhook.work.and_then(|work| work.lease_until_ms);
            webhook.is_job() == is_job && ends_ms.is_some_and(|ends_ms| ends_ms <= until_ms)
        };
        let mut n_reaped = 0;
        for webhook in self.webhooks.iter_mut().filter(is_over) {
            webhook.requeue(now_ms);
            if is_job {
                webhook.n_crashes += 1;
            } else {
                webhook.status = WebhookStatus::Scheduled;
                let last = webhook.attempts.last_mut().expect("a dispatched webhook has an attempt");
                last.outcome = Some(Outcome::Interrupted);
            }
            n_reaped += 1;
        }
        n_reaped
    }

    /// Returns the due jobs if `is_job` is true, or the due webhooks if `is_job` is false, longest due first.
    fn due(&mut self, is_job: bool) -> Vec<&mut Webhook> {
        let now_ms = self.now_ms;
        let is_due = |webhook: &&mut Webhook| {
            let is_due = |work: Work| work.lease_until_ms.is_none() && work.due_ms <= now_ms;
            webhook.is_job() == is_job && webhook.work.is_some_and(is_due)
        };
        let mut due: Vec<_> = self.webhooks.iter_mut().filter(is_due).collect();
        due.sort_by_key(|webhook| webhook.work.map(|work| work.due_ms));
        due
    }

    pub(crate) fn claim_jobs(&mut self, limit: u32, lease_ms: i64) -> Vec<(LeaseKey, u32)> {
        self.reap_kind(true, self.now_ms);
        let until_ms = self.now_ms + lease_ms;
        let claim = |job: &mut Webhook| {
            let work = job.work.as_mut().expect("a due webhook is in a queue");
            work.fence += 1;
            work.lease_until_ms = Some(until_ms);
            (key_of(job), job.n_crashes)
        };
        self.due(true).into_iter().take(limit as usize).map(claim).collect()
    }

    /// Marks the webhooks that the ledger has claimed as dispatched. Checks that the ledger has claimed all
    /// due webhooks or `limit` of them. Checks also that the claimed webhooks of each lane are those that
    /// have been due longest.
    pub(crate) fn claim_webhooks(&mut self, limit: u32, lease_ms: i64, claimed: &[(LeaseKey, u32)]) {
        self.reap_kind(false, self.now_ms);
        for is_retry in [false, true] {
            let due = self.due(false).into_iter().filter(|webhook| webhook.is_retry == is_retry);
            let due: Vec<Uuid> = due.map(|webhook| webhook.id).collect();
            let of_lane: Vec<Uuid> =
                claimed.iter().map(|(lease, _)| lease.id).filter(|id| due.contains(id)).collect();
            assert_eq!(of_lane, due[..of_lane.len()]);
        }
        assert_eq!(claimed.len(), self.due(false).len().min(limit as usize));
        let until_ms = self.now_ms + lease_ms;
        for (lease, attempt) in claimed {
            let webhook = self
                .due(false)
                .into_iter()
                .find(|webhook| webhook.id == lease.id)
                .expect("the webhook is due");
            let work = webhook.work.as_mut().expect("a due webhook is in a queue");
            work.fence += 1;
            work.lease_until_ms = Some(until_ms);
            webhook.status = WebhookStatus::Dispatched;
            webhook.n_attempts += 1;
            webhook.attempts.push(AttemptModel {
                number: webhook.n_attempts,
                fence: work.fence,
                outcome: None,
            });
            assert_eq!((work.fence, webhook.n_attempts), (lease.fence, *attempt));
        }
    }

    fn leased(&mut self, lease: &LeaseKey, is_job: bool) -> Option<&mut Webhook> {
        self.webhooks.iter_mut().find(|webhook| webhook.is_leased(lease, is_job))
    }

    pub(crate) fn renew(&mut self, lease: &LeaseKey, lease_ms: i64) -> bool {
        let until_ms = self.now_ms + lease_ms;
        let Some(job) = self.leased(lease, true) else { return false };
        job.work.as_mut().expect("the job is leased").lease_until_ms = Some(until_ms);
        true
    }

    pub(crate) fn finish(&mut self, lease: &LeaseKey) -> bool {
        let now_ms = self.now_ms;
        let Some(job) = self.leased(lease, true) else { return false };
        (job.status, job.has_payload) = (WebhookStatus::Scheduled, true);
        job.work = Some(Work { due_ms: now_ms + job.delay_ms, fence: 0, lease_until_ms: None });
        true
    }

    pub(crate) fn release_job(&mut self, lease: &LeaseKey, reason: ReleaseReason) -> bool {
        let now_ms = self.now_ms;
        let Some(job) = self.leased(lease, true) else { return false };
        match reason {
            ReleaseReason::Stopped => job.requeue(now_ms),
            ReleaseReason::Postponed { delay_ms } => job.requeue(now_ms + delay_ms),
            ReleaseReason::Crashed => {
                job.requeue(now_ms);
                job.n_crashes += 1;
            }
        }
        true
    }

    pub(crate) fn record(
        &mut self,
        lease: &LeaseKey,
        number: u32,
        outcome: Outcome,
        disposition: Disposition,
    ) -> bool {
        let is_reported =
            |attempt: &&mut AttemptModel| (attempt.number, attempt.fence) == (number, lease.fence);
        let webhook = self.webhooks.iter_mut().find(|webhook| webhook.id == lease.id);
        if let Some(attempt) = webhook.and_then(|webhook| webhook.attempts.iter_mut().find(is_reported)) {
            attempt.outcome = Some(outcome);
        }
        let Some(webhook) = self.leased(lease, false) else { return false };
        match disposition {
            Disposition::Delivered => (webhook.status, webhook.work) = (WebhookStatus::Delivered, None),
            Disposition::Failed { .. } => (webhook.status, webhook.work) = (WebhookStatus::Failed, None),
            Disposition::Retry { due_ms } => {
                webhook.requeue(due_ms);
                webhook.status = WebhookStatus::Scheduled;
                webhook.is_retry |= outcome != Outcome::Interrupted;
            }
        }
        true
    }

    pub(crate) fn release_webhook(&mut self, lease: &LeaseKey, due_ms: i64) -> bool {
        let Some(webhook) = self.leased(lease, false) else { return false };
        webhook.requeue(due_ms);
        webhook.status = WebhookStatus::Scheduled;
        webhook.n_attempts -= 1;
        webhook.attempts.pop();
        true
    }

    pub(crate) fn abandon(&mut self, lease: &LeaseKey) -> bool {
        let Some(webhook) = self.leased(lease, false) else { return false };
        (webhook.status, webhook.work) = (WebhookStatus::Failed, None);
        webhook.attempts.pop();
        true
    }

    /// Makes a webhook due now, as a resend does. Returns the new status, or `None` when the webhook has no
    /// payload.
    pub(crate) fn resend(&mut self, id: Uuid) -> Option<WebhookStatus> {
        let now_ms = self.now_ms;
        let webhook = self
            .webhooks
            .iter_mut()
            .find(|webhook| webhook.id == id)
            .expect("the model contains the webhook");
        match webhook.status {
            WebhookStatus::Created => return None,
            WebhookStatus::Dispatched => {}
            WebhookStatus::Scheduled => webhook.requeue(now_ms),
            WebhookStatus::Delivered | WebhookStatus::Failed if !webhook.has_payload => return None,
            WebhookStatus::Delivered | WebhookStatus::Failed => {
                let (number, fence) =
                    webhook.attempts.last().map_or((0, 0), |last| (last.number, last.fence));
                (webhook.status, webhook.is_retry) = (WebhookStatus::Scheduled, true);
                webhook.n_attempts = number;
                webhook.work = Some(Work { due_ms: now_ms, fence, lease_until_ms: None });
            }
        }
        Some(webhook.status)
    }

    pub(crate) fn cancel(&mut self, id: Uuid) -> bool {
        let webhook = self
            .webhooks
            .iter_mut()
            .find(|webhook| webhook.id == id)
            .expect("the model contains the webhook");
        if !matches!(webhook.status, WebhookStatus::Created | WebhookStatus::Scheduled) {
            return false;
        }
        (webhook.status, webhook.work) = (WebhookStatus::Failed, None);
        true
    }

    /// Deletes up to `limit` old webhooks: first delivered webhooks, then failed webhooks, each in the order
    /// of acceptance. Returns the number of deleted webhooks.
    pub(crate) fn sweep(&mut self, before_ms: i64, limit: u32) -> u64 {
        let mut n_swept = 0;
        for status in [WebhookStatus::Delivered, WebhookStatus::Failed] {
            self.webhooks.retain(|webhook| {
                let is_deleted =
                    n_swept < u64::from(limit) && webhook.status == status && webhook.created_ms < before_ms;
                n_swept += u64::from(is_deleted);
                !is_deleted
            });
        }
        n_swept
    }

    pub(crate) fn counts(&self) -> [u64; 5] {
        WebhookStatus::ALL
            .map(|status| self.webhooks.iter().filter(|webhook| webhook.status == status).count() as u64)
    }

    /// Returns the part of a webhook's state that the ledger shows: the status, the due time of the next
    /// attempt, and the attempts that have ended.
    pub(crate) fn view(&self, id: Uuid) -> (WebhookStatus, Option<i64>, Vec<(u32, Outcome)>) {
        let webhook =
            self.webhooks.iter().find(|webhook| webhook.id == id).expect("the model contains the webhook");
        let waiting = webhook.work.filter(|work| !webhook.is_job() && work.lease_until_ms.is_none());
        let ended =
            webhook.attempts.iter().filter_map(|attempt| Some((attempt.number, attempt.outcome?))).collect();
        (webhook.status, waiting.map(|work| work.due_ms), ended)
    }
}

fn key_of(webhook: &Webhook) -> LeaseKey {
    LeaseKey { id: webhook.id, fence: webhook.work.expect("the webhook was claimed").fence }
}
