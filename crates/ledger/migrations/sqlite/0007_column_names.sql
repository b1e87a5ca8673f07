-- Renames columns, so that each name says what the column holds. The rows stay the same.

-- `seq` is the sequence number of a row.
ALTER TABLE webhook_secrets RENAME COLUMN no TO seq;
ALTER TABLE requests RENAME COLUMN no TO seq;
ALTER TABLE inputs RENAME COLUMN no TO seq;
ALTER TABLE jobs RENAME COLUMN no TO seq;
ALTER TABLE payloads RENAME COLUMN no TO seq;
ALTER TABLE webhooks RENAME COLUMN no TO seq;
ALTER TABLE webhook_queue RENAME COLUMN no TO seq;
ALTER TABLE attempts RENAME COLUMN no TO seq;
ALTER TABLE destinations RENAME COLUMN no TO seq;
ALTER TABLE bulk_resends RENAME COLUMN no TO seq;
ALTER TABLE bulk_resends RENAME COLUMN before_no TO before_seq;

-- Why a webhook is due at its time, and the number of its attempts that count against the retry schedule.
ALTER TABLE webhook_queue RENAME COLUMN why TO due_reason;
ALTER TABLE webhook_queue RENAME COLUMN n_counted TO n_counted_attempts;

-- How many webhooks a destination may have under way at once, when a claim last took one of its webhooks, and
-- whether its IP address was at its limit then.
ALTER TABLE destinations RENAME COLUMN send_limit TO concurrency_limit;
ALTER TABLE destinations RENAME COLUMN served_ms TO last_claimed_ms;
ALTER TABLE destinations RENAME COLUMN is_crowded TO address_is_full;

DROP INDEX destinations_crowded;
CREATE INDEX destinations_waiting_for_address ON destinations (address, last_claimed_ms)
    WHERE address_is_full = 1;
