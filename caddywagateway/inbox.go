package caddywagateway

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/deliver"
	"github.com/genfity/wa-gateway/inbox"
	"github.com/genfity/wa-gateway/media"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/waserver"
)

// provisionChats makes what works with the webhooks of the app's servers: the inbox
// that turns them into rows, and the sender that tells customers. Nothing runs before
// Start.
func (a *App) provisionChats() error {
	allowed, err := prefixes(a.DeliverTo)
	if err != nil {
		return fmt.Errorf("deliver_to: %w", err)
	}
	a.sender = deliver.New(deliver.Options{
		Queue: a.databases.primary, Transport: media.GuardedTransport(allowed),
		Target: a.customerOf, Gone: a.customerGone, Logger: a.logger.Named("deliver"),
	})
	a.inbox = a.newInbox()
	a.sentQueue = newSentQueue(a.databases.primary.ApplyUpdates, a.logger)
	return nil
}

// newInbox makes what turns the webhooks of the app's servers into rows. Those of
// dialect generic are counted when they come, and left as they are.
func (a *App) newInbox() *inbox.Inbox {
	translators := make(map[string]waserver.Translator)
	var sources []string
	for _, s := range a.WAServers {
		if s.translator != nil {
			translators[s.Name] = s.translator
			sources = append(sources, s.Name)
		}
	}
	return inbox.New(inbox.Options{
		Source: a.databases.primary, Sources: sources,
		Translators: func(source string) waserver.Translator { return translators[source] },
		Observe: func(ctx context.Context, e *store.WebhookEvent, updates []waserver.Update) error {
			return a.sender.Tell(ctx, e.SessionID, updates)
		},
		Logger: a.logger.Named("inbox"),
	})
}

// customerOf finds where a session's customer wants to be told, and the key of the
// signatures; both are empty where nobody does.
func (a *App) customerOf(ctx context.Context, sessionID string) (target, secret string, err error) {
	sealed, err := a.databases.directory.Link(ctx, sessionID)
	if errors.Is(err, store.ErrNotFound) || (err == nil && sealed.Webhook == "") {
		return "", "", nil
	}
	if err != nil {
		return "", "", err
	}
	link, err := a.openLink(sealed)
	if err != nil {
		return "", "", err
	}
	return link.Webhook, customerSecret(link), nil
}

// customerGone takes away a URL that has said that it is gone for good.
func (a *App) customerGone(ctx context.Context, sessionID, target string) {
	link, err := a.databases.transactional.Link(ctx, sessionID)
	if err != nil || link.Webhook != target {
		return
	}
	if err := a.databases.transactional.SetLinkWebhook(ctx, sessionID, ""); err != nil {
		a.logger.Warn("a customer's webhook that is gone cannot be taken away", zap.String("session_id", sessionID), zap.Error(err))
	}
	a.databases.directory.ForgetSession(sessionID)
}
