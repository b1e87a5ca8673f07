-- Requests that their callers named, so that asking twice does the work once. While a request is processed there is no
-- answer yet; an accepted one needs none, because its row in `requests` says all there is to answer.

CREATE TABLE idempotency (
    account    INTEGER NOT NULL,
    key        TEXT    NOT NULL,
    sha256     BLOB    NOT NULL CHECK (length(sha256) = 32),
    request    BLOB    NOT NULL CHECK (length(request) = 16),
    created_ms INTEGER NOT NULL,
    answer     TEXT,
    PRIMARY KEY (account, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_old ON idempotency (created_ms);
CREATE INDEX idempotency_unanswered ON idempotency (request) WHERE answer IS NULL;
