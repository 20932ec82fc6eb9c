-- +goose Up

-- What WA servers send to POST /events/webhook, as it came. The hash of source
-- and payload keeps one row however often an event is delivered.
CREATE TABLE wa_gateway_webhook_events (
    id           text PRIMARY KEY NOT NULL,
    source       text NOT NULL,
    session_id   text NOT NULL DEFAULT '',
    event_type   text NOT NULL DEFAULT '',
    payload      text NOT NULL,
    content_hash text NOT NULL UNIQUE,
    received_at  datetime NOT NULL,
    processed_at datetime
);
CREATE INDEX wa_gateway_webhook_events_session ON wa_gateway_webhook_events (session_id, received_at);
CREATE INDEX wa_gateway_webhook_events_pending ON wa_gateway_webhook_events (received_at) WHERE processed_at IS NULL;

-- What the events say of a session's account. Sessions belong to the other
-- database, so nothing here refers to them but by their id.
CREATE TABLE wa_gateway_contacts (
    session_id text NOT NULL,
    jid        text NOT NULL,
    name       text NOT NULL DEFAULT '',
    push_name  text NOT NULL DEFAULT '',
    phone      text NOT NULL DEFAULT '',
    updated_at datetime NOT NULL,
    PRIMARY KEY (session_id, jid)
);

CREATE TABLE wa_gateway_chats (
    session_id      text NOT NULL,
    jid             text NOT NULL,
    name            text NOT NULL DEFAULT '',
    is_group        boolean NOT NULL DEFAULT false,
    unread_count    integer NOT NULL DEFAULT 0,
    last_message_at datetime,
    updated_at      datetime NOT NULL,
    PRIMARY KEY (session_id, jid)
);
CREATE INDEX wa_gateway_chats_recent ON wa_gateway_chats (session_id, last_message_at DESC);

CREATE TABLE wa_gateway_messages (
    session_id text NOT NULL,
    chat_jid   text NOT NULL,
    message_id text NOT NULL,
    sender_jid text NOT NULL DEFAULT '',
    from_me    boolean NOT NULL DEFAULT false,
    type       text NOT NULL DEFAULT '',
    body       text NOT NULL DEFAULT '',
    media_url  text NOT NULL DEFAULT '',
    media_type text NOT NULL DEFAULT '',
    status     text NOT NULL DEFAULT '',
    sent_at    datetime NOT NULL,
    updated_at datetime NOT NULL,
    PRIMARY KEY (session_id, chat_jid, message_id),
    FOREIGN KEY (session_id, chat_jid) REFERENCES wa_gateway_chats (session_id, jid) ON DELETE CASCADE
);
CREATE INDEX wa_gateway_messages_recent ON wa_gateway_messages (session_id, chat_jid, sent_at DESC);

-- +goose Down
DROP TABLE wa_gateway_messages;
DROP TABLE wa_gateway_chats;
DROP TABLE wa_gateway_contacts;
DROP TABLE wa_gateway_webhook_events;
