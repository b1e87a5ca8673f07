//! Checks the invariants of the simulated ledger. The checks use SQL queries of their own. An error in an SQL
//! statement of the ledger therefore cannot also make the check wrong.

use std::collections::HashMap;

use super::world::{CAPACITY, LEASE_MS, MAX_PER_AUTHORITY, PER_AUTHORITY_START, World};
use crate::history::WebhookRecord;
use crate::model::webhook::{FailureReason, WebhookStatus};
use crate::sql;

impl World {
    /// Checks that no destination and no IP address exceeds its delivery limit, and that the lease count of
    /// each destination equals the number of its leased webhooks.
    pub(super) fn check_limits(&mut self) {
        let now_ms = self.now_ms();
        let count = |condition: &str| format!("SELECT COUNT(*) FROM destinations d WHERE {condition}");
        let n_wrong = self.database.number(&count(&format!(
            "n_leased > {MAX_PER_AUTHORITY}
             OR n_leased != (SELECT COUNT(*) FROM webhook_queue q
                             WHERE q.destination = d.seq AND q.lease_until_ms IS NOT NULL)"
        )));
        assert_eq!(n_wrong, 0, "a destination exceeds its limit, or its count of leases is wrong");
        let n_at_address = self.database.number(
            "SELECT CAST(COALESCE(MAX(n), 0) AS BIGINT)
             FROM (SELECT SUM(n_leased) AS n FROM destinations
                   WHERE address IS NOT NULL GROUP BY address) AS sums",
        );
        // The delivery limit per IP address is 5 webhooks. If the concurrency limit of a destination is
        // higher, which can be up to 8, this concurrency limit replaces the 5. Webhooks that were claimed
        // while the address of their destination was still unknown can exceed the delivery limit.
        assert!(n_at_address <= 8 + 8, "{n_at_address} webhooks are being sent to one address");
        let paused = self.database.number(&count(&format!("paused_until_ms > {now_ms}")));
        let saturated = self.database.number(&count("n_leased >= concurrency_limit"));
        let full = self.database.number(&count("address_is_full = 1"));
        self.tally.n_paused += u64::from(paused > 0);
        self.tally.n_saturated += u64::from(saturated > 0);
        self.tally.n_full_addresses += u64::from(full > 0);
    }

    /// Checks that there is a reason for each due webhook that still waits: its destination is paused or has
    /// no free capacity, or the driver has no free capacity for retries.
    pub(super) fn check_nothing_waits_without_reason(&mut self) {
        let now_ms = self.now_ms();
        let n_retries = self.under_way.iter().filter(|running| running.lease.value.is_retry).count();
        let lanes = if n_retries < CAPACITY.n_retries as usize { 1 } else { 0 };
        // A destination with this number of leased webhooks gets no further webhook. The number depends on
        // the lane.
        let n_free = (CAPACITY.n_total as usize).saturating_sub(self.under_way.len());
        let n_free_retries = (CAPACITY.n_retries as usize).saturating_sub(n_retries).min(n_free);
        let n_forgotten = self.database.number(&format!(
            "SELECT COUNT(*) FROM webhook_queue q JOIN destinations d ON d.seq = q.destination
             WHERE q.lease_until_ms IS NULL AND q.due_ms <= {now_ms} AND q.lane <= {lanes}
               AND (d.paused_until_ms <= {now_ms} OR q.is_last_chance = 1) AND d.address_is_full = 0
               AND d.n_leased < CASE WHEN d.n_openings > 0 OR d.measurement IS NOT NULL THEN 1
                                     ELSE d.concurrency_limit END
               AND d.n_leased < CASE q.lane WHEN 0 THEN {} ELSE {} END",
            n_free.max(PER_AUTHORITY_START as usize),
            n_free_retries.max(PER_AUTHORITY_START as usize),
        ));
        // If all destinations that the last claim read have a saturated address, other webhooks may wait
        // although they could be sent. In this case, the ledger must report that another claim is due now.
        let next_claim_is_due = self.wake_ms.is_some_and(|wake_ms| wake_ms <= now_ms);
        assert!(n_forgotten == 0 || next_claim_is_due, "{n_forgotten} webhooks wait without a reason");
    }

    /// Checks that a webhook that expired without an attempt did so because of this machine: the clock jumped
    /// over its expiry, or the driver could not send it.
    fn check_expiry_without_attempt(&self, record: &WebhookRecord) {
        let expected = &self.expected[&record.id];
        let late_ms = record.failed_ms.expect("the webhook failed") - expected.ends_ms;
        assert!(
            late_ms >= LEASE_MS || expected.is_postponed,
            "{} expired without an attempt, {late_ms} ms after its expiry",
            record.id
        );
    }

    /// Checks that every webhook has ended, and that the stored history agrees with the values that the
    /// simulation expects.
    pub(super) fn check_all_ended(&mut self) {
        assert!(self.under_way.is_empty());
        let n_left = self.database.number("SELECT COUNT(*) FROM webhook_queue");
        assert_eq!(n_left, 0, "webhooks are left in the queue");
        let account = self.account;
        for id in self.ids.clone() {
            let record =
                self.write(|tx| sql::history::find(tx, account, id)).expect("the webhook can be read");
            let record = record.expect("no webhook is lost");
            match record.status {
                WebhookStatus::Delivered => {
                    assert!(self.expected[&id].n_delivered > 0, "the receiver never accepted {id}");
                    self.tally.n_delivered += 1;
                }
                WebhookStatus::Failed => {
                    self.tally.n_failed += 1;
                    if record.failure == Some(FailureReason::Expired) && record.attempts.is_empty() {
                        self.check_expiry_without_attempt(&record);
                    }
                }
                status => panic!("{id} is {status}"),
            }
            let numbers: Vec<_> = record.attempts.iter().map(|recorded| recorded.number).collect();
            assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
        }
        let usage = self.write(|tx| sql::accounts::usage(tx, account)).expect("the usage can be read");
        let n_by_status: HashMap<_, _> = usage.webhooks.into_iter().collect();
        let n_all = self.ids.len() as u64;
        let n_ended = n_by_status[&WebhookStatus::Delivered] + n_by_status[&WebhookStatus::Failed];
        assert_eq!(n_ended, n_all, "the counters equal a recount");
    }
}
