package gate

import "errors"

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

// hook tells how much proof a webhook of a WA server still needs. What is wrong does
// not count against its address: the secrets are too long to be guessed, and one
// session that signs nothing must not shut out all others of its server, nor whoever
// else comes from there.
func (g *Gate) hook(r *Request, grant *Grant) {
	token, present := bearer(r.Header)
	switch {
	case present && g.Events.Equal(token):
		grant.Hook = HookProven
	case r.Trusted && !g.Events.Set():
		grant.Hook = HookTrusted
	}
}
