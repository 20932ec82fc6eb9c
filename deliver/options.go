package deliver

import (
	"context"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/store"
)

// Queue keeps what is to be posted. *store.Primary is one.
type Queue interface {
	AddDeliveries(ctx context.Context, list []store.Delivery) (store.DeliveriesAdded, error)
	ClaimDeliveries(ctx context.Context, n int, lease time.Duration) ([]store.ClaimedDelivery, error)
	DeliveryDone(ctx context.Context, c *store.ClaimedDelivery) error
	DeliveryFailed(ctx context.Context, c *store.ClaimedDelivery, after, pause time.Duration) error
	GiveUpDelivery(ctx context.Context, c *store.ClaimedDelivery, pause time.Duration) error
	ReleaseDelivery(ctx context.Context, c *store.ClaimedDelivery, pause time.Duration) error
	DropDeliveries(ctx context.Context, sessionID string) (int64, error)
	TrimDeliveries(ctx context.Context, limit int64) (int64, error)
	PurgeDeliveries(ctx context.Context, before time.Time, opts store.PurgeOptions) (settled, dropped int64, err error)
}

var _ Queue = (*store.Primary)(nil)

// Defaults of Options.
const (
	DefaultWorkers    = 64
	DefaultInterval   = time.Second
	DefaultTimeout    = 10 * time.Second
	DefaultLease      = time.Minute
	DefaultMaxWaiting = 200_000
	DefaultRetention  = 72 * time.Hour
)

// DefaultRetries are the pauses after a first attempt in vain, a second one and so on.
// After as many and one more the delivery is given up.
var DefaultRetries = []time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour,
}

// Options configure a Sender. Queue, Target and Transport are required.
type Options struct {
	Queue Queue
	// Target finds where a session's events are posted and the secret (whsec_ and
	// base64) with which they are signed. An empty URL means that the customer wants
	// none: what waits is dropped. With an error the delivery waits, and that is no
	// attempt in vain. It is asked for each event, when that is told and when it is
	// posted.
	Target func(ctx context.Context, sessionID string) (url, secret string, err error)
	// Transport makes the calls; it has to keep them out of the operator's own
	// network, as media.GuardedTransport does. The Sender closes its idle connections
	// at the end.
	Transport *http.Transport
	// Gone is told of a URL that has answered 410: the customer is not to be told
	// there any more. Optional.
	Gone func(ctx context.Context, sessionID, url string)

	// Workers is how many posts are under way at once (64), of as many sessions. URLs
	// that answer slowly hold one each.
	Workers int
	// Interval is how often the queue is looked at without a Poke (1 s).
	Interval time.Duration
	// Timeout bounds one post (10 s), Lease how long another gateway waits for one
	// that has died with it (1 min). The lease is longer than the post by far, since
	// its outcome has to be written within it, too.
	Timeout, Lease time.Duration
	// Retries are the pauses between attempts (DefaultRetries).
	Retries []time.Duration
	// MaxWaiting is how many deliveries of all sessions may wait (200,000); the oldest
	// go first. The bound of one session is store.MaxWaitingDeliveries.
	MaxWaiting int64
	// Retention is how long a delivery waits at most, and how long it is known when it
	// comes again (72 h).
	Retention time.Duration
	Logger    *zap.Logger
}

func (o *Options) setDefaults() {
	setDefault(&o.Workers, DefaultWorkers)
	setDefault(&o.Interval, DefaultInterval)
	setDefault(&o.Timeout, DefaultTimeout)
	setDefault(&o.Lease, DefaultLease)
	setDefault(&o.MaxWaiting, DefaultMaxWaiting)
	setDefault(&o.Retention, DefaultRetention)
	o.Lease = max(o.Lease, 3*o.Timeout)
	if o.Retries == nil {
		o.Retries = DefaultRetries
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
}

func setDefault[T int | int64 | time.Duration](value *T, fallback T) {
	if *value <= 0 {
		*value = fallback
	}
}
