//! What must always hold, by a look at the tables that no statement of the ledger takes.

use std::collections::HashMap;

use super::world::{ROOM, World};
use crate::model::webhook::WebhookStatus;
use crate::sql;

impl World {
    fn number(&self, sql: &str, now_ms: i64) -> u64 {
        let n: i64 = self.connection.query_row(sql, [now_ms], |row| row.get(0)).expect("a number");
        u64::try_from(n).expect("a count")
    }

    /// Nobody gets more than he may, and what is noted of a destination is so.
    pub(super) fn check_limits(&mut self) {
        let now_ms = self.now_ms();
        let wrong = self.number(
            "SELECT COUNT(*) FROM destinations d WHERE ?1 AND
             (n_leased > 4 OR n_leased != (SELECT COUNT(*) FROM webhook_queue q
                                           WHERE q.destination = d.no AND q.lease_until_ms IS NOT NULL))",
            now_ms,
        );
        assert_eq!(wrong, 0, "a destination has more than it may, or is miscounted");
        let crowded = self.number(
            "SELECT COALESCE(MAX(n), 0) FROM (SELECT SUM(n_leased) AS n FROM destinations
                                              WHERE ?1 AND address IS NOT NULL GROUP BY address)",
            now_ms,
        );
        // What was under way when an address became known comes on top.
        assert!(crowded <= 5 + 8, "{crowded} go to one address");
        self.tally.n_paused +=
            self.number("SELECT COUNT(*) > 0 FROM destinations WHERE paused_until_ms > ?1", now_ms);
        self.tally.n_saturated +=
            self.number("SELECT COUNT(*) > 0 FROM destinations WHERE ?1 AND n_leased >= send_limit", now_ms);
        self.tally.n_crowded +=
            self.number("SELECT COUNT(*) > 0 FROM destinations WHERE ?1 AND is_crowded", now_ms);
    }

    /// When there is room left, whatever is due waits for a reason.
    pub(super) fn check_nobody_is_forgotten(&mut self) {
        let now_ms = self.now_ms();
        let n_retries = self.under_way.iter().filter(|running| running.lease.value.is_retry).count();
        let lanes = if n_retries < ROOM.n_retries as usize { 1 } else { 0 };
        let forgotten = self.number(
            &format!(
                "SELECT COUNT(*) FROM webhook_queue q JOIN destinations d ON d.no = q.destination
                 WHERE q.lease_until_ms IS NULL AND q.due_ms <= ?1 AND q.lane <= {lanes}
                   AND d.paused_until_ms <= ?1 AND NOT d.is_crowded
                   AND d.n_leased < CASE WHEN d.n_openings > 0 THEN 1 ELSE d.send_limit END"
            ),
            now_ms,
        );
        // One claim may have found only those whose address is full; then it has asked for another.
        let is_told = self.wake_ms.is_some_and(|wake_ms| wake_ms <= now_ms);
        assert!(forgotten == 0 || is_told, "{forgotten} wait for nothing");
    }

    /// Everything ended, and what is shown of it is so.
    pub(super) fn check_the_end(&mut self) {
        let now_ms = self.now_ms();
        assert!(self.under_way.is_empty());
        let n_left = self.number("SELECT COUNT(*) FROM webhook_queue WHERE ?1", now_ms);
        assert_eq!(n_left, 0, "something never ends");
        let account = self.account;
        for id in self.ids.clone() {
            let record = self.write(|tx| sql::history::find(tx, account, id)).expect("it can be read");
            let record = record.expect("nothing is lost");
            match record.status {
                WebhookStatus::Delivered => {
                    assert!(self.known[&id].n_delivered > 0, "{id} was never taken");
                    self.tally.n_delivered += 1;
                }
                WebhookStatus::Failed => self.tally.n_failed += 1,
                status => panic!("{id} is {status}"),
            }
            let numbers: Vec<_> = record.attempts.iter().map(|made| made.number).collect();
            assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
        }
        let usage = self.write(|tx| sql::accounts::usage(tx, account)).expect("it can be read");
        let n_by_status: HashMap<_, _> = usage.webhooks.into_iter().collect();
        let n_all = self.ids.len() as u64;
        let ended = n_by_status[&WebhookStatus::Delivered] + n_by_status[&WebhookStatus::Failed];
        assert_eq!(ended, n_all, "the counters equal a recount");
    }
}
