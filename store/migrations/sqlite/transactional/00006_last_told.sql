-- +goose Up

-- When a message was last told of, by whatever event: a row keeps the earliest
-- receipts, but has to stay as long as the latest could be told again. It is empty in
-- rows that gateways of an older version write meanwhile.
ALTER TABLE wa_gateway_message_ledger ADD COLUMN last_told_at integer;
UPDATE wa_gateway_message_ledger SET last_told_at =
    max(at, coalesce(sent_at, 0), coalesce(failed_at, 0), coalesce(delivered_at, 0), coalesce(read_at, 0));

-- +goose Down
ALTER TABLE wa_gateway_message_ledger DROP COLUMN last_told_at;
