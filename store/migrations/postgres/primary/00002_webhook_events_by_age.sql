-- +goose Up

-- What is old is removed, and all events are listed by age.
CREATE INDEX webhook_events_received ON wa_gateway.webhook_events (received_at, id);

-- +goose Down
DROP INDEX wa_gateway.webhook_events_received;
