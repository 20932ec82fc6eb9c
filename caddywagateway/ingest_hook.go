package caddywagateway

import (
	"context"
	"errors"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/gate"
	"github.com/genfity/wa-gateway/routes"
	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/webhook"
)

// serveHook takes what a WA server posts to the URL that names it. With dialect
// generic that is what POST /events/webhook takes, and proves itself likewise.
func (e *Events) serveHook(w http.ResponseWriter, r *http.Request, grant *gate.Grant) error {
	name := grant.Match.Param(routes.ParamServer)
	server, err := e.app.server(name)
	if err != nil || name == "" {
		// Strangers do not learn which names there are.
		return e.refuseHook(grant, gateRefusal(routes.ErrNotFound))
	}
	var memory *metered
	if grant.Hook != gate.HookProven {
		memory = new(metered)
		defer memory.release()
	}
	raw, err := readWhole(r, e.MaxBody, memory)
	if err != nil {
		return err
	}
	payloads, err := webhook.Parse(r.Header.Get("Content-Type"), raw, stats.MaxBatch)
	if err != nil {
		return e.refuseHook(grant, webhookRefusal(err))
	}
	d, err := e.app.recorders(r.Context())
	if err != nil {
		return err
	}
	if !d.awaitReady(r.Context()) {
		return unavailable("The gateway is starting; try again in a moment", nil)
	}
	in := &hookReception{app: e.app, server: server, now: time.Now(), hook: waserver.Webhook{
		Header: r.Header, Query: r.URL.Query(), PathToken: grant.Match.Param(routes.ParamToken), Raw: raw,
	}}
	err = in.verify(r.Context(), payloads, grant.Hook)
	if err == nil || errors.Is(err, gate.ErrUnproven) {
		grant.HookEnded(err == nil)
	}
	if err != nil {
		e.tellUnproven(server, in, err)
		return hookRefusal(err)
	}
	answer, err := in.record(r.Context(), d)
	if err != nil {
		return recordFailure(err)
	}
	return writeAnswer(w, http.StatusOK, "Webhook recorded", answer)
}

// refuseHook is the answer to a webhook that holds no proof yet: to whoever showed one,
// the reason.
func (e *Events) refuseHook(grant *gate.Grant, reason error) error {
	if grant.Hook == gate.HookUnproven {
		grant.HookEnded(false)
		return gateRefusal(gate.ErrUnproven)
	}
	return reason
}

// unprovenPause is how long nothing more is logged of webhooks without proof.
const unprovenPause = time.Minute

// tellUnproven tells the operator of a session whose webhooks do not prove themselves,
// now and then: its server may have been set up by hand, without the secret.
func (e *Events) tellUnproven(server *WAServer, in *hookReception, err error) {
	if !errors.Is(err, gate.ErrUnproven) {
		return
	}
	now, last := in.now.UnixNano(), server.unproven.Load()
	if now-last < int64(unprovenPause) || !server.unproven.CompareAndSwap(last, now) {
		return
	}
	e.logger.Warn("webhooks of a WA server are refused: they are not proven to be its own",
		zap.String("wa_server", server.Name), zap.String("session_id", in.session))
}

func hookRefusal(err error) error {
	if errors.Is(err, store.ErrUnavailable) {
		return databaseFailure(err)
	}
	return gateRefusal(err)
}

// hookReception is what came in one body on its way into the databases.
type hookReception struct {
	app    *App
	server *WAServer
	now    time.Time
	hook   waserver.Webhook
	parts  []hookPart
	// session is the one that was looked at last, as far as it is known.
	session string
}

// hookPart is one webhook of the body, and whose it is; link is nil for a session
// that the gateway does not know.
type hookPart struct {
	payload []byte
	link    *waserver.Link
	updates []waserver.Update
}

// verify finds whose each webhook is and wants the proof that the server sent it: made
// with the session's own secret, or with one that the operator set for the server.
func (in *hookReception) verify(ctx context.Context, payloads []webhook.Payload, proof gate.HookProof) error {
	t := in.server.translator
	if t == nil {
		return in.verifyGeneric(payloads, proof)
	}
	for _, payload := range payloads {
		in.hook.Payload = payload
		link, err := in.app.hookLink(ctx, in.server, t.WebhookSession(&in.hook))
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if in.session = ""; link != nil {
			in.session = link.SessionID
		}
		if err := in.prove(link, proof); err != nil {
			return err
		}
		part := hookPart{payload: t.CleanWebhook(payload), link: link}
		// What cannot be read is kept, and harms nothing.
		part.updates, _ = t.Updates(part.payload, in.now)
		in.parts = append(in.parts, part)
	}
	return nil
}

// verifyGeneric wants the signature that the other events endpoints take.
func (in *hookReception) verifyGeneric(payloads []webhook.Payload, proof gate.HookProof) error {
	if proof == gate.HookUnproven {
		if _, err := in.app.signatures.Check(in.hook.Header, in.hook.Raw); err != nil {
			return gate.ErrUnproven
		}
	}
	for _, payload := range payloads {
		in.parts = append(in.parts, hookPart{payload: payload})
	}
	return nil
}

