package caddywagateway

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

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
	a.deliverTo = allowed
	a.sender = deliver.New(deliver.Options{
		Queue: a.databases.primary, Transport: media.GuardedTransport(allowed),
		Target: a.customerOf, Gone: a.customerGone, Logger: a.logger.Named("deliver"),
	})
	a.inbox = a.newInbox()
	return nil
}

// mayDeliverTo tells whether events may be posted to an address.
func (a *App) mayDeliverTo(address netip.Addr) bool {
	return media.Public(address) ||
		slices.ContainsFunc(a.deliverTo, func(p netip.Prefix) bool { return p.Contains(address.Unmap()) })
}

// inboxInterval is how long notes of messages that were sent wait at the most, for
// which nobody pokes.
const inboxInterval = time.Second

// newInbox makes what turns the webhooks of the app's servers into rows. Those of
// dialect generic are counted when they come, and left as they are.
func (a *App) newInbox() *inbox.Inbox {
	translators := make(map[string]waserver.Translator)
	var sources []string
	for _, s := range a.WAServers {
		if s.translator != nil {
			translators[s.Name] = withNotes{s.translator}
			sources = append(sources, s.Name)
		}
	}
	return inbox.New(inbox.Options{
		Source: a.databases.primary, Sources: sources,
		Translators: func(source string) waserver.Translator { return translators[source] },
		Observe: func(ctx context.Context, e *store.WebhookEvent, updates []waserver.Update) error {
			updates = a.withKnownJID(ctx, e.SessionID, updates)
			return errors.Join(a.mirrorState(ctx, e.SessionID, updates), a.sender.Tell(ctx, e.SessionID, updates))
		},
		Interval: inboxInterval, Logger: a.logger.Named("inbox"),
	})
}

// keepTime bounds what is kept on the way of a call that can do without.
const keepTime = 2 * time.Second

// learnState keeps a state that a server told when it was asked, and returns what holds:
// servers forget that an account was logged out, and call it disconnected. It is for
// servers that tell nothing of it by themselves. That a state cannot be kept is no
// reason to fail whoever asked.
func (a *App) learnState(ctx context.Context, sessionID string, at time.Time, state *waserver.SessionState) *waserver.SessionState {
	ctx, cancel := context.WithTimeout(ctx, keepTime)
	defer cancel()
	known, err := a.databases.primary.SessionState(ctx, sessionID)
	if err == nil && known.State == string(waserver.StateLoggedOut) && state.State == waserver.StateDisconnected {
		return &waserver.SessionState{State: waserver.StateLoggedOut}
	}
	updates := []waserver.Update{{At: at, State: state}}
	err = a.databases.primary.ApplyUpdates(ctx, sessionID, updates)
	if err == nil {
		err = errors.Join(a.mirrorState(ctx, sessionID, updates), a.sender.Tell(ctx, sessionID, updates))
	}
	if err != nil && ctx.Err() == nil {
		a.logger.Debug("the state of a session cannot be kept", zap.String("session_id", sessionID), zap.Error(err))
	}
	return state
}

// withKnownJID fills in whose account a session is where the server says no more than
// that it is connected.
func (a *App) withKnownJID(ctx context.Context, sessionID string, updates []waserver.Update) []waserver.Update {
	at := slices.IndexFunc(updates, func(u waserver.Update) bool {
		return u.State != nil && u.State.State == waserver.StateConnected && u.State.JID == ""
	})
	if at < 0 {
		return updates
	}
	known, err := a.databases.primary.SessionState(ctx, sessionID)
	if err != nil || known.JID == "" {
		return updates
	}
	updates = slices.Clone(updates)
	state := *updates[at].State
	state.JID = known.JID
	updates[at].State = &state
	return updates
}

// mirrorState shows the state of a session to the other application, in its own table,
// where there are columns for it. What the primary database knows to be newer stays.
func (a *App) mirrorState(ctx context.Context, sessionID string, updates []waserver.Update) error {
	var last *waserver.Update
	for i := range updates {
		if u := &updates[i]; u.State != nil && (last == nil || u.At.After(last.At)) {
			last = u
		}
	}
	if last == nil {
		return nil
	}
	known, err := a.databases.primary.SessionState(ctx, sessionID)
	if err == nil && known.ChangedAt.After(last.At) {
		return nil
	}
	shown := answerState(sessionID, "", last.State)
	update := store.SessionUpdate{Status: &shown.Status, Connected: &shown.Connected, LoggedIn: &shown.LoggedIn, JID: shown.JID}
	err = a.databases.transactional.UpdateSession(ctx, sessionID, update)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		if store.Blameless(err) {
			return err
		}
		a.logger.Debug("the state of a session cannot be shown in the sessions table", zap.String("session_id", sessionID), zap.Error(err))
	}
	return nil
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
