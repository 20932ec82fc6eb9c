-- +goose Up

-- What was counted of messages whose rows have left the ledger by age, so that
-- counters can always be compared with it: sent = archived + rows.
ALTER TABLE wa_gateway.session_stats
    ADD COLUMN archived_sent           bigint NOT NULL DEFAULT 0,
    ADD COLUMN archived_failed         bigint NOT NULL DEFAULT 0,
    ADD COLUMN archived_delivered      bigint NOT NULL DEFAULT 0,
    ADD COLUMN archived_read           bigint NOT NULL DEFAULT 0,
    ADD COLUMN archived_last_sent_at   timestamptz,
    ADD COLUMN archived_last_failed_at timestamptz;

-- The same counts over time. A message belongs to the time at which the first
-- thing told of it happened (message_ledger.first_at), whatever comes later, and
-- to its type. Quarters of an hour make up the hours and days of every time zone;
-- very old ones are put together to days of UTC (minutes = 1440). Rows are written
-- only while their row of session_stats is locked, and go with a reset.
CREATE TABLE wa_gateway.stats_rollups (
    stats_id  bigint NOT NULL, -- session_stats.id
    start     timestamptz NOT NULL,
    sent      bigint NOT NULL DEFAULT 0,
    failed    bigint NOT NULL DEFAULT 0,
    delivered bigint NOT NULL DEFAULT 0,
    read      bigint NOT NULL DEFAULT 0,
    minutes   smallint NOT NULL, -- 15 or 1440
    type      text COLLATE "C" NOT NULL,
    PRIMARY KEY (stats_id, minutes, start, type)
) WITH (fillfactor = 50); -- the present ones change all the time, in place

INSERT INTO wa_gateway.stats_rollups (stats_id, minutes, start, type, sent, failed, delivered, read)
SELECT m.stats_id, 15, to_timestamp(floor(extract(epoch FROM m.first_at) / 900) * 900), m.type,
    count(*) FILTER (WHERE m.outcome = 1),
    count(*) FILTER (WHERE m.outcome = 2),
    count(*) FILTER (WHERE m.outcome = 1 AND (m.delivered_at IS NOT NULL OR m.read_at IS NOT NULL)),
    count(*) FILTER (WHERE m.outcome = 1 AND m.read_at IS NOT NULL)
FROM wa_gateway.message_ledger m
JOIN wa_gateway.session_stats s ON s.id = m.stats_id AND s.epoch = m.epoch
WHERE m.outcome <> 0
GROUP BY 1, 2, 3, 4;

-- What leaves the ledger by age is found by message_ledger_latest; it lacks the
-- rows that are not counted.
CREATE INDEX message_ledger_uncounted ON wa_gateway.message_ledger (stats_id, at) WHERE outcome = 0;

-- Events that cannot be counted, and why, until the operator decides. The hash of
-- the event keeps one row however often it is told.
CREATE TABLE wa_gateway.dead_letters (
    id           text PRIMARY KEY NOT NULL,
    source       text NOT NULL, -- event, outcome or webhook
    user_id      text NOT NULL DEFAULT '',
    session_id   text NOT NULL DEFAULT '',
    message_id   text NOT NULL DEFAULT '',
    payload      text NOT NULL,
    reason       text NOT NULL,
    content_hash text NOT NULL UNIQUE,
    created_at   timestamptz NOT NULL
);
CREATE INDEX dead_letters_created_at ON wa_gateway.dead_letters (created_at, id);

-- +goose Down
DROP TABLE wa_gateway.dead_letters;
DROP INDEX wa_gateway.message_ledger_uncounted;
DROP TABLE wa_gateway.stats_rollups;
ALTER TABLE wa_gateway.session_stats
    DROP COLUMN archived_sent,
    DROP COLUMN archived_failed,
    DROP COLUMN archived_delivered,
    DROP COLUMN archived_read,
    DROP COLUMN archived_last_sent_at,
    DROP COLUMN archived_last_failed_at;
