-- +goose Up

-- Times of these tables are integers: microseconds since 1970, UTC.

-- One row per user whose statistics were asked to be kept.
CREATE TABLE wa_gateway_user_stats (
    user_id  text PRIMARY KEY NOT NULL,
    reset_at integer
) STRICT, WITHOUT ROWID;

-- The counters (contract §8). What is shown is base + counted. base is what the
-- row of the foreign statistics table held when the gateway first saw it. epoch
-- grows by one with each reset. behind is what the foreign row still has to be
-- given, because it could not be written, for that reason. There are no foreign
-- keys: statistics stay when a session is deleted.
CREATE TABLE wa_gateway_session_stats (
    id                  integer PRIMARY KEY,
    user_id             text NOT NULL,
    session_id          text NOT NULL,
    base_sent           integer NOT NULL DEFAULT 0,
    base_failed         integer NOT NULL DEFAULT 0,
    sent                integer NOT NULL DEFAULT 0,
    failed              integer NOT NULL DEFAULT 0,
    delivered           integer NOT NULL DEFAULT 0,
    read                integer NOT NULL DEFAULT 0,
    behind_sent         integer NOT NULL DEFAULT 0,
    behind_failed       integer NOT NULL DEFAULT 0,
    behind_reason       text NOT NULL DEFAULT '',
    base_last_sent_at   integer,
    base_last_failed_at integer,
    last_sent_at        integer,
    last_failed_at      integer,
    reset_at            integer,
    updated_at          integer NOT NULL,
    epoch               integer NOT NULL DEFAULT 0,
    UNIQUE (user_id, session_id)
) STRICT;
CREATE INDEX wa_gateway_session_stats_session_id ON wa_gateway_session_stats (session_id);
CREATE INDEX wa_gateway_session_stats_behind ON wa_gateway_session_stats (id) WHERE behind_reason <> '';

-- One row per message: everything told about it, boiled down (stats.Message).
--   outcome  0 not counted (from before a reset), 1 sent, 2 failed
--   at       when it got that outcome
--   epoch    that of session_stats when the row was created; an older one is not
--            counted any more
CREATE TABLE wa_gateway_message_ledger (
    stats_id     integer NOT NULL, -- session_stats.id
    message_id   text NOT NULL,
    epoch        integer NOT NULL,
    outcome      integer NOT NULL,
    at           integer NOT NULL,
    first_at     integer NOT NULL,
    sent_at      integer,
    failed_at    integer,
    delivered_at integer,
    read_at      integer,
    recipient    text NOT NULL DEFAULT '',
    type         text NOT NULL DEFAULT '',
    error        text NOT NULL DEFAULT '',
    PRIMARY KEY (stats_id, message_id)
) STRICT, WITHOUT ROWID;
-- The latest counted message of an outcome, when the one that was it changes sides.
CREATE INDEX wa_gateway_message_ledger_latest ON wa_gateway_message_ledger (stats_id, epoch, outcome, at) WHERE outcome <> 0;

-- +goose Down
DROP TABLE wa_gateway_message_ledger;
DROP TABLE wa_gateway_session_stats;
DROP TABLE wa_gateway_user_stats;
