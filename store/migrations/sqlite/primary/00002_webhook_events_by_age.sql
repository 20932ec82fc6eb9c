-- +goose Up

-- What is old is removed, and all events are listed by age.
CREATE INDEX wa_gateway_webhook_events_received ON wa_gateway_webhook_events (received_at, id);

-- +goose Down
DROP INDEX wa_gateway_webhook_events_received;
