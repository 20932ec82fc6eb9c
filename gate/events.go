package gate

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"

	"github.com/genfity/wa-gateway/guard"
	"github.com/genfity/wa-gateway/signature"
)

// ErrReplayed refuses a signed request that was taken before.
var ErrReplayed = errors.New("this signed request was taken already")

// ingest is what is known of a WA server that posts events.
type ingest struct {
	attempt guard.Attempt
	proof   signature.Proof // of the body, once it is verified
}

// signatureMark stands in for the credential of requests that are signed: each
// signature is another, but the address of a WA server that has once shown a good
// one is known from then on.
var signatureMark = sha256.Sum256([]byte("signature"))

// waServer tells whether a WA server may post events (contract §4): with the
// events token or a signature made with it, or as a trusted client where no token
// is set. A signature is only looked for here; Verify has to see the body.
func (g *Gate) waServer(ctx context.Context, r *Request, grant *Grant) error {
	if !g.Events.Set() {
		if r.Trusted {
			return nil
		}
		return ErrUnauthenticated
	}
	token, present := bearer(r.Header)
	if present && (g.Events.Equal(token) || !g.Signatures.Present(r.Header)) {
		return g.attempt(ctx, r, token, func() error {
			if !g.Events.Equal(token) {
				return ErrUnauthenticated
			}
			return nil
		})
	}
	if !g.Signatures.Present(r.Header) || g.Signatures.Precheck(r.Header) != nil {
		return ErrUnauthenticated
	}
	attempt, err := g.Failures.Begin(ctx, r.Client, signatureMark)
	if err != nil {
		return err
	}
	grant.events = &ingest{attempt: attempt}
	return nil
}

// Signed tells that the body has to be read and verified before the request may
// do anything.
func (g *Grant) Signed() bool { return g.events != nil }

// Verify checks the signature of a body. Without one there is nothing to check.
func (g *Gate) Verify(grant *Grant, header http.Header, body []byte) error {
	if !grant.Signed() {
		return nil
	}
	e := grant.events
	proof, err := g.Signatures.Check(header, body)
	switch {
	case errors.Is(err, signature.ErrReplayed):
		e.attempt.Succeeded() // whoever repeats it did not guess
		return ErrReplayed
	case err != nil:
		e.attempt.Failed()
		return ErrUnauthenticated
	}
	e.attempt.Succeeded()
	e.proof = proof
	return nil
}

// Acknowledged tells that the events of the request are on disk: the same signed
// request is refused from then on.
func (g *Grant) Acknowledged() {
	if g.Signed() {
		g.events.proof.Acknowledged()
	}
}

// Spoil counts a signed request against its address whose body did not come whole.
func (g *Grant) Spoil() {
	if g.Signed() {
		g.events.attempt.Failed()
	}
}

// Release ends what Admit began, where the body never came to be verified.
func (g *Grant) Release() {
	g.hookAttempt.Abandoned()
	if g.Signed() {
		g.events.attempt.Abandoned() // nothing, if it has ended
	}
}
