-- +goose Up

-- Whoever turns events into rows takes those of one source, in order of arrival.
-- error says why an event became no rows; attempts counts how often it was tried.
ALTER TABLE wa_gateway.webhook_events
    ADD COLUMN error    text NOT NULL DEFAULT '',
    ADD COLUMN attempts integer NOT NULL DEFAULT 0;
CREATE INDEX webhook_events_waiting ON wa_gateway.webhook_events (source, received_at, id) WHERE processed_at IS NULL;

-- Where a session stands. changed_at is when it came to be so, by the server's time;
-- clocks holds the times of those other columns that were told at another time.
CREATE TABLE wa_gateway.session_states (
    session_id    text PRIMARY KEY NOT NULL,
    state         text NOT NULL DEFAULT '',
    jid           text NOT NULL DEFAULT '',
    name          text NOT NULL DEFAULT '',
    qr            text NOT NULL DEFAULT '',
    qr_png        bytea NOT NULL DEFAULT '',
    qr_at         timestamptz,
    qr_expires_at timestamptz,
    settled_at    timestamptz, -- no QR code from before it is of use
    changed_at    timestamptz NOT NULL,
    clocks        text NOT NULL DEFAULT '',
    updated_at    timestamptz NOT NULL
);

-- What became of messages that sessions sent: messages refers to it by session_id and
-- message_id, but a receipt may be told of a message that never is.
CREATE TABLE wa_gateway.receipts (
    session_id text NOT NULL,
    message_id text NOT NULL,
    status     text NOT NULL CHECK (status IN ('sent', 'delivered', 'read', 'failed')),
    chat_jid   text NOT NULL DEFAULT '',
    error      text NOT NULL DEFAULT '',
    first_at   timestamptz NOT NULL, -- in groups, the first member's
    at         timestamptz NOT NULL, -- and the last one's
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (session_id, message_id, status)
);

ALTER TABLE wa_gateway.contacts
    ADD COLUMN changed_at timestamptz NOT NULL DEFAULT '1970-01-01 00:00:00+00',
    ADD COLUMN clocks     text NOT NULL DEFAULT '';

-- active_at is last_message_at, or 1970 where there is none, to page by.
ALTER TABLE wa_gateway.chats
    ADD COLUMN active_at  timestamptz NOT NULL DEFAULT '1970-01-01 00:00:00+00',
    ADD COLUMN changed_at timestamptz NOT NULL DEFAULT '1970-01-01 00:00:00+00',
    ADD COLUMN clocks     text NOT NULL DEFAULT '';
UPDATE wa_gateway.chats SET active_at = last_message_at WHERE last_message_at IS NOT NULL;
DROP INDEX wa_gateway.chats_recent;
CREATE INDEX chats_active ON wa_gateway.chats (session_id, active_at DESC, jid DESC);

-- known is false for a message of which only an edit or its deletion was told.
ALTER TABLE wa_gateway.messages
    ADD COLUMN filename   text NOT NULL DEFAULT '',
    ADD COLUMN reply_to   text NOT NULL DEFAULT '',
    ADD COLUMN push_name  text NOT NULL DEFAULT '',
    ADD COLUMN known      boolean NOT NULL DEFAULT true,
    ADD COLUMN revoked_at timestamptz,
    ADD COLUMN edited_at  timestamptz,
    ADD COLUMN changed_at timestamptz NOT NULL DEFAULT '1970-01-01 00:00:00+00',
    ADD COLUMN clocks     text NOT NULL DEFAULT '';
DROP INDEX wa_gateway.messages_recent;
CREATE INDEX messages_by_time ON wa_gateway.messages (session_id, chat_jid, sent_at DESC, message_id DESC);
CREATE INDEX messages_by_id ON wa_gateway.messages (session_id, message_id);

-- +goose Down
DROP INDEX wa_gateway.messages_by_id;
DROP INDEX wa_gateway.messages_by_time;
CREATE INDEX messages_recent ON wa_gateway.messages (session_id, chat_jid, sent_at DESC);
ALTER TABLE wa_gateway.messages
    DROP COLUMN filename,
    DROP COLUMN reply_to,
    DROP COLUMN push_name,
    DROP COLUMN known,
    DROP COLUMN revoked_at,
    DROP COLUMN edited_at,
    DROP COLUMN changed_at,
    DROP COLUMN clocks;
DROP INDEX wa_gateway.chats_active;
CREATE INDEX chats_recent ON wa_gateway.chats (session_id, last_message_at DESC);
ALTER TABLE wa_gateway.chats
    DROP COLUMN active_at,
    DROP COLUMN changed_at,
    DROP COLUMN clocks;
ALTER TABLE wa_gateway.contacts
    DROP COLUMN changed_at,
    DROP COLUMN clocks;
DROP TABLE wa_gateway.receipts;
DROP TABLE wa_gateway.session_states;
DROP INDEX wa_gateway.webhook_events_waiting;
ALTER TABLE wa_gateway.webhook_events
    DROP COLUMN error,
    DROP COLUMN attempts;
