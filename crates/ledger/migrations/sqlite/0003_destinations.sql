-- Fair delivery: what waits is found by destination (an account and an authority), and a destination that is saturated
-- or paused has no row in the two indexes that a claim walks.
--
-- `first_due_ms` and `retry_due_ms` say when the earliest of its waiting webhooks is due, in each of two lanes: first
-- attempts, and everything that comes after or again. `first_ready_ms` and `retry_ready_ms` say when a claim may take
-- one: later than due while the destination is paused, never while it is saturated.

CREATE TABLE destinations (
    no              INTEGER PRIMARY KEY,
    account         INTEGER NOT NULL,
    authority       TEXT    NOT NULL,
    n_leased        INTEGER NOT NULL DEFAULT 0 CHECK (n_leased >= 0),
    send_limit      INTEGER NOT NULL,
    n_failures      INTEGER NOT NULL DEFAULT 0,
    n_openings      INTEGER NOT NULL DEFAULT 0,
    paused_until_ms INTEGER NOT NULL DEFAULT 0,
    pause           TEXT CHECK (pause IN ('retry_after', 'breaker')),
    address         TEXT,
    is_crowded      INTEGER NOT NULL DEFAULT 0 CHECK (is_crowded IN (0, 1)),
    served_ms       INTEGER NOT NULL DEFAULT 0,
    first_due_ms    INTEGER,
    retry_due_ms    INTEGER,
    first_ready_ms  INTEGER,
    retry_ready_ms  INTEGER,
    UNIQUE (account, authority)
) STRICT;

CREATE INDEX destinations_first ON destinations (first_ready_ms) WHERE first_ready_ms IS NOT NULL;
CREATE INDEX destinations_retry ON destinations (retry_ready_ms) WHERE retry_ready_ms IS NOT NULL;
CREATE INDEX destinations_leased ON destinations (address) WHERE n_leased > 0;
CREATE INDEX destinations_crowded ON destinations (address, served_ms) WHERE is_crowded = 1;
CREATE INDEX destinations_idle ON destinations (served_ms) WHERE first_due_ms IS NULL AND retry_due_ms IS NULL;

ALTER TABLE webhook_queue RENAME TO webhook_queue_before;
DROP INDEX webhook_queue_due;
DROP INDEX webhook_queue_leased;

-- `attempt` numbers the attempts as they are shown; `n_counted` are those that the schedule counts. `lane` is 0 before
-- the first attempt ended, 1 afterwards. `why` says what the due time comes from.
CREATE TABLE webhook_queue (
    no             INTEGER PRIMARY KEY,
    account        INTEGER NOT NULL,
    destination    INTEGER NOT NULL,
    lane           INTEGER NOT NULL CHECK (lane IN (0, 1)),
    due_ms         INTEGER NOT NULL,
    why            TEXT    NOT NULL
                   CHECK (why IN ('delay', 'retry', 'retry_after', 'interrupted', 'local_trouble', 'resend')),
    expires_ms     INTEGER,
    fence          INTEGER NOT NULL,
    lease_until_ms INTEGER,
    attempt        INTEGER NOT NULL,
    n_counted      INTEGER NOT NULL
) STRICT;

INSERT INTO destinations (account, authority, send_limit, n_leased)
SELECT account, authority, 1, SUM(lease_until_ms IS NOT NULL) FROM webhook_queue_before GROUP BY account, authority;

INSERT INTO webhook_queue (no, account, destination, lane, due_ms, why, expires_ms, fence, lease_until_ms, attempt,
                           n_counted)
SELECT q.no, q.account, d.no, q.attempt > 0, q.due_ms, CASE WHEN q.attempt = 0 THEN 'delay' ELSE 'retry' END,
       p.finished_ms + r.webhook_delay_ms + r.webhook_expires_ms, q.fence, q.lease_until_ms, q.attempt,
       q.attempt - (q.lease_until_ms IS NOT NULL)
FROM webhook_queue_before q
JOIN destinations d ON d.account = q.account AND d.authority = q.authority
JOIN requests r ON r.no = q.no
JOIN payloads p ON p.no = q.no;

DROP TABLE webhook_queue_before;

CREATE INDEX webhook_queue_waiting ON webhook_queue (destination, lane, due_ms) WHERE lease_until_ms IS NULL;
CREATE INDEX webhook_queue_leased ON webhook_queue (lease_until_ms) WHERE lease_until_ms IS NOT NULL;
CREATE INDEX webhook_queue_expiring ON webhook_queue (expires_ms)
    WHERE expires_ms IS NOT NULL AND lease_until_ms IS NULL;

UPDATE destinations SET
    first_due_ms = (SELECT MIN(due_ms) FROM webhook_queue
                    WHERE destination = destinations.no AND lane = 0 AND lease_until_ms IS NULL),
    retry_due_ms = (SELECT MIN(due_ms) FROM webhook_queue
                    WHERE destination = destinations.no AND lane = 1 AND lease_until_ms IS NULL);
UPDATE destinations SET first_ready_ms = first_due_ms, retry_ready_ms = retry_due_ms WHERE n_leased = 0;

-- How long the receiver asked to be left alone, as far as it was granted.
ALTER TABLE attempts ADD COLUMN retry_after_ms INTEGER;
