-- +goose Up

-- When a message was last told of, by whatever event: a row keeps the earliest
-- receipts, but has to stay as long as the latest could be told again. It is empty in
-- rows that gateways of an older version write meanwhile. The second statement writes
-- the table anew, which is faster than an UPDATE and leaves nothing behind.
ALTER TABLE wa_gateway.message_ledger ADD COLUMN last_told_at timestamptz;
ALTER TABLE wa_gateway.message_ledger ALTER COLUMN last_told_at TYPE timestamptz
    USING GREATEST(at, sent_at, failed_at, delivered_at, read_at);

-- +goose Down
ALTER TABLE wa_gateway.message_ledger DROP COLUMN last_told_at;
