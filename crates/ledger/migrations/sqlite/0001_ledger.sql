-- The first schema. Times are milliseconds since the Unix epoch; ids are UUIDs of 16 bytes.
--
-- A request is known inside by its number `no`: rows accepted together lie together, and only one index has to
-- bear the randomness of the ids. `requests` and `payloads` are wide and written once. `webhooks` is narrow and
-- changes with every step. `jobs` and `webhook_queue` hold live work only, so their size is that of the backlog,
-- never that of the history.

CREATE TABLE accounts (
    id         INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE api_keys (
    id         TEXT    NOT NULL PRIMARY KEY,
    sha256     BLOB    NOT NULL UNIQUE CHECK (length(sha256) = 32),
    prefix     TEXT    NOT NULL,
    label      TEXT    NOT NULL,
    account    INTEGER NOT NULL REFERENCES accounts (id),
    created_ms INTEGER NOT NULL,
    revoked_ms INTEGER
) STRICT;

CREATE TABLE webhook_secrets (
    no         INTEGER PRIMARY KEY,
    account    INTEGER NOT NULL REFERENCES accounts (id),
    secret     TEXT    NOT NULL,
    created_ms INTEGER NOT NULL,
    retired_ms INTEGER
) STRICT;

CREATE INDEX webhook_secrets_active ON webhook_secrets (account) WHERE retired_ms IS NULL;

-- One row per account, changed in the transaction of what it counts, so that nothing ever counts the history.
CREATE TABLE counters (
    account      INTEGER PRIMARY KEY REFERENCES accounts (id),
    requests     INTEGER NOT NULL DEFAULT 0,
    input_bytes  INTEGER NOT NULL DEFAULT 0,
    output_bytes INTEGER NOT NULL DEFAULT 0,
    n_created    INTEGER NOT NULL DEFAULT 0 CHECK (n_created >= 0),
    n_scheduled  INTEGER NOT NULL DEFAULT 0 CHECK (n_scheduled >= 0),
    n_dispatched INTEGER NOT NULL DEFAULT 0 CHECK (n_dispatched >= 0),
    n_delivered  INTEGER NOT NULL DEFAULT 0 CHECK (n_delivered >= 0),
    n_failed     INTEGER NOT NULL DEFAULT 0 CHECK (n_failed >= 0)
) STRICT;

CREATE TABLE results (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    account    INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    blob_key   TEXT    NOT NULL,
    media_type TEXT    NOT NULL,
    bytes      INTEGER NOT NULL,
    sha1       TEXT    NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX results_expiring ON results (expires_ms);

-- Kept as long as the webhook's history: a resend needs the URL. An uploaded input has a key, a fetched one none.
CREATE TABLE requests (
    no                 INTEGER PRIMARY KEY,
    id                 BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    account            INTEGER NOT NULL,
    created_ms         INTEGER NOT NULL,
    input_key          TEXT,
    input_name         TEXT,
    input_bytes        INTEGER,
    webhook_delay_ms   INTEGER NOT NULL,
    webhook_expires_ms INTEGER,
    webhook_retry      INTEGER NOT NULL CHECK (webhook_retry IN (0, 1)),
    webhook_authority  TEXT    NOT NULL,
    webhook_url        TEXT    NOT NULL,
    webhook_headers    TEXT    NOT NULL,
    spec               TEXT    NOT NULL
) STRICT;

CREATE TABLE jobs (
    no             INTEGER PRIMARY KEY,
    account        INTEGER NOT NULL,
    due_ms         INTEGER NOT NULL,
    fence          INTEGER NOT NULL,
    lease_until_ms INTEGER,
    n_crashes      INTEGER NOT NULL
) STRICT;

CREATE INDEX jobs_due ON jobs (due_ms) WHERE lease_until_ms IS NULL;
CREATE INDEX jobs_leased ON jobs (lease_until_ms) WHERE lease_until_ms IS NOT NULL;

CREATE TABLE payloads (
    no          INTEGER PRIMARY KEY,
    finished_ms INTEGER NOT NULL,
    payload     TEXT    NOT NULL
) STRICT;

-- `account` and `created_ms` repeat the request's, for the two indexes that lists are read by.
CREATE TABLE webhooks (
    no            INTEGER PRIMARY KEY,
    account       INTEGER NOT NULL,
    created_ms    INTEGER NOT NULL,
    status        TEXT    NOT NULL
                  CHECK (status IN ('created', 'scheduled', 'dispatched', 'delivered', 'failed')),
    scheduled_ms  INTEGER,
    dispatched_ms INTEGER,
    delivered_ms  INTEGER,
    failed_ms     INTEGER,
    failure       TEXT
) STRICT;

CREATE INDEX webhooks_listed ON webhooks (account, created_ms);
CREATE INDEX webhooks_by_status ON webhooks (account, status, created_ms);

CREATE TABLE webhook_queue (
    no             INTEGER PRIMARY KEY,
    account        INTEGER NOT NULL,
    authority      TEXT    NOT NULL,
    due_ms         INTEGER NOT NULL,
    fence          INTEGER NOT NULL,
    lease_until_ms INTEGER,
    attempt        INTEGER NOT NULL
) STRICT;

CREATE INDEX webhook_queue_due ON webhook_queue (due_ms) WHERE lease_until_ms IS NULL;
CREATE INDEX webhook_queue_leased ON webhook_queue (lease_until_ms) WHERE lease_until_ms IS NOT NULL;

-- A row without outcome is an attempt under way.
CREATE TABLE attempts (
    no            INTEGER NOT NULL,
    number        INTEGER NOT NULL,
    fence         INTEGER NOT NULL,
    started_ms    INTEGER NOT NULL,
    duration_ms   INTEGER,
    outcome       TEXT
                  CHECK (outcome IN ('delivered', 'refused', 'timeout', 'tls', 'dns', 'blocked_address', 'protocol',
                                     'interrupted', 'rejected')),
    status        INTEGER,
    address       TEXT,
    dns_ms        INTEGER,
    connect_ms    INTEGER,
    tls_ms        INTEGER,
    first_byte_ms INTEGER,
    response      TEXT,
    PRIMARY KEY (no, number)
) STRICT, WITHOUT ROWID;

-- Written by the health check: a commit is the only proof that commits work.
CREATE TABLE heartbeat (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    at_ms INTEGER NOT NULL
) STRICT;
