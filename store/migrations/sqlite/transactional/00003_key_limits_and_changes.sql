-- +goose Up

-- What a key may be used for, which sessions it opens and where it may come from.
-- Words with spaces between them; none means no limit.
ALTER TABLE wa_gateway_api_keys ADD COLUMN scopes text NOT NULL DEFAULT '';
ALTER TABLE wa_gateway_api_keys ADD COLUMN sessions text NOT NULL DEFAULT '';
ALTER TABLE wa_gateway_api_keys ADD COLUMN addresses text NOT NULL DEFAULT '';
ALTER TABLE wa_gateway_api_keys ADD COLUMN replaced_by text; -- the id of the key that came after it

-- What was changed lately, for the gateways that remember what it was before.
-- created_at is in milliseconds since 1970, UTC.
CREATE TABLE wa_gateway_changes (
    id         integer PRIMARY KEY AUTOINCREMENT,
    kind       text NOT NULL,
    key        text NOT NULL,
    created_at integer NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER))
) STRICT;
CREATE INDEX wa_gateway_changes_created_at ON wa_gateway_changes (created_at);

-- +goose Down
DROP TABLE wa_gateway_changes;
ALTER TABLE wa_gateway_api_keys DROP COLUMN scopes;
ALTER TABLE wa_gateway_api_keys DROP COLUMN sessions;
ALTER TABLE wa_gateway_api_keys DROP COLUMN addresses;
ALTER TABLE wa_gateway_api_keys DROP COLUMN replaced_by;
