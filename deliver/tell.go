package deliver

import (
	"context"
	"fmt"

	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/waserver"
)

// Tell has the customer of a session be told of updates, where there is a URL to tell
// them at. When it returns nil they are in the database; telling the same again does no
// harm. An error means that the database is away and that it has to be told again;
// what will never do is logged, and is no error.
func (s *Sender) Tell(ctx context.Context, sessionID string, updates []waserver.Update) error {
	list := Deliveries(sessionID, updates)
	if len(list) == 0 {
		return nil
	}
	var added store.DeliveriesAdded
	url, _, err := s.options.Target(ctx, sessionID)
	if err == nil && url != "" {
		added, err = s.options.Queue.AddDeliveries(ctx, list)
	}
	switch {
	case store.Blameless(err) || err != nil && ctx.Err() != nil:
		return fmt.Errorf("keep what a customer is to be told: %w", err)
	case err != nil:
		s.warn("a customer cannot be told of an event", zap.String("session_id", sessionID), zap.Error(err))
		return nil
	}
	if added.Dropped > 0 {
		s.warn("too many webhooks waited for a customer; the oldest were dropped",
			zap.String("session_id", sessionID), zap.Int64("dropped", added.Dropped))
	}
	if added.Added > 0 {
		s.Poke()
	}
	return nil
}
