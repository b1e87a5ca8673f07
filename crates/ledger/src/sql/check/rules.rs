//! The rules that hold after each commit. Each rule is a query for the rows that break the rule, in SQL
//! that all databases share.
//!
//! Some stored values are allowed to be late or early, and have no rule: `destinations.other_path_due_ms`, and
//! an early `last_chance_due_ms`.

/// A rule about the rows of a ledger.
pub(super) struct Rule {
    /// What a row that breaks the rule means. Each `{}` stands for a column of the query.
    pub(super) text: &'static str,
    /// A query that returns one row for each violation.
    pub(super) sql: &'static str,
}

macro_rules! rules {
    ($($text:literal: $sql:expr;)*) => {
        &[$(Rule { text: $text, sql: $sql }),*]
    };
}

/// The sequence number and the id of the request of each row of a table `t`, if it has a request.
macro_rules! select_ids {
    ($rest:literal) => {
        concat!("SELECT t.seq, (SELECT r.id FROM requests r WHERE r.seq = t.seq)", $rest)
    };
}

/// Selects the counters whose value is not the number of the account's webhooks in this status.
const COUNTERS: &str = "
    SELECT c.account, c.status, c.n, COALESCE(w.n, 0)
    FROM (SELECT account, 'created' AS status, CAST(SUM(n_created) AS BIGINT) AS n
          FROM counters GROUP BY account
          UNION ALL
          SELECT account, 'scheduled', CAST(SUM(n_scheduled) AS BIGINT) FROM counters GROUP BY account
          UNION ALL
          SELECT account, 'dispatched', CAST(SUM(n_dispatched) AS BIGINT) FROM counters GROUP BY account
          UNION ALL
          SELECT account, 'delivered', CAST(SUM(n_delivered) AS BIGINT) FROM counters GROUP BY account
          UNION ALL
          SELECT account, 'failed', CAST(SUM(n_failed) AS BIGINT) FROM counters GROUP BY account) c
    LEFT JOIN (SELECT account, status, COUNT(*) AS n FROM webhooks GROUP BY account, status) w
           ON w.account = c.account AND w.status = c.status
    WHERE c.n <> COALESCE(w.n, 0)";

/// Selects the destinations whose earliest due times are not those of their waiting webhooks.
const DUE_TIMES: &str = "
    SELECT d.seq, d.authority, d.first_due_ms, q.first_ms, d.retry_due_ms, q.retry_ms
    FROM destinations d
    LEFT JOIN (SELECT destination, MIN(CASE WHEN lane = 0 THEN due_ms END) AS first_ms,
                      MIN(CASE WHEN lane = 1 THEN due_ms END) AS retry_ms
               FROM webhook_queue WHERE lease_until_ms IS NULL AND is_last_chance = 0
               GROUP BY destination) q ON q.destination = d.seq
    WHERE COALESCE(d.first_due_ms, -1) <> COALESCE(q.first_ms, -1)
       OR COALESCE(d.retry_due_ms, -1) <> COALESCE(q.retry_ms, -1)";

/// Selects the rows that name an account which does not exist.
const ACCOUNTS: &str = "
    SELECT t.name, t.account
    FROM (SELECT 'api_keys' AS name, account FROM api_keys UNION
          SELECT 'webhook_secrets', account FROM webhook_secrets UNION
          SELECT 'counters', account FROM counters UNION
          SELECT 'results', account FROM results UNION
          SELECT 'requests', account FROM requests UNION
          SELECT 'destinations', account FROM destinations UNION
          SELECT 'bulk_resends', account FROM bulk_resends UNION
          SELECT 'watermarks', account FROM watermarks UNION
          SELECT 'idempotency', account FROM idempotency) t
    WHERE NOT EXISTS (SELECT 1 FROM accounts a WHERE a.id = t.account)";

