-- Watermarks that accounts uploaded. One that was removed stays, marked, until no request that was accepted before
-- waits for its processing any more.

CREATE TABLE watermarks (
    id         TEXT    NOT NULL PRIMARY KEY,
    account    INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    format     TEXT    NOT NULL,
    width      INTEGER NOT NULL,
    height     INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,
    sha1       TEXT    NOT NULL,
    created_ms INTEGER NOT NULL,
    removed_ms INTEGER
) STRICT;

CREATE INDEX watermarks_listed ON watermarks (account, created_ms, id) WHERE removed_ms IS NULL;
CREATE INDEX watermarks_removed ON watermarks (removed_ms) WHERE removed_ms IS NOT NULL;
