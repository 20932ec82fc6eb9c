-- +goose Up

-- How the gateway speaks to the WA server of a session that it created there.
-- credential, webhook_secret and customer_key are encrypted before they come here. Sessions belong
-- to the other application's table, so nothing refers to it but by the id.
CREATE TABLE wa_gateway_session_links (
    session_id     text PRIMARY KEY NOT NULL,
    user_id        text NOT NULL,
    server         text NOT NULL, -- the WA server's name
    remote_id      text NOT NULL, -- what that server calls the session
    credential     blob NOT NULL DEFAULT x'',
    webhook_secret blob NOT NULL DEFAULT x'',
    webhook        text NOT NULL DEFAULT '', -- the customer's own URL
    customer_key   blob NOT NULL DEFAULT x'', -- signs what is posted there
    created_at     datetime NOT NULL,
    updated_at     datetime NOT NULL,
    UNIQUE (server, remote_id)
);
CREATE INDEX wa_gateway_session_links_server ON wa_gateway_session_links (server, session_id);

-- +goose Down
DROP TABLE wa_gateway_session_links;
