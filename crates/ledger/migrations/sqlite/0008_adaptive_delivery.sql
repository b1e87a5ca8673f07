-- Adaptive concurrency limits, circuit breakers that know the path that failed, and the last chance of webhooks
-- that were never attempted.

-- `path` is a hash of the URL without its query, 0 for webhooks of an earlier version. `is_last_chance` marks a
-- webhook that reached its expiry without an attempt: it gets one attempt, whatever pause its destination has.
ALTER TABLE webhook_queue ADD COLUMN path INTEGER NOT NULL DEFAULT 0;
ALTER TABLE webhook_queue ADD COLUMN is_last_chance INTEGER NOT NULL DEFAULT 0 CHECK (is_last_chance IN (0, 1));

DROP INDEX webhook_queue_waiting;
CREATE INDEX webhook_queue_waiting ON webhook_queue (destination, lane, due_ms)
    WHERE lease_until_ms IS NULL AND is_last_chance = 0;
CREATE INDEX webhook_queue_by_path ON webhook_queue (destination, lane, path, due_ms)
    WHERE lease_until_ms IS NULL AND is_last_chance = 0;
CREATE INDEX webhook_queue_last_chance ON webhook_queue (destination, due_ms)
    WHERE lease_until_ms IS NULL AND is_last_chance = 1;
DROP INDEX webhook_queue_expiring;
CREATE INDEX webhook_queue_expiring ON webhook_queue (expires_ms)
    WHERE expires_ms IS NOT NULL AND lease_until_ms IS NULL AND is_last_chance = 0;

-- The measurement of latency: the baseline and its time, the round of answers that is under way, and the time of
-- the last reduction of `concurrency_limit`.
ALTER TABLE destinations ADD COLUMN baseline_ms INTEGER;
ALTER TABLE destinations ADD COLUMN measured_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE destinations ADD COLUMN measurement TEXT CHECK (measurement IN ('drain', 'alone'));
ALTER TABLE destinations ADD COLUMN n_answers INTEGER NOT NULL DEFAULT 0;
ALTER TABLE destinations ADD COLUMN latency_sum_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE destinations ADD COLUMN round_start_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE destinations ADD COLUMN is_limit_reached INTEGER NOT NULL DEFAULT 0 CHECK (is_limit_reached IN (0, 1));
ALTER TABLE destinations ADD COLUMN reduced_ms INTEGER NOT NULL DEFAULT 0;

-- The time of the first of the failures in a row, and their path, if all of them have the same path.
ALTER TABLE destinations ADD COLUMN down_since_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE destinations ADD COLUMN failed_path INTEGER;

-- Webhooks that may be sent during a pause: the earliest due time of the ones with a last chance, the earliest due
-- time of the ones to another path than `failed_path`, and the time at which a claim may take one of them.
ALTER TABLE destinations ADD COLUMN last_chance_due_ms INTEGER;
ALTER TABLE destinations ADD COLUMN other_path_due_ms INTEGER;
ALTER TABLE destinations ADD COLUMN urgent_ready_ms INTEGER;
CREATE INDEX destinations_urgent ON destinations (urgent_ready_ms) WHERE urgent_ready_ms IS NOT NULL;
DROP INDEX destinations_idle;
CREATE INDEX destinations_idle ON destinations (last_claimed_ms)
    WHERE first_due_ms IS NULL AND retry_due_ms IS NULL AND last_chance_due_ms IS NULL;
