// Package signature verifies the events that a WA server signs with a secret that
// it shares with the gateway. Several secrets may hold at once, so that one can be
// replaced without a gap. Two forms are known:
//
//   - Standard Webhooks (standardwebhooks.com): the headers webhook-id,
//     webhook-timestamp and webhook-signature. Signed are the id, the time and the
//     body, so that a message is good for a few minutes and only once.
//   - The body alone, in X-Hub-Signature-256 and its kin. Who overhears such a
//     message can send it again, for ever; what keeps that harmless is that an
//     event counts once however often it is told. [Options.RequireTimestamp]
//     refuses this form.
//
// A signature of one form is never taken for one of the other.
package signature

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"time"
)

var (
	// ErrMissing: there is no signature of a form that is accepted here.
	ErrMissing = errors.New("no signature")
	// ErrMismatch: what is there is no signature of this message by any of the
	// secrets, or is malformed. Which of them is not told.
	ErrMismatch = errors.New("the signature does not match")
	// ErrStale: the message was signed too long ago, or for a time to come.
	ErrStale = errors.New("the signature's timestamp is too far from now")
	// ErrReplayed: this very message has been acknowledged before.
	ErrReplayed = errors.New("this signed message has been acknowledged before")
)

// slack is how much longer than its timestamp holds a message is remembered: it may
// have been fresh when its check began.
const slack = time.Minute

// DefaultTolerance is how far a timestamp may be from now.
const DefaultTolerance = 5 * time.Minute

// Options configure a [Verifier]. The zero value of a field is its default.
type Options struct {
	// Secrets are those of which any may have signed. Each is text, or "whsec_"
	// and the base64 of a key of 24 to 64 bytes. Empty ones are left out; with none
	// at all nothing verifies.
	Secrets []string
	// Tolerance is how far a timestamp may be from now, to either side
	// (DefaultTolerance).
	Tolerance time.Duration
	// RequireTimestamp refuses signatures of the body alone.
	RequireTimestamp bool
	// Replays remembers what was acknowledged. Hand over the same one when the
	// configuration is loaded again. Default: one of its own, of the default size.
	Replays *Replays
	// Now is the wall clock.
	Now func() time.Time
}

// Verifier is safe for concurrent use.
type Verifier struct {
	keys             []key
	tolerance        time.Duration
	requireTimestamp bool
	replays          *Replays
	now              func() time.Time
}

// New makes a Verifier. The error tells which secret (by its place in the list) is
// not what its "whsec_" promises.
func New(o Options) (*Verifier, error) {
	keys, err := newKeys(o.Secrets)
	if err != nil {
		return nil, err
	}
	if o.Tolerance <= 0 {
		o.Tolerance = DefaultTolerance
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Replays == nil {
		o.Replays = NewReplays(ReplaysOptions{Now: o.Now})
	}
	return &Verifier{
		keys:             keys,
		tolerance:        o.Tolerance,
		requireTimestamp: o.RequireTimestamp,
		replays:          o.Replays,
		now:              o.Now,
	}, nil
}

// Present tells whether a header claims a signature of a form that is accepted
// here. It says nothing about its worth.
func (v *Verifier) Present(h http.Header) bool {
	return len(h[headerSignature]) > 0 || !v.requireTimestamp && bodyClaimed(h)
}

// Precheck looks at the headers alone, before the body is read: it refuses what
// [Verifier.Check] would refuse whatever the body is, stale messages among it.
func (v *Verifier) Precheck(h http.Header) error {
	_, _, err := v.parse(h)
	return err
}

// Check verifies a message. Where both forms are there, the timestamped one
// decides. Call [Proof.Acknowledged] on the result once the message has been
// taken.
//
// The time it takes does not depend on which of the secrets signed, nor on how
// much of a wrong signature is right.
func (v *Verifier) Check(h http.Header, body []byte) (Proof, error) {
	stamped, plain, err := v.parse(h)
	if err != nil {
		return Proof{}, err
	}
	if stamped == nil {
		if mistakable(body) || !v.anyBody(plain, body) {
			return Proof{}, ErrMismatch
		}
		return Proof{}, nil
	}
	if !v.anyStamped(stamped, body) {
		return Proof{}, ErrMismatch
	}
	p := Proof{replays: v.replays, message: stamped.key(body), until: stamped.at.Add(v.tolerance + slack)}
	if v.replays.Seen(p.message) {
		return Proof{}, ErrReplayed
	}
	return p, nil
}

// parse reads the headers: either a timestamped claim, or signatures of the body.
func (v *Verifier) parse(h http.Header) (*stamped, [][sha256.Size]byte, error) {
	if len(h[headerSignature]) > 0 {
		s, err := parseStamped(h)
		if err != nil {
			return nil, nil, err
		}
		if off := v.now().Sub(s.at); off > v.tolerance || off < -v.tolerance {
			return nil, nil, ErrStale
		}
		return s, nil, nil
	}
	if v.requireTimestamp || !bodyClaimed(h) {
		return nil, nil, ErrMissing
	}
	plain, err := parseBody(h)
	return nil, plain, err
}

// Proof stands for a verified message. The zero Proof stands for one that shows
// nothing to be remembered.
type Proof struct {
	replays *Replays
	message [sha256.Size]byte
	until   time.Time
}

// Acknowledged remembers that the sender was told 200: from now on the same
// message is [ErrReplayed]. Before that it may come again, since a sender that was
// told 503, or nothing, has to repeat it. Of two copies that are checked at the
// same moment both pass; that an event counts once is the ledger's work.
func (p Proof) Acknowledged() {
	if p.replays != nil {
		p.replays.Taken(p.message, p.until)
	}
}
