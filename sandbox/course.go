package sandbox

import (
	"strings"
	"time"
)

// Statuses of a message, as contract §8 names them.
const (
	statusSent      = "sent"
	statusDelivered = "delivered"
	statusRead      = "read"
	statusFailed    = "failed"
)

const failure = "recipient is not reachable (sandbox: numbers that end in 0000 always fail)"

// step is one thing that happens to a message, some time after it was accepted.
type step struct {
	status string
	after  time.Duration
	err    string
}

// course is all that happens to a message, in order; its first step is always sent. It is
// fixed when a message is accepted, and depends on nothing but the recipient and the settings.
type course []step

// course gives the course of a message to a recipient.
func (s *Sandbox) course(to string) course {
	sent := step{status: statusSent}
	delivered := step{status: statusDelivered, after: s.options.Delivered}
	switch suffix(to) {
	case "0000":
		return course{sent, {status: statusFailed, after: s.options.Delivered, err: failure}}
	case "0001":
		return course{sent}
	case "0002":
		return course{sent, delivered}
	default:
		return course{sent, delivered, {status: statusRead, after: s.options.Read}}
	}
}

// at is the status that a message has some time after it was accepted.
func (c course) at(elapsed time.Duration) string {
	status := statusSent
	for _, st := range c {
		if st.after <= elapsed {
			status = st.status
		}
	}
	return status
}

// suffix gives the last four digits of a recipient, whatever comes after its @.
func suffix(to string) string {
	user, _, _ := strings.Cut(to, "@")
	return user[max(0, len(user)-4):]
}
