-- Lists by host, and sending many webhooks again as work of its own.

ALTER TABLE webhooks ADD COLUMN host TEXT NOT NULL DEFAULT '';

UPDATE webhooks SET host = COALESCE(
    (SELECT rtrim(rtrim(webhook_authority, '0123456789'), ':') FROM requests WHERE requests.no = webhooks.no), '');

CREATE INDEX webhooks_by_host ON webhooks (account, host, status, created_ms);

-- Walks the webhooks that matched when it was asked for, status by status, latest first. `due_ms` is absent once it ended.
CREATE TABLE bulk_resends (
    no         INTEGER PRIMARY KEY,
    account    INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    statuses   TEXT    NOT NULL,
    host       TEXT,
    start_ms   INTEGER NOT NULL,
    per_second INTEGER CHECK (per_second > 0),
    at_status  INTEGER NOT NULL DEFAULT 0,
    before_ms  INTEGER NOT NULL,
    before_no  INTEGER NOT NULL,
    end_ms     INTEGER NOT NULL,
    n_matched  INTEGER NOT NULL,
    n_resent   INTEGER NOT NULL DEFAULT 0,
    n_skipped  INTEGER NOT NULL DEFAULT 0,
    due_ms     INTEGER,
    ended_ms   INTEGER
) STRICT;

CREATE INDEX bulk_resends_due ON bulk_resends (due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX bulk_resends_old ON bulk_resends (ended_ms) WHERE ended_ms IS NOT NULL;