// prove looks for a secret with which the webhook was signed.
func (in *hookReception) prove(link *waserver.Link, proof gate.HookProof) error {
	if proof == gate.HookProven {
		return nil
	}
	secrets := in.server.webhooks
	if link != nil && link.WebhookSecret != "" {
		secrets = append([]string{link.WebhookSecret}, secrets...)
	}
	for _, secret := range secrets {
		if in.server.translator.VerifyWebhook(&in.hook, secret) == nil {
			return nil
		}
	}
	if len(secrets) == 0 && proof == gate.HookTrusted {
		return nil
	}
	return gate.ErrUnproven
}

// timeless tells whether the webhook is about a state of its session, without saying
// since when: the same words will be said again, and mean something new.
func (p *hookPart) timeless(now time.Time) bool {
	for i := range p.updates {
		if u := &p.updates[i]; (u.State != nil || u.QR != nil) && u.At.Equal(now) {
			return true
		}
	}
	return false
}

// hookAnswer is the data of the answer to a server's own webhook.
type hookAnswer struct {
	Recorded   int `json:"recorded"`
	Duplicates int `json:"duplicates"`
	Counted    int `json:"counted"` // outcomes that were not known before
	Spooled    int `json:"spooled,omitempty"`
}

// record counts the receipts, and keeps the webhooks, for the inbox to make rows of.
// The counting goes first: a webhook that is told again because the second failed is
// counted once all the same.
func (in *hookReception) record(ctx context.Context, d *databases) (answer hookAnswer, err error) {
	if answer.Counted, err = in.count(ctx, d); err != nil {
		return answer, err
	}
	hooks := make([]*store.WebhookEvent, len(in.parts))
	for i, part := range in.parts {
		hooks[i] = &store.WebhookEvent{Source: in.server.Name, Payload: part.payload, ReceivedAt: in.now}
		hooks[i].SessionID, hooks[i].EventType = webhook.Describe(part.payload)
		if in.server.translator != nil {
			hooks[i].SessionID = ""
		}
		if part.link != nil {
			hooks[i].SessionID = part.link.SessionID
		}
		hooks[i].Timeless = part.timeless(in.now)
		hooks[i].OfSession = part.link != nil
	}
	kept, err := d.webhooks.Record(ctx, hooks)
	if err != nil {
		return answer, err
	}
	answer.Recorded = len(hooks)
	if kept.Spooled {
		answer.Spooled = len(hooks)
	}
	for _, result := range kept.Results {
		if result.Duplicate {
			answer.Duplicates, answer.Recorded = answer.Duplicates+1, answer.Recorded-1
		}
	}
	in.app.inbox.Poke()
	return answer, nil
}

// count tells the ledger what the webhooks say of messages that were sent.
func (in *hookReception) count(ctx context.Context, d *databases) (int, error) {
	var events []stats.Event
	for _, part := range in.parts {
		for i := range part.updates {
			if part.link != nil {
				events = append(events, receiptEvents(part.link, &part.updates[i])...)
			}
		}
	}
	if len(events) == 0 {
		return 0, nil
	}
	answer, err := d.events.Record(ctx, events)
	if err != nil {
		return 0, err
	}
	if answer.Spooled {
		return len(events), nil
	}
	news := 0
	for _, result := range answer.Results {
		if result.Recorded {
			news++
		}
	}
	return news, nil
}

// receiptEvents are the events (contract §8) that an update tells.
func receiptEvents(link *waserver.Link, u *waserver.Update) []stats.Event {
	if u.Receipt == nil {
		return nil
	}
	status := stats.Status(u.Receipt.Status)
	if !status.Known() {
		return nil
	}
	events := make([]stats.Event, 0, len(u.Receipt.IDs))
	for _, id := range u.Receipt.IDs {
		if !stats.ValidID(id) {
			continue
		}
		events = append(events, stats.Event{
			UserID: link.UserID, SessionID: link.SessionID, MessageID: id,
			Status: status, At: u.At.UTC().Truncate(stats.Resolution), Error: u.Receipt.Error,
		})
	}
	return events
}

// hookLink finds the session that a webhook speaks of: by what the gateway knows of it
// at the server, else by its own id, for sessions that were there before the gateway.
func (a *App) hookLink(ctx context.Context, server *WAServer, names []string) (*waserver.Link, error) {
	sealed, err := a.databases.transactional.FindLink(ctx, server.Name, names)
	if err == nil {
		return a.openLink(sealed)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	for _, name := range names {
		session, err := a.databases.transactional.Session(ctx, name)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if session.UserID == nil {
			continue
		}
		if _, err := a.databases.directory.Link(ctx, session.SessionID); err == nil {
			continue // it lives on another server
		} else if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		return &waserver.Link{SessionID: session.SessionID, UserID: *session.UserID, Server: server.Name, RemoteID: name}, nil
	}
	return nil, store.ErrNotFound
}
