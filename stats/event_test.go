package stats_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/stats"
)

func TestNormalFitsTheDatabases(t *testing.T) {
	e := told(stats.Failed, 1)
	e.At = e.At.Add(1999 * time.Nanosecond).In(time.FixedZone("WIB", 7*3600))
	e.To = strings.Repeat("é", 200)
	e.Type = "a\x00b"
	e.Error = "x\xff" + strings.Repeat("é", 600)
	got := e.Normal()
	if want := at(1).Add(time.Microsecond); got.At != want {
		t.Errorf("at %v, want %v", got.At, want)
	}
	if len(got.To) != 254 || got.Type != "a\uFFFDb" || got.Error != "x\uFFFD"+strings.Repeat("é", 498) {
		t.Errorf("got %+v", got)
	}
	if again := got.Normal(); again != got {
		t.Errorf("normal again: %+v", again)
	}
}

func TestCheck(t *testing.T) {
	if err := told(stats.Sent, 1).Check(); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*stats.Event){
		"no user":             func(e *stats.Event) { e.UserID = "" },
		"NUL in the session":  func(e *stats.Event) { e.SessionID = "a\x00" },
		"broken message id":   func(e *stats.Event) { e.MessageID = "\xff" },
		"long message id":     func(e *stats.Event) { e.MessageID = strings.Repeat("m", 256) },
		"unknown status":      func(e *stats.Event) { e.Status = "queued" },
		"no time":             func(e *stats.Event) { e.At = time.Time{} },
		"a clock never set":   func(e *stats.Event) { e.At = time.Unix(0, 0) },
		"line break in an id": func(e *stats.Event) { e.UserID = "a\nb" },
	} {
		e := told(stats.Sent, 1)
		spoil(&e)
		if err := e.Check(); !errors.Is(err, stats.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
