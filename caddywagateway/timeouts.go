package caddywagateway

import (
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// Timeouts bound how long each side of a call may take. None of them bounds a
// stream (WebSocket, server-sent events) that has begun.
type Timeouts struct {
	// How long the body of a request may take. Large ones get more: the time that
	// they would take at 16 KiB a second. Default: 30s.
	Read caddy.Duration `json:"read,omitempty"`
	// How long the WA server may be silent: from the last of the body to the
	// beginning of its answer, and between the pieces of it. Default: 60s.
	WAServer caddy.Duration `json:"wa_server,omitempty"`
	// How long the client may take for each piece of an answer. Default: 30s.
	Write caddy.Duration `json:"write,omitempty"`
}

const (
	defaultReadTimeout     = 30 * time.Second
	defaultWAServerTimeout = 60 * time.Second
	defaultWriteTimeout    = 30 * time.Second
	// minReadRate is in bytes per second.
	minReadRate = 16 << 10
)

// provision checks the timeouts and fills in the defaults; t may be nil.
func (t *Timeouts) provision() (*Timeouts, error) {
	full := Timeouts{
		Read: caddy.Duration(defaultReadTimeout), WAServer: caddy.Duration(defaultWAServerTimeout),
		Write: caddy.Duration(defaultWriteTimeout),
	}
	if t == nil {
		return &full, nil
	}
	for _, set := range []struct {
		name          string
		given, target *caddy.Duration
	}{{"read", &t.Read, &full.Read}, {"wa_server", &t.WAServer, &full.WAServer}, {"write", &t.Write, &full.Write}} {
		if *set.given < 0 {
			return nil, fmt.Errorf("timeouts: %s must not be negative", set.name)
		}
		if *set.given > 0 {
			*set.target = *set.given
		}
	}
	return &full, nil
}

// errTooSlow ends the reading of a body that comes too slowly.
var errTooSlow = errors.New("the body came too slowly")

// errServerSilent ends a call to a WA server that says nothing any more.
var errServerSilent = errors.New("the WA server did not answer in time")
