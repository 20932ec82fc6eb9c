-- +goose Up

-- Whoever turns events into rows takes those of one source, in order of arrival.
-- error says why an event became no rows; attempts counts how often it was tried.
ALTER TABLE wa_gateway_webhook_events ADD COLUMN error text NOT NULL DEFAULT '';
ALTER TABLE wa_gateway_webhook_events ADD COLUMN attempts integer NOT NULL DEFAULT 0;
CREATE INDEX wa_gateway_webhook_events_waiting ON wa_gateway_webhook_events (source, received_at, id) WHERE processed_at IS NULL;

-- Where a session stands. changed_at is when it came to be so, by the server's time;
-- clocks holds the times of those other columns that were told at another time.
CREATE TABLE wa_gateway_session_states (
    session_id    text PRIMARY KEY NOT NULL,
    state         text NOT NULL DEFAULT '',
    jid           text NOT NULL DEFAULT '',
    name          text NOT NULL DEFAULT '',
    qr            text NOT NULL DEFAULT '',
    qr_png        blob NOT NULL DEFAULT x'',
    qr_at         datetime,
    qr_expires_at datetime,
    settled_at    datetime, -- no QR code from before it is of use
    changed_at    datetime NOT NULL,
    clocks        text NOT NULL DEFAULT '',
    updated_at    datetime NOT NULL
);

-- What became of messages that sessions sent: messages refers to it by session_id and
-- message_id, but a receipt may be told of a message that never is.
CREATE TABLE wa_gateway_receipts (
    session_id text NOT NULL,
    message_id text NOT NULL,
    status     text NOT NULL CHECK (status IN ('sent', 'delivered', 'read', 'failed')),
    chat_jid   text NOT NULL DEFAULT '',
    error      text NOT NULL DEFAULT '',
    first_at   datetime NOT NULL, -- in groups, the first member's
    at         datetime NOT NULL, -- and the last one's
    updated_at datetime NOT NULL,
    PRIMARY KEY (session_id, message_id, status)
);

ALTER TABLE wa_gateway_contacts ADD COLUMN changed_at datetime NOT NULL DEFAULT '1970-01-01T00:00:00.000Z';
ALTER TABLE wa_gateway_contacts ADD COLUMN clocks text NOT NULL DEFAULT '';

-- active_at is last_message_at, or 1970 where there is none, to page by.
ALTER TABLE wa_gateway_chats ADD COLUMN active_at datetime NOT NULL DEFAULT '1970-01-01T00:00:00.000Z';
ALTER TABLE wa_gateway_chats ADD COLUMN changed_at datetime NOT NULL DEFAULT '1970-01-01T00:00:00.000Z';
ALTER TABLE wa_gateway_chats ADD COLUMN clocks text NOT NULL DEFAULT '';
UPDATE wa_gateway_chats SET active_at = last_message_at WHERE last_message_at IS NOT NULL;
DROP INDEX wa_gateway_chats_recent;
CREATE INDEX wa_gateway_chats_active ON wa_gateway_chats (session_id, active_at DESC, jid DESC);

-- known is false for a message of which only an edit or its deletion was told.
ALTER TABLE wa_gateway_messages ADD COLUMN filename text NOT NULL DEFAULT '';
ALTER TABLE wa_gateway_messages ADD COLUMN reply_to text NOT NULL DEFAULT '';
ALTER TABLE wa_gateway_messages ADD COLUMN push_name text NOT NULL DEFAULT '';
ALTER TABLE wa_gateway_messages ADD COLUMN known boolean NOT NULL DEFAULT true;
ALTER TABLE wa_gateway_messages ADD COLUMN revoked_at datetime;
ALTER TABLE wa_gateway_messages ADD COLUMN edited_at datetime;
ALTER TABLE wa_gateway_messages ADD COLUMN changed_at datetime NOT NULL DEFAULT '1970-01-01T00:00:00.000Z';
ALTER TABLE wa_gateway_messages ADD COLUMN clocks text NOT NULL DEFAULT '';
DROP INDEX wa_gateway_messages_recent;
CREATE INDEX wa_gateway_messages_by_time ON wa_gateway_messages (session_id, chat_jid, sent_at DESC, message_id DESC);
CREATE INDEX wa_gateway_messages_by_id ON wa_gateway_messages (session_id, message_id);

-- +goose Down
DROP INDEX wa_gateway_messages_by_id;
DROP INDEX wa_gateway_messages_by_time;
CREATE INDEX wa_gateway_messages_recent ON wa_gateway_messages (session_id, chat_jid, sent_at DESC);
ALTER TABLE wa_gateway_messages DROP COLUMN filename;
ALTER TABLE wa_gateway_messages DROP COLUMN reply_to;
ALTER TABLE wa_gateway_messages DROP COLUMN push_name;
ALTER TABLE wa_gateway_messages DROP COLUMN known;
ALTER TABLE wa_gateway_messages DROP COLUMN revoked_at;
ALTER TABLE wa_gateway_messages DROP COLUMN edited_at;
ALTER TABLE wa_gateway_messages DROP COLUMN changed_at;
ALTER TABLE wa_gateway_messages DROP COLUMN clocks;
DROP INDEX wa_gateway_chats_active;
CREATE INDEX wa_gateway_chats_recent ON wa_gateway_chats (session_id, last_message_at DESC);
ALTER TABLE wa_gateway_chats DROP COLUMN active_at;
ALTER TABLE wa_gateway_chats DROP COLUMN changed_at;
ALTER TABLE wa_gateway_chats DROP COLUMN clocks;
ALTER TABLE wa_gateway_contacts DROP COLUMN changed_at;
ALTER TABLE wa_gateway_contacts DROP COLUMN clocks;
DROP TABLE wa_gateway_receipts;
DROP TABLE wa_gateway_session_states;
DROP INDEX wa_gateway_webhook_events_waiting;
ALTER TABLE wa_gateway_webhook_events DROP COLUMN error;
ALTER TABLE wa_gateway_webhook_events DROP COLUMN attempts;
