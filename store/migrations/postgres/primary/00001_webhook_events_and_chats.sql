-- +goose Up

-- What WA servers send to POST /events/webhook, as it came. The hash of source
-- and payload keeps one row however often an event is delivered.
CREATE TABLE wa_gateway.webhook_events (
    id           text PRIMARY KEY NOT NULL,
    source       text NOT NULL,
    session_id   text NOT NULL DEFAULT '',
    event_type   text NOT NULL DEFAULT '',
    payload      json NOT NULL, -- not jsonb, which refuses some of what is sent (\u0000, lone surrogates)
    content_hash text NOT NULL UNIQUE,
    received_at  timestamptz NOT NULL,
    processed_at timestamptz
);
CREATE INDEX webhook_events_session ON wa_gateway.webhook_events (session_id, received_at);
CREATE INDEX webhook_events_pending ON wa_gateway.webhook_events (received_at) WHERE processed_at IS NULL;

-- What the events say of a session's account. Sessions belong to the other
-- database, so nothing here refers to them but by their id.
CREATE TABLE wa_gateway.contacts (
    session_id text NOT NULL,
    jid        text NOT NULL,
    name       text NOT NULL DEFAULT '',
    push_name  text NOT NULL DEFAULT '',
    phone      text NOT NULL DEFAULT '',
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (session_id, jid)
);

CREATE TABLE wa_gateway.chats (
    session_id      text NOT NULL,
    jid             text NOT NULL,
    name            text NOT NULL DEFAULT '',
    is_group        boolean NOT NULL DEFAULT false,
    unread_count    bigint NOT NULL DEFAULT 0,
    last_message_at timestamptz,
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (session_id, jid)
);
CREATE INDEX chats_recent ON wa_gateway.chats (session_id, last_message_at DESC);

CREATE TABLE wa_gateway.messages (
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
    sent_at    timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (session_id, chat_jid, message_id),
    FOREIGN KEY (session_id, chat_jid) REFERENCES wa_gateway.chats (session_id, jid) ON DELETE CASCADE
);
CREATE INDEX messages_recent ON wa_gateway.messages (session_id, chat_jid, sent_at DESC);

-- +goose Down
DROP TABLE wa_gateway.messages;
DROP TABLE wa_gateway.chats;
DROP TABLE wa_gateway.contacts;
DROP TABLE wa_gateway.webhook_events;
