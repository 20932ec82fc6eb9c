-- +goose Up

-- What was counted of messages whose rows have left the ledger by age, so that
-- counters can always be compared with it: sent = archived + rows.
ALTER TABLE wa_gateway_session_stats ADD COLUMN archived_sent integer NOT NULL DEFAULT 0;
ALTER TABLE wa_gateway_session_stats ADD COLUMN archived_failed integer NOT NULL DEFAULT 0;
ALTER TABLE wa_gateway_session_stats ADD COLUMN archived_delivered integer NOT NULL DEFAULT 0;
ALTER TABLE wa_gateway_session_stats ADD COLUMN archived_read integer NOT NULL DEFAULT 0;
ALTER TABLE wa_gateway_session_stats ADD COLUMN archived_last_sent_at integer;
ALTER TABLE wa_gateway_session_stats ADD COLUMN archived_last_failed_at integer;

-- The same counts over time. A message belongs to the time at which the first
-- thing told of it happened (message_ledger.first_at), whatever comes later, and
-- to its type. Quarters of an hour make up the hours and days of every time zone;
-- very old ones are put together to days of UTC (minutes = 1440). Rows go with a
-- reset.
CREATE TABLE wa_gateway_stats_rollups (
    stats_id  integer NOT NULL, -- session_stats.id
    minutes   integer NOT NULL, -- 15 or 1440
    start     integer NOT NULL, -- microseconds since 1970
    type      text NOT NULL,
    sent      integer NOT NULL DEFAULT 0,
    failed    integer NOT NULL DEFAULT 0,
    delivered integer NOT NULL DEFAULT 0,
    read      integer NOT NULL DEFAULT 0,
    PRIMARY KEY (stats_id, minutes, start, type)
) STRICT, WITHOUT ROWID;

INSERT INTO wa_gateway_stats_rollups (stats_id, minutes, start, type, sent, failed, delivered, read)
SELECT m.stats_id, 15, m.first_at - m.first_at % 900000000, m.type,
    sum(m.outcome = 1),
    sum(m.outcome = 2),
    sum(m.outcome = 1 AND (m.delivered_at IS NOT NULL OR m.read_at IS NOT NULL)),
    sum(m.outcome = 1 AND m.read_at IS NOT NULL)
FROM wa_gateway_message_ledger m
JOIN wa_gateway_session_stats s ON s.id = m.stats_id AND s.epoch = m.epoch
WHERE m.outcome <> 0
GROUP BY 1, 2, 3, 4;

-- What leaves the ledger by age is found by message_ledger_latest; it lacks the
-- rows that are not counted.
CREATE INDEX wa_gateway_message_ledger_uncounted ON wa_gateway_message_ledger (stats_id, at) WHERE outcome = 0;

-- Events that cannot be counted, and why, until the operator decides. The hash of
-- the event keeps one row however often it is told.
CREATE TABLE wa_gateway_dead_letters (
    id           text PRIMARY KEY NOT NULL,
    source       text NOT NULL, -- event, outcome or webhook
    user_id      text NOT NULL DEFAULT '',
    session_id   text NOT NULL DEFAULT '',
    message_id   text NOT NULL DEFAULT '',
    payload      text NOT NULL,
    reason       text NOT NULL,
    content_hash text NOT NULL UNIQUE,
    created_at   datetime NOT NULL
);
CREATE INDEX wa_gateway_dead_letters_created_at ON wa_gateway_dead_letters (created_at, id);

-- +goose Down
DROP TABLE wa_gateway_dead_letters;
DROP INDEX wa_gateway_message_ledger_uncounted;
DROP TABLE wa_gateway_stats_rollups;
ALTER TABLE wa_gateway_session_stats DROP COLUMN archived_sent;
ALTER TABLE wa_gateway_session_stats DROP COLUMN archived_failed;
ALTER TABLE wa_gateway_session_stats DROP COLUMN archived_delivered;
ALTER TABLE wa_gateway_session_stats DROP COLUMN archived_read;
ALTER TABLE wa_gateway_session_stats DROP COLUMN archived_last_sent_at;
ALTER TABLE wa_gateway_session_stats DROP COLUMN archived_last_failed_at;
