-- +goose Up

-- How the gateway speaks to the WA server of a session that it created there.
-- credential, webhook_secret and customer_key are encrypted before they come here. Sessions belong
-- to the other application's table, so nothing refers to it but by the id.
CREATE TABLE wa_gateway.session_links (
    session_id     text PRIMARY KEY,
    user_id        text NOT NULL,
    server         text NOT NULL, -- the WA server's name
    remote_id      text NOT NULL, -- what that server calls the session
    credential     bytea NOT NULL DEFAULT '',
    webhook_secret bytea NOT NULL DEFAULT '',
    webhook        text NOT NULL DEFAULT '', -- the customer's own URL
    customer_key   bytea NOT NULL DEFAULT '', -- signs what is posted there
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    UNIQUE (server, remote_id)
);
CREATE INDEX session_links_server ON wa_gateway.session_links (server, session_id);

-- +goose Down
DROP TABLE wa_gateway.session_links;
