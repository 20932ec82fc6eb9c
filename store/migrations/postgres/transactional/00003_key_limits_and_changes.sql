-- +goose Up

-- What a key may be used for, which sessions it opens and where it may come from.
-- Words with spaces between them; none means no limit.
ALTER TABLE wa_gateway.api_keys
    ADD COLUMN scopes      text NOT NULL DEFAULT '',
    ADD COLUMN sessions    text NOT NULL DEFAULT '',
    ADD COLUMN addresses   text NOT NULL DEFAULT '',
    ADD COLUMN replaced_by text; -- the id of the key that came after it

-- What was changed lately, for the gateways that remember what it was before. The
-- time is the database's, so that no gateway's clock matters. Rows may become
-- visible in another order than that of their ids.
CREATE TABLE wa_gateway.changes (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind       text NOT NULL,
    key        text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX changes_created_at ON wa_gateway.changes (created_at);

-- +goose Down
DROP TABLE wa_gateway.changes;
ALTER TABLE wa_gateway.api_keys
    DROP COLUMN scopes,
    DROP COLUMN sessions,
    DROP COLUMN addresses,
    DROP COLUMN replaced_by;
