-- Nodes that share the work, and the owner of each lease. A ledger in a file has only one node, which need not
-- register; then `owner` is NULL.

CREATE TABLE nodes (
    seq            INTEGER PRIMARY KEY,
    name           TEXT    NOT NULL,
    version        TEXT    NOT NULL,
    roles          TEXT    NOT NULL,
    started_ms     INTEGER NOT NULL,
    heartbeat_ms   INTEGER NOT NULL,
    lease_until_ms INTEGER NOT NULL,
    clock_ahead_ms INTEGER NOT NULL
) STRICT;

-- Work that only one node does in each interval.
CREATE TABLE turns (
    name    TEXT    NOT NULL PRIMARY KEY,
    next_ms INTEGER NOT NULL
) STRICT;

ALTER TABLE jobs ADD COLUMN owner INTEGER;
ALTER TABLE webhook_queue ADD COLUMN owner INTEGER;
ALTER TABLE idempotency ADD COLUMN owner INTEGER;
