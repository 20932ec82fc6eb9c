-- +goose Up

-- What customers are still to be told of their sessions, and for some time what they
-- were told, so that an event which comes again is told once. id is the order.
CREATE TABLE wa_gateway_deliveries (
    id         integer PRIMARY KEY AUTOINCREMENT,
    session_id text NOT NULL,
    event_id   text NOT NULL, -- the same for the same event, whenever it is told
    body       text NOT NULL, -- empty once it is settled
    created_at datetime NOT NULL,
    attempts   integer NOT NULL DEFAULT 0, -- in vain
    next_at    datetime NOT NULL,          -- not to be tried before
    done_at    datetime,                   -- told, or given up
    UNIQUE (session_id, event_id)
);
CREATE INDEX wa_gateway_deliveries_in_order ON wa_gateway_deliveries (session_id, id) WHERE done_at IS NULL;
CREATE INDEX wa_gateway_deliveries_due ON wa_gateway_deliveries (session_id, next_at) WHERE done_at IS NULL;
CREATE INDEX wa_gateway_deliveries_waiting ON wa_gateway_deliveries (created_at, id) WHERE done_at IS NULL;
CREATE INDEX wa_gateway_deliveries_done ON wa_gateway_deliveries (done_at) WHERE done_at IS NOT NULL;

-- One row for each session that has or had deliveries. Whoever posts one holds it until
-- free_at.
CREATE TABLE wa_gateway_delivery_sessions (
    session_id text PRIMARY KEY NOT NULL,
    holder     text NOT NULL DEFAULT '',    -- of the lease; empty: nobody
    free_at    datetime NOT NULL,           -- nothing is posted before: a lease, or a pause
    due_at     datetime,                    -- when something may be posted next; NULL: nothing waits
    waiting    integer NOT NULL DEFAULT 0,  -- deliveries that are not settled
    failures   integer NOT NULL DEFAULT 0,  -- in a row
    state      text NOT NULL DEFAULT ''     -- what the customer was told last of its state
);
CREATE INDEX wa_gateway_delivery_sessions_due ON wa_gateway_delivery_sessions (due_at) WHERE due_at IS NOT NULL;

-- +goose Down
DROP TABLE wa_gateway_delivery_sessions;
DROP TABLE wa_gateway_deliveries;
