//! Checks the invariants of the simulated ledger. The checks use SQL queries of their own. An error in an SQL
//! statement of the ledger therefore cannot also make the check wrong.

use std::collections::HashMap;

use super::world::{CAPACITY, LEASE_MS, MAX_PER_AUTHORITY, PER_AUTHORITY_START, World};
use crate::history::WebhookRecord;
use crate::model::webhook::{FailureReason, WebhookStatus};
use crate::sql;

impl World {
    fn query_number(&self, sql: &str, now_ms: i64) -> u64 {
        let n: i64 =
            self.connection.query_row(sql, [now_ms], |row| row.get(0)).expect("the query yields a number");
        u64::try_from(n).expect("the number is a count")
    }

    /// Checks that no destination and no IP address exceeds its delivery limit, and that the lease count of
    /// each destination equals the number of its leased webhooks.
    pub(super) fn check_limits(&mut self) {
        let now_ms = self.now_ms();
        let n_wrong = self.query_number(
            &format!(
                "SELECT COUNT(*) FROM destinations d WHERE ?1 AND
                 (n_leased > {MAX_PER_AUTHORITY}
                  OR n_leased != (SELECT COUNT(*) FROM webhook_queue q
                                  WHERE q.destination = d.seq AND q.lease_until_ms IS NOT NULL))"
            ),
            now_ms,
        );
        assert_eq!(n_wrong, 0, "a destination exceeds its limit, or its count of leases is wrong");
        let n_at_address = self.query_number(
            "SELECT COALESCE(MAX(n), 0) FROM (SELECT SUM(n_leased) AS n FROM destinations
                                              WHERE ?1 AND address IS NOT NULL GROUP BY address)",
            now_ms,
        );
        // The delivery limit per IP address is 5 webhooks. If the concurrency limit of a destination is
        // higher, which can be up to 8, this concurrency limit replaces the 5. Webhooks that were claimed
        // while the address of their destination was still unknown can exceed the delivery limit.
        assert!(n_at_address <= 8 + 8, "{n_at_address} webhooks are being sent to one address");
        self.tally.n_paused +=
            self.query_number("SELECT COUNT(*) > 0 FROM destinations WHERE paused_until_ms > ?1", now_ms);
        self.tally.n_saturated += self.query_number(
            "SELECT COUNT(*) > 0 FROM destinations WHERE ?1 AND n_leased >= concurrency_limit",
            now_ms,
        );
        self.tally.n_full_addresses +=
            self.query_number("SELECT COUNT(*) > 0 FROM destinations WHERE ?1 AND address_is_full", now_ms);
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
        let n_forgotten = self.query_number(
            &format!(
                "SELECT COUNT(*) FROM webhook_queue q JOIN destinations d ON d.seq = q.destination
                 WHERE q.lease_until_ms IS NULL AND q.due_ms <= ?1 AND q.lane <= {lanes}
                   AND (d.paused_until_ms <= ?1 OR q.is_last_chance = 1) AND NOT d.address_is_full
                   AND d.n_leased < CASE WHEN d.n_openings > 0 OR d.measurement IS NOT NULL THEN 1
                                         ELSE d.concurrency_limit END
                   AND d.n_leased < MAX({PER_AUTHORITY_START},
                                        CASE q.lane WHEN 0 THEN {n_free} ELSE {n_free_retries} END)"
            ),
            now_ms,
        );
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
        let now_ms = self.now_ms();
        assert!(self.under_way.is_empty());
        let n_left = self.query_number("SELECT COUNT(*) FROM webhook_queue WHERE ?1", now_ms);
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
