-- +goose Up

-- The gateway's own API keys (contract §4). user_id has no foreign key: the users
-- table belongs to another application, whose own changes to it must not fail
-- because of us.
CREATE TABLE wa_gateway.api_keys (
    id           text PRIMARY KEY,
    user_id      text NOT NULL,
    name         text NOT NULL DEFAULT '',
    prefix       text NOT NULL,
    hash         text NOT NULL UNIQUE,
    mode         text NOT NULL CHECK (mode IN ('live', 'test')),
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz
);
CREATE INDEX api_keys_user_id ON wa_gateway.api_keys (user_id);
CREATE INDEX api_keys_prefix ON wa_gateway.api_keys (prefix);

-- Places for sessions that are being created at the WA server (contract §3), so
-- that calls side by side cannot pass the package's max_session together.
CREATE TABLE wa_gateway.session_reservations (
    id         text PRIMARY KEY,
    user_id    text NOT NULL,
    session_id text UNIQUE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX session_reservations_user_id ON wa_gateway.session_reservations (user_id);

-- +goose Down
DROP TABLE wa_gateway.session_reservations;
DROP TABLE wa_gateway.api_keys;
