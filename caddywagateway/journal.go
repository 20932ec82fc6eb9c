package caddywagateway

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/journal"
	"github.com/genfity/wa-gateway/store"
)

// Journal is the local disk's part in keeping count: the outcome of each forwarded
// message is written there before the client has its answer, and events wait there
// while the database is away.
type Journal struct {
	// The folder, on a disk of this machine. Each gateway has a folder of its own in
	// it; what a dead one left there is taken over by the next that starts or runs.
	// Default: `data/journal` beside the embedded SQLite files, else
	// `wa_gateway/journal` in Caddy's data directory.
	Dir string `json:"dir,omitempty"`

	// The most bytes that may wait, in each of the two journals (events, webhooks).
	// When it is reached, events are answered 503 until the database is back; an
	// eighth more is for the outcomes of messages that were sent. Default: 1 GiB.
	MaxSize int64 `json:"max_size,omitempty"`

	// Set to true to refuse events with 503 while the database is away, instead of
	// keeping them here. Outcomes are kept all the same. Default: false.
	SpoolOff bool `json:"spool_off,omitempty"`
}

const (
	defaultJournalSize = 1 << 30
	minJournalSize     = 1 << 20
)

func (j *Journal) validate() error {
	if j != nil && j.MaxSize != 0 && j.MaxSize < minJournalSize {
		return errors.New("journal: max_size must be at least 1MiB")
	}
	return nil
}

// journalSettings are those of both journals.
type journalSettings struct {
	dir     string
	maxSize int64
	spool   bool
}

// resolve fills in the defaults; beside is the folder of the embedded database
// files, empty where another database is set.
func (j *Journal) resolve(repl *caddy.Replacer, beside string) journalSettings {
	s := journalSettings{maxSize: defaultJournalSize, spool: true}
	if j != nil {
		s.dir = resolveValue(repl, j.Dir)
		s.spool = !j.SpoolOff
		if j.MaxSize > 0 {
			s.maxSize = j.MaxSize
		}
	}
	switch {
	case s.dir != "":
	case beside != "":
		s.dir = filepath.Join(beside, "journal")
	default:
		s.dir = filepath.Join(caddy.AppDataDir(), "wa_gateway", "journal")
	}
	return s
}

// open opens the journal of one purpose and one database.
func (s journalSettings) open(purpose string, db *store.DB, logger *zap.Logger) (*journal.Journal, error) {
	j, err := journal.Open(journal.Options{Dir: s.folder(purpose, db), MaxBytes: s.maxSize, Logger: logger})
	if err != nil {
		return nil, fmt.Errorf("the journal in %s cannot be used: %w", s.dir, err)
	}
	return j, nil
}

// folder is named after what the journal is for, so that nothing which was kept
// for one database is ever given to another.
func (s journalSettings) folder(purpose string, db *store.DB) string {
	sum := sha256.Sum256([]byte(db.Identity()))
	return filepath.Join(s.dir, purpose+"-"+hex.EncodeToString(sum[:8]))
}

// Retention is for how long what is kept of single messages stays. Counters stay for
// ever.
type Retention struct {
	// The ledger's rows, one for each message, since the last that happened to it.
	// Older events are rejected, since it can no longer be told whether they were
	// counted. At least 1d; -1 keeps them for ever. Default: 90d.
	Ledger caddy.Duration `json:"ledger,omitempty"`

	// Statistics by the hour, for every time zone; older ones are put together to
	// days of UTC, which stay for ever. Not less than ledger; -1 keeps them for ever.
	// Default: 400d.
	Hours caddy.Duration `json:"hours,omitempty"`

	// Webhooks as they came. -1 keeps them for ever. Default: 90d.
	Webhooks caddy.Duration `json:"webhooks,omitempty"`
}

const (
	forever = caddy.Duration(-1)
	day     = 24 * time.Hour
)

// retention is a Retention with its defaults; zero is for ever.
type retention struct{ ledger, hours, webhooks time.Duration }

func (r *Retention) resolve() (retention, error) {
	given := Retention{}
	if r != nil {
		given = *r
	}
	kept := func(value caddy.Duration, fallback time.Duration) time.Duration {
		switch {
		case value == 0:
			return fallback
		case value < 0:
			return 0
		}
		return time.Duration(value)
	}
	resolved := retention{ledger: kept(given.Ledger, 90*day), hours: kept(given.Hours, 400*day), webhooks: kept(given.Webhooks, 90*day)}
	if given.Hours == 0 && resolved.ledger > resolved.hours {
		resolved.hours = resolved.ledger
	}
	for _, d := range []time.Duration{resolved.ledger, resolved.hours, resolved.webhooks} {
		if d != 0 && d < day {
			return retention{}, errors.New("retention: nothing can be kept for less than 1d")
		}
	}
	if resolved.hours != 0 && (resolved.ledger == 0 || resolved.ledger > resolved.hours) {
		if given.Hours != 0 {
			return retention{}, errors.New("retention: hours must not be less than ledger")
		}
		resolved.hours = 0
	}
	return resolved, nil
}
