package gate

import (
	"context"
	"errors"
)

// ErrUnproven refuses a webhook without the proof that the WA server sent it.
var ErrUnproven = errors.New("the webhook is not proven to be the WA server's")

// hook tells whether a WA server may post its own webhooks: with the events token, or
// with the proof that this kind of server makes. That is only begun here; VerifyHook
// has to see the body.
func (g *Gate) hook(ctx context.Context, r *Request, grant *Grant) error {
	if token, present := bearer(r.Header); present && g.Events.Equal(token) {
		return nil
	}
	attempt, err := g.Failures.Begin(ctx, r.Client, signatureMark)
	if err != nil {
		return err
	}
	// Who may post events without any proof (contract §4) may post a webhook for
	// which there is no secret.
	grant.events = &ingest{attempt: attempt, trusted: r.Trusted && !g.Events.Set()}
	return nil
}

// VerifyHook has check look for the proof in a webhook's body. trusted tells it that
// none is needed where the gateway knows of no secret. An error other than
// ErrUnproven is none of the WA server's fault.
func (g *Gate) VerifyHook(grant *Grant, check func(trusted bool) error) error {
	if !grant.Signed() {
		return check(true)
	}
	err := check(grant.events.trusted)
	switch {
	case err == nil:
		grant.events.attempt.Succeeded()
	case errors.Is(err, ErrUnproven):
		grant.events.attempt.Failed()
		return ErrUnauthenticated
	}
	return err
}
