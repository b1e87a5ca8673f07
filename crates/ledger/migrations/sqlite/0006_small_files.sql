-- Small files ride in the commit of the row that names them, instead of being flushed on their own beside it.

-- An uploaded input, while its job lives.
CREATE TABLE inputs (
    no      INTEGER PRIMARY KEY,
    content BLOB NOT NULL
) STRICT;

-- A result is one of our files or stands here.
ALTER TABLE results RENAME TO results_before;
DROP INDEX results_expiring;

CREATE TABLE results (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    account    INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    media_type TEXT    NOT NULL,
    bytes      INTEGER NOT NULL,
    sha1       TEXT    NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    blob_key   TEXT,
    content    BLOB,
    CHECK ((blob_key IS NULL) <> (content IS NULL))
) STRICT;

INSERT INTO results (id, account, name, media_type, bytes, sha1, created_ms, expires_ms, blob_key)
SELECT id, account, name, media_type, bytes, sha1, created_ms, expires_ms, blob_key FROM results_before;

DROP TABLE results_before;

CREATE INDEX results_expiring ON results (expires_ms);
