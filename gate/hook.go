package gate

import (
	"context"
	"crypto/sha256"
	"errors"
)

// ErrUnproven refuses a webhook without the proof that the WA server sent it.
var ErrUnproven = errors.New("the webhook is not proven to be the WA server's")

// HookProof is how much is known of who posts a webhook, before its body is read.
type HookProof int

const (
	// HookUnproven: the webhook itself has to carry the proof.
	HookUnproven HookProof = iota
	// HookTrusted: a trusted client, where no events token is set. That does where the
	// gateway knows of no secret with which the webhook could be proven.
	HookTrusted
	// HookProven: the events token was shown.
	HookProven
)

// hook tells how much proof a webhook of a WA server still needs. A bearer token may be
// the events token, or what the server shows as its proof, which is known only once the
// body has been read; HookEnded tells which. Whoever guesses at the events token is no
// longer compared with it after a while. Nothing else follows from what is wrong here:
// one session that signs nothing must not shut out all others of its server, nor
// whoever else comes from there.
func (g *Gate) hook(ctx context.Context, r *Request, grant *Grant) {
	if r.Trusted && !g.Events.Set() {
		grant.Hook = HookTrusted
	}
	token, present := bearer(r.Header)
	if !present || !g.Events.Set() || len(token) > maxCredential {
		return
	}
	attempt, err := g.HookFailures.Begin(ctx, r.Client, sha256.Sum256([]byte(token)))
	if err != nil {
		return // too many guesses
	}
	if g.Events.Equal(token) {
		attempt.Succeeded()
		grant.Hook = HookProven
		return
	}
	grant.hookAttempt = attempt
}

// HookEnded tells whether a webhook proved itself; until it is called, or Release,
// nothing is counted.
func (g *Grant) HookEnded(proven bool) {
	if proven {
		g.hookAttempt.Succeeded()
		return
	}
	g.hookAttempt.Failed()
}
