-- +goose Up

-- Texts compare byte by byte (COLLATE "C"): that is faster, and the order in
-- which rows are locked does not depend on the server's locale.

-- One row per user whose statistics were asked to be kept. It is locked while a
-- row of session_stats is created and while the user is reset, so that neither
-- misses the other.
CREATE TABLE wa_gateway.user_stats (
    user_id  text COLLATE "C" PRIMARY KEY,
    reset_at timestamptz
);

-- The counters (contract §8). What is shown is base + counted. base is what the
-- row of the foreign statistics table held when the gateway first saw it. epoch
-- grows by one with each reset. behind is what the foreign row still has to be
-- given, because it could not be written, for that reason. There are no foreign
-- keys: statistics stay when a session is deleted.
CREATE TABLE wa_gateway.session_stats (
    id                  bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    base_sent           bigint NOT NULL DEFAULT 0,
    base_failed         bigint NOT NULL DEFAULT 0,
    sent                bigint NOT NULL DEFAULT 0,
    failed              bigint NOT NULL DEFAULT 0,
    delivered           bigint NOT NULL DEFAULT 0,
    read                bigint NOT NULL DEFAULT 0,
    behind_sent         bigint NOT NULL DEFAULT 0,
    behind_failed       bigint NOT NULL DEFAULT 0,
    base_last_sent_at   timestamptz,
    base_last_failed_at timestamptz,
    last_sent_at        timestamptz,
    last_failed_at      timestamptz,
    reset_at            timestamptz,
    updated_at          timestamptz NOT NULL,
    epoch               integer NOT NULL DEFAULT 0,
    user_id             text COLLATE "C" NOT NULL,
    session_id          text COLLATE "C" NOT NULL,
    behind_reason       text NOT NULL DEFAULT '',
    PRIMARY KEY (user_id, session_id)
) WITH (fillfactor = 50); -- counters change all the time, in place
CREATE INDEX session_stats_session_id ON wa_gateway.session_stats (session_id);
CREATE INDEX session_stats_behind ON wa_gateway.session_stats (id) WHERE behind_reason <> '';

-- One row per message: everything told about it, boiled down (stats.Message).
-- Rows are written only while their row of session_stats is locked.
--   outcome  0 not counted (from before a reset), 1 sent, 2 failed
--   at       when it got that outcome
--   epoch    that of session_stats when the row was created; an older one is not
--            counted any more
CREATE TABLE wa_gateway.message_ledger (
    stats_id     bigint NOT NULL, -- session_stats.id
    at           timestamptz NOT NULL,
    first_at     timestamptz NOT NULL,
    sent_at      timestamptz,
    failed_at    timestamptz,
    delivered_at timestamptz,
    read_at      timestamptz,
    epoch        integer NOT NULL,
    outcome      smallint NOT NULL,
    message_id   text COLLATE "C" NOT NULL,
    recipient    text NOT NULL DEFAULT '',
    type         text NOT NULL DEFAULT '',
    error        text NOT NULL DEFAULT '',
    PRIMARY KEY (stats_id, message_id)
) WITH (fillfactor = 50, -- a message is written again when it is delivered and read: in place
        autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
-- The latest counted message of an outcome, when the one that was it changes sides.
CREATE INDEX message_ledger_latest ON wa_gateway.message_ledger (stats_id, epoch, outcome, at) WHERE outcome <> 0;

-- +goose Down
DROP TABLE wa_gateway.message_ledger;
DROP TABLE wa_gateway.session_stats;
DROP TABLE wa_gateway.user_stats;