/// All rules.
pub(super) const RULES: &[Rule] = rules! {
    "account {}: the counter of {} webhooks is {}, and there are {}": COUNTERS;
    "account {} has no counters":
        "SELECT a.id FROM accounts a WHERE NOT EXISTS (SELECT 1 FROM counters c WHERE c.account = a.id)";
    "the table {} has rows of account {}, which does not exist": ACCOUNTS;

    "request {} ({}) has no webhook":
        select_ids!(" FROM requests t WHERE NOT EXISTS (SELECT 1 FROM webhooks w WHERE w.seq = t.seq)");
    "webhook {} has no request":
        "SELECT t.seq FROM webhooks t WHERE NOT EXISTS (SELECT 1 FROM requests r WHERE r.seq = t.seq)";
    "webhook {} ({}) and its request name different accounts or times":
        "SELECT t.seq, r.id FROM webhooks t JOIN requests r ON r.seq = t.seq
         WHERE r.account <> t.account OR r.created_ms <> t.created_ms";
    "webhook {} ({}) is created, but has no job":
        select_ids!(" FROM webhooks t WHERE t.status = 'created'
                      AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.seq = t.seq)");
    "webhook {} ({}) is {}, but is not in the queue":
        select_ids!(", t.status FROM webhooks t WHERE t.status IN ('scheduled', 'dispatched')
                      AND NOT EXISTS (SELECT 1 FROM webhook_queue q WHERE q.seq = t.seq)");
    "webhook {} ({}) is {}, but has no payload":
        select_ids!(", t.status FROM webhooks t WHERE t.status IN ('scheduled', 'dispatched', 'delivered')
                      AND NOT EXISTS (SELECT 1 FROM payloads p WHERE p.seq = t.seq)");

    "job {} ({}) has no webhook that is created":
        select_ids!(" FROM jobs t
                      WHERE NOT EXISTS (SELECT 1 FROM webhooks w WHERE w.seq = t.seq AND w.status = 'created')");
    "job {} ({}) and its request name different accounts":
        "SELECT t.seq, r.id FROM jobs t JOIN requests r ON r.seq = t.seq WHERE r.account <> t.account";
    "job {} ({}) has an upload of which neither the bytes nor the file are known, or both":
        "SELECT t.seq, r.id FROM jobs t JOIN requests r ON r.seq = t.seq LEFT JOIN inputs i ON i.seq = t.seq
         WHERE r.input_bytes IS NOT NULL
           AND (CASE WHEN r.input_key IS NULL THEN 0 ELSE 1 END)
             + (CASE WHEN i.seq IS NULL THEN 0 ELSE 1 END) <> 1";
    "the bytes of the upload {} ({}) have no job":
        select_ids!(" FROM inputs t WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.seq = t.seq)");
    "the upload {} ({}) has {} bytes, and its request says {}":
        "SELECT t.seq, r.id, CAST(length(t.content) AS BIGINT), r.input_bytes
         FROM inputs t JOIN requests r ON r.seq = t.seq WHERE length(t.content) <> r.input_bytes";

    "webhook {} is queued, but has no request":
        "SELECT t.seq FROM webhook_queue t WHERE NOT EXISTS (SELECT 1 FROM requests r WHERE r.seq = t.seq)";
    "webhook {} ({}) is queued, but has no payload":
        select_ids!(" FROM webhook_queue t WHERE NOT EXISTS (SELECT 1 FROM payloads p WHERE p.seq = t.seq)");
    "webhook {} ({}) is queued for the destination {}, which does not exist":
        select_ids!(", t.destination FROM webhook_queue t
                      WHERE NOT EXISTS (SELECT 1 FROM destinations d WHERE d.seq = t.destination)");
    "webhook {} ({}) is queued for {}, which is not the destination of its request":
        "SELECT t.seq, r.id, d.authority FROM webhook_queue t
         JOIN requests r ON r.seq = t.seq JOIN destinations d ON d.seq = t.destination
         WHERE r.account <> t.account OR d.account <> t.account OR d.authority <> r.webhook_authority";
    "webhook {} ({}) waits in the queue, but its status is {}":
        "SELECT t.seq, w.id, w.status FROM webhook_queue t
         LEFT JOIN (SELECT r.seq, r.id, w.status FROM webhooks w JOIN requests r ON r.seq = w.seq) w
                ON w.seq = t.seq
         WHERE t.lease_until_ms IS NULL AND COALESCE(w.status, '') <> 'scheduled'";
    "webhook {} ({}) is leased, but its status is {}":
        "SELECT t.seq, w.id, w.status FROM webhook_queue t
         LEFT JOIN (SELECT r.seq, r.id, w.status FROM webhooks w JOIN requests r ON r.seq = w.seq) w
                ON w.seq = t.seq
         WHERE t.lease_until_ms IS NOT NULL AND COALESCE(w.status, '') <> 'dispatched'";
    "webhook {} ({}) is leased, but has no open attempt":
        select_ids!(" FROM webhook_queue t WHERE t.lease_until_ms IS NOT NULL
                      AND NOT EXISTS (SELECT 1 FROM attempts a
                                      WHERE a.seq = t.seq AND a.number = t.attempt AND a.fence = t.fence
                                        AND a.outcome IS NULL)");

    "destination {} ({}) counts {} leased webhooks, and there are {}":
        "SELECT d.seq, d.authority, d.n_leased, COALESCE(q.n, 0) FROM destinations d
         LEFT JOIN (SELECT destination, COUNT(*) AS n FROM webhook_queue
                    WHERE lease_until_ms IS NOT NULL GROUP BY destination) q ON q.destination = d.seq
         WHERE d.n_leased <> COALESCE(q.n, 0)";
    "destination {} ({}) has the earliest due time {} of first attempts instead of {}, and {} of retries \
     instead of {}": DUE_TIMES;
    "destination {} ({}) has a webhook with a last chance, and no due time for it":
        "SELECT d.seq, d.authority FROM destinations d
         WHERE d.last_chance_due_ms IS NULL
           AND EXISTS (SELECT 1 FROM webhook_queue q
                       WHERE q.destination = d.seq AND q.lease_until_ms IS NULL AND q.is_last_chance = 1)";
    "destination {} ({}) has waiting webhooks, and no claim will find it":
        "SELECT d.seq, d.authority FROM destinations d
         WHERE d.n_leased = 0 AND d.address_is_full = 0
           AND ((d.first_due_ms IS NOT NULL AND d.first_ready_ms IS NULL)
                OR (d.retry_due_ms IS NOT NULL AND d.retry_ready_ms IS NULL)
                OR (d.last_chance_due_ms IS NOT NULL AND d.urgent_ready_ms IS NULL))";
    "destination {} ({}) is ready before its webhooks are due, or without any":
        "SELECT d.seq, d.authority FROM destinations d
         WHERE (d.first_ready_ms IS NOT NULL AND COALESCE(d.first_due_ms > d.first_ready_ms, 1 = 1))
            OR (d.retry_ready_ms IS NOT NULL AND COALESCE(d.retry_due_ms > d.retry_ready_ms, 1 = 1))";

    "attempt {} of webhook {} has no webhook":
        "SELECT t.number, t.seq FROM attempts t
         WHERE NOT EXISTS (SELECT 1 FROM webhooks w WHERE w.seq = t.seq)";
    "attempt {} of webhook {} is open, but its webhook is not leased for it":
        "SELECT t.number, t.seq FROM attempts t WHERE t.outcome IS NULL
           AND NOT EXISTS (SELECT 1 FROM webhook_queue q
                           WHERE q.seq = t.seq AND q.attempt = t.number AND q.fence = t.fence
                             AND q.lease_until_ms IS NOT NULL)";
    "the payload {} has no webhook":
        "SELECT t.seq FROM payloads t WHERE NOT EXISTS (SELECT 1 FROM webhooks w WHERE w.seq = t.seq)";
    "result {} has {} bytes, and its row says {}":
        "SELECT t.id, CAST(length(t.content) AS BIGINT), t.bytes FROM results t
         WHERE length(t.content) <> t.bytes";
    "bulk resend {} is due and has ended, or neither":
        "SELECT t.seq FROM bulk_resends t
         WHERE (CASE WHEN t.due_ms IS NULL THEN 0 ELSE 1 END)
             + (CASE WHEN t.ended_ms IS NULL THEN 0 ELSE 1 END) <> 1";
};
